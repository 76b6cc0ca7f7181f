# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run of the streaming model. No torch: the command line reads them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparsh_ros.errors import ParameterError

VALIDATION_EPISODES = 96
SECONDS, LONG_SECONDS = 4.5, 12.0
"""Length of an episode, and of every seventh, which is one long contact."""
EXACT = ("motion", "print", "stretch")
"""What an encoder could see perfectly: motion of the contact, its pressure and extent, the stretch
of the skin."""
DETAILS = (1, 2, 4)
"""Images of 80 x 60, 160 x 120 and 320 x 240 pixels."""
SHAPE = ("observer", "memory", "key_frame", "detail")


@dataclass(frozen=True)
class StreamSettings:
    """How to train.

    Attributes:
        minutes: computing time of the process, which neighbours do not shorten; then the run ends.
        batch: sequences per step.
        steps: frame pairs per sequence.
        learning_rate: peak learning rate.
        seed: of weights, order and disturbances.
        observer: False for the ablation without the observer's memory.
        memory: False for the ablation without any memory.
        key_frame: True for the ablation with an older frame of the contact besides.
        detail: images so many times finer than 80 x 60 (1, 2 or 4), an ablation.
        validation: episodes on which the checkpoint is chosen.
        lights: how often the second stage sees an episode, each time in another light.
        skip: first episodes that are left out: of the second stage those that the first learned
            from, since on its own episodes an encoder is surer than on new ones; of a run that goes
            on, those that its start knows.
        second_stage: heads alone, on every frame; encoder and observer stay as they start.
        start: checkpoints of other runs from whose averaged weights to start, or folders of
            published weights; the mean of several; none for random ones.
        first_episodes: episodes that are there before the first step.
        episodes_per_step: how many more there are after each step.
    """

    minutes: float
    batch: int = 4
    steps: int = 44
    learning_rate: float = 2e-3
    seed: int = 0
    observer: bool = True
    memory: bool = True
    key_frame: bool = False
    detail: int = 1
    validation: int = VALIDATION_EPISODES
    lights: int = 1
    skip: int = 0
    second_stage: bool = False
    start: Sequence[str] = ()
    first_episodes: int = 64
    episodes_per_step: float = 0.5

    def __post_init__(self) -> None:
        for name in ("minutes", "batch", "steps", "learning_rate", "first_episodes"):
            if not getattr(self, name) > 0:
                raise ParameterError(
                    f"train stream: --{name.replace('_', '-')} must be positive, "
                    f"not {getattr(self, name)}"
                )

        if self.key_frame and self.detail != 1:
            raise ParameterError("train stream: wanted one of --key-frame and --detail, found both")
        if self.skip < 0:
            raise ParameterError(f"train stream: --skip must be 0 or more, not {self.skip}")

    @property
    def shape(self) -> dict[str, Any]:
        """What decides which network it is: arguments of `StreamNetwork`."""
        return {name: getattr(self, name) for name in SHAPE}

    def available(self, step: int) -> range:
        """Episodes that a step chooses from."""
        return range(
            self.skip, self.skip + self.first_episodes + int(step * self.episodes_per_step)
        )
