# SPDX-License-Identifier: Apache-2.0
"""Which heads of a model to run, and why others that were asked for cannot be. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsh_ros.errors import ModelError
from sparsh_ros.models.checkpoints.anytouch.heads import UNIVERSAL_HEADS
from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD, ProbeConfig
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import HEADS

AUTO = "auto"
"""Stands for force, slip and pose, and whatever else the weights have."""
_ALWAYS = ("force", "slip", "pose")
READS_IMAGES = frozenset({FORCE_FIELD})
"""Heads that need images instead of tokens: they read the encoder at several depths."""


@dataclass(frozen=True)
class HeadChoice:
    """What to estimate with a model.

    Attributes:
        wanted: names of the heads that were asked for.
        missing: those of them that cannot be run -> why, in one sentence.
    """

    wanted: tuple[str, ...]
    missing: Mapping[str, str]

    @property
    def usable(self) -> tuple[str, ...]:
        """Those that can be run."""
        return tuple(head for head in self.wanted if head not in self.missing)

    def without(self, head: str, reason: str) -> HeadChoice:
        """The same choice, of which this head cannot be run, for a reason that counts more."""
        if head not in self.wanted:
            return self
        return HeadChoice(self.wanted, {**self.missing, head: reason})

    def of_tokens(self) -> HeadChoice:
        """The same choice where there are tokens alone, and no images."""
        choice = self
        for head in READS_IMAGES:
            choice = choice.without(
                head, f"{head} is read from images, not from tokens: perception has it"
            )
        return choice


def choose_heads(spec: ModelSpec, asked: Sequence[str] = (AUTO,)) -> HeadChoice:
    """Choose heads of a model by name; `AUTO` may be one of the names.

    Raises:
        ModelError: A name is unknown.
        WeightsError: The file of the pose head cannot be read.
    """
    if unknown := [head for head in asked if head not in (AUTO, *HEADS)]:
        raise ModelError(f"heads: wanted some of {', '.join((AUTO, *HEADS))}, found {unknown}")
    automatic = (*_ALWAYS, *spec.heads) if AUTO in asked else ()
    wanted = tuple(head for head in HEADS if head in asked or head in automatic)
    reasons = {head: _why_missing(spec, head) for head in wanted}
    return HeadChoice(wanted, {head: reason for head, reason in reasons.items() if reason})


def _why_missing(spec: ModelSpec, head: str) -> str:
    if head not in spec.heads:
        return (
            f"no weights for {head} in {spec.weights}: "
            f"it has {', '.join(spec.heads) or 'no heads at all'}"
        )
    # A folder of our own that has one was exported with it, whatever its encoder.
    if head == FORCE_FIELD and spec.tubelet and spec.files:
        return (
            f"{spec.name}: wanted an encoder of two frames for the force field, found one of clips"
        )
    if head in UNIVERSAL_HEADS and not UNIVERSAL_HEADS.issuperset(spec.heads):
        others = ", ".join(sorted(set(spec.heads) - UNIVERSAL_HEADS))
        return (
            f"{head} reads tokens of the universal sensor, {others} those of the sensor at hand: "
            f"wanted it in a folder of its own, with the encoder, found both in {spec.weights}"
        )
    fingers = _fingers(spec) if head == "pose" else 1
    if fingers > 1:
        return (
            f"{spec.files.heads[head].path}: wanted a pose head of one finger, because every "
            f"sensor is estimated by itself; found one that joins {fingers} fingers"
        )
    return ""


def _fingers(spec: ModelSpec) -> int:
    """How many fingers' tokens the pose head reads at once; one, where the folder is our own."""
    config = spec.files.heads["pose"].head_config if spec.files else None
    return config.fingers if isinstance(config, ProbeConfig) else 1
