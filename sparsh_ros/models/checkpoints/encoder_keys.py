# SPDX-License-Identifier: Apache-2.0
"""Which tensors of a file are the encoder's, and what the others are. No torch.

A training checkpoint of Sparsh holds the encoder two or three times, under a prefix that depends on
the method: the one that was trained by gradients and, where the method has a teacher, its moving
average (EMA), which is the one to use. Wrappers of torch add components of their own, anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.anytouch.keys import (
    anytouch_prefix,
    describe_part,
    describe_prefix,
    split_anytouch,
)
from sparsh_ros.models.checkpoints.architecture import PATCH_WEIGHT
from sparsh_ros.models.checkpoints.tensor_info import some

_WRAPPERS = {"module", "_orig_mod"}  # of distributed data parallel and torch.compile

_METHODS = {
    "": "bare encoder",
    "target_encoder.backbone.": "V-JEPA, moving average",
    "target_encoder.": "I-JEPA, moving average",
    "teacher_encoder.backbone.": "DINO or DINOv2, moving average",
    "encoder.": "MAE",
    "encoder.backbone.": "MAE, masked by a wrapper",
    "model_encoder.": "of a task, frozen or fine-tuned",
    "model_encoder.backbone.": "video encoder of a task, frozen or fine-tuned",
}
"""Prefix of an encoder -> where it comes from, the preferred one first."""

_OTHER_MODULES = {
    "student_encoder": "the encoder that was trained by gradients",
    "context_encoder": "the encoder that was trained by gradients",
    "dino_head": "projection head of the pre-training",
    "ibot_head": "projection head of the pre-training",
    "predictor": "predictor of the pre-training",
    "decoder": "pixel decoder of the pre-training",
    "online_probes": "probes that watched the pre-training",
    "model_task": "decoder of a task",
    "pose_estimator": "network of the motion between frames, for training a force field",
    "backproject_depth": "grid of pixels, for training a force field",
}


@dataclass(frozen=True)
class EncoderKeys:
    """The tensors of one encoder in a file, and the rest.

    Attributes:
        prefix: What stands before the encoder's own names, wrappers left out.
        method: What the prefix tells of the encoder's origin.
        names: The encoder's own name of a tensor -> its name in the file.
        others: Module -> names in the file of its tensors, which are none of the encoder's.
        unexpected: Names in the file that belong to nothing known.
        anytouch: Whether it is an encoder of AnyTouch, and none of Sparsh.
    """

    prefix: str
    method: str
    names: dict[str, str]
    others: dict[str, list[str]]
    unexpected: list[str]
    anytouch: bool = False


def has_encoder(names: Iterable[str], source: str) -> bool:
    """Whether `find_encoder` finds one.

    Raises:
        WeightsError: Two tensors have the same name without wrappers.
    """
    plain = unwrap(names, source)
    sparsh = any(prefix + PATCH_WEIGHT in plain for prefix in _METHODS)
    return sparsh or anytouch_prefix(plain) is not None


def find_encoder(names: Iterable[str], source: str) -> EncoderKeys:
    """Find the encoder among the tensors of a file.

    Raises:
        WeightsError: There is none, or two tensors have the same name without wrappers.
    """
    plain = unwrap(names, source)
    prefix = next((p for p in _METHODS if p + PATCH_WEIGHT in plain), None)
    if prefix is None and (anytouch := anytouch_prefix(plain)) is not None:
        method = f"AnyTouch, {describe_prefix(anytouch)}"
        return EncoderKeys(anytouch, method, *split_anytouch(plain, anytouch), anytouch=True)
    if prefix is None:
        raise WeightsError(
            f"{source}: wanted an encoder ({PATCH_WEIGHT}, bare or under one of "
            f"{', '.join(p for p in _METHODS if p)}), found {describe_groups(plain)}"
            + ("; load a task's decoder with load_head" if _has_task(plain) else "")
        )
    own = {n.removeprefix(prefix): f for n, f in plain.items() if n.startswith(prefix)}
    others: dict[str, list[str]] = {}
    unexpected = []
    for name, in_file in plain.items():
        module = _other_module(name) if prefix else ""
        if module:
            others.setdefault(module, []).append(in_file)
        elif not name.startswith(prefix):
            unexpected.append(in_file)
    return EncoderKeys(prefix, _METHODS[prefix], own, others, unexpected)


def unwrap(names: Iterable[str], source: str) -> dict[str, str]:
    """Take the wrappers off names: short name -> name in the file.

    Raises:
        WeightsError: Two tensors have the same name without wrappers.
    """
    plain: dict[str, str] = {}
    for name in names:
        short = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        if short in plain:
            raise WeightsError(
                f"{source}: {plain[short]} and {name} are the same tensor once the wrappers "
                f"{' and '.join(sorted(_WRAPPERS))} are taken off; save one state dict alone"
            )
        plain[short] = name
    return plain


def describe_module(name: str, anytouch: bool = False) -> str:
    """Say what a module of `EncoderKeys.others` is; of AnyTouch's files, if it is one of them."""
    if anytouch:
        return describe_part(name)
    last = name.split(".")[-1]
    return _OTHER_MODULES.get(last, "loss of the pre-training")


def describe_groups(names: Iterable[str]) -> str:
    """The first components of names, each with its number of tensors."""
    counts = Counter(name.split(".")[0] for name in names)
    return some([f"{group} ({count})" for group, count in counts.items()])


def _other_module(name: str) -> str:
    """The module beside the encoder that a tensor belongs to; "" if to none that is known."""
    first, *rest = name.split(".")
    if first in _OTHER_MODULES or first.endswith("_loss"):
        return first
    if rest and rest[0] in ("dino_head", "ibot_head"):
        return f"{first}.{rest[0]}"
    return ""


def _has_task(names: Iterable[str]) -> bool:
    return any(name.startswith("model_task.") for name in names)
