# SPDX-License-Identifier: Apache-2.0
"""Which tensors of a file of AnyTouch or AnyTouch 2 are the encoder's, and what the others are.

AnyTouch lies in `checkpoint.pth` bare (stage 1) or below `touch_mae_model.` (stage 2), beside
decoders and, in stage 2, towers of vision and language. AnyTouch 2 has the same names, but for
`tactile_model.` in files of its probes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsh_ros.models.checkpoints.anytouch.config import PATCH_KERNEL, SENSOR_TOKEN

_VIDEO_KERNEL = "video_patch_embedding.weight"
_PREFIXES = {
    "touch_mae_model.": "with other towers beside it",
    "tactile_model.": "in the file of a probe",
    "": "bare, as of stage 1",
}
"""Prefix of the encoder -> what that tells of the file, the preferred one first."""

_OTHERS = {
    "video_position_embedding": "positions that the encoder never uses",
    "new_position_ids": "running numbers of the positions",
    "text_model": "language tower",
    "text_projection": "projection of the language tower",
    "vision_model": "tower of ordinary images",
    "visual_projection": "projection of the tower of ordinary images",
    "logit_scale": "temperature of the alignment",
    "cross_sensor_head": "matcher of touches across sensors",
    "head": "head of a task",
}
"""First component of a name -> what it is."""
_CLIP_KERNEL = "patch kernel of CLIP, replaced by that of clips"
_CLIP_IDS = "running numbers of the positions"


def anytouch_prefix(plain: Mapping[str, Any]) -> str | None:
    """What stands before the names of an AnyTouch encoder, wrappers left out; None if none is."""
    return next((prefix for prefix in _PREFIXES if prefix + SENSOR_TOKEN in plain), None)


def describe_prefix(prefix: str) -> str:
    """Say what the prefix of an AnyTouch encoder tells of its file."""
    return _PREFIXES[prefix]


def split_anytouch(
    plain: Mapping[str, str], prefix: str
) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Part the tensors of a file: the encoder's, those beside it, and those of no known part.

    Args:
        plain: Name without wrappers -> name in the file.
        prefix: Of the encoder, from `anytouch_prefix`.

    Returns:
        The encoder's own name of a tensor -> its name in the file; part -> names in the file;
        names in the file.
    """
    own: dict[str, str] = {}
    others: dict[str, list[str]] = {}
    unexpected = []
    clips = prefix + _VIDEO_KERNEL in plain
    for name, in_file in plain.items():
        inside = name.startswith(prefix)
        short = name.removeprefix(prefix)
        part = _part(short, clips) if inside else name.split(".")[0]
        if part:
            others.setdefault(part, []).append(in_file)
        elif short == _VIDEO_KERNEL:
            own[PATCH_KERNEL] = in_file
        elif short.startswith(("touch_model.", "touch_projection.")) or short == SENSOR_TOKEN:
            own[short] = in_file
        else:
            unexpected.append(in_file)
    return own, others, unexpected


def describe_part(part: str) -> str:
    """Say what a part beside an AnyTouch encoder is."""
    if part == PATCH_KERNEL:
        return _CLIP_KERNEL
    if "position_ids" in part:
        return _CLIP_IDS
    if "decoder" in part or "mask_token" in part:
        return "decoder of the pre-training"
    return _OTHERS.get(part, "part of the training")


def _part(name: str, clips: bool) -> str:
    """The part beside the encoder that a tensor belongs to; "" if to none that is known."""
    first = name.split(".")[0]
    if first in _OTHERS or "decoder" in name or "mask_token" in name:
        return first
    if (name == PATCH_KERNEL and clips) or name.endswith("embeddings.position_ids"):
        return name
    return ""
