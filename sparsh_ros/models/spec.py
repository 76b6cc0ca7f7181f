# SPDX-License-Identifier: Apache-2.0
"""What a model is, apart from its tensors: architecture, input, licence, files, bins. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sparsh_ros.errors import ModelError
from sparsh_ros.frames import IMAGE_SHAPE, PAIR_OFFSETS_S
from sparsh_ros.models.checkpoints.anytouch.config import (
    FAMILIES,
    FORCE_LIMITS_N,
    SENSOR_IDS,
    UNIVERSAL,
    AnyTouchConfig,
)
from sparsh_ros.models.checkpoints.anytouch.heads import UNIVERSAL_HEADS
from sparsh_ros.models.checkpoints.architecture import EncoderConfig
from sparsh_ros.models.checkpoints.weight_files import WeightFiles
from sparsh_ros.models.streaming.layout import CHANNELS, SMALL_SHAPE, TOKENS
from sparsh_ros.models.transforms import (
    IDENTITY,
    InputTransform,
    OutputTransform,
    load_transforms,
)
from sparsh_ros.names import FORCE_AXES, POSE_AXES

POSE_BINS = 11
SPARSH = "sparsh"
RESNET = "resnet18"
"""Family, and beginning of the sizes, of ResNets that read the two frames of a pair one by one."""


class Architecture(NamedTuple):
    """Channels of a token, number of transformer blocks, attention heads per block."""

    embed_dim: int
    depth: int
    num_heads: int


STREAM = "stream"
SIZES = {
    "nano": Architecture(64, 4, 1),  # not a published size: trains on a CPU core in minutes
    "micro": Architecture(192, 6, 3),  # not a published size: fits 60 Hz on two CPU cores
    "tiny": Architecture(192, 12, 3),
    "small": Architecture(384, 12, 6),
    "base": Architecture(768, 12, 12),
    "large": Architecture(1024, 24, 16),
    RESNET: Architecture(2 * 512, 8, 16),  # a token is of one place in both frames
    f"{RESNET}-nano": Architecture(2 * 128, 8, 4),
    STREAM: Architecture(
        CHANNELS, 0, 0
    ),  # no transformer, see `sparsh_ros.models.streaming.network`
}

_EDGES_MM = (-5.0, -2.0, -1.0, -0.5, -0.1, 0.1, 0.5, 1.0, 2.0, 5.0)
_EDGES_DEG = (-2.0, -1.0, -0.5, -0.2, -0.03, 0.03, 0.2, 0.5, 1.0, 2.0)


def bin_centres(edges: tuple[float, ...]) -> tuple[float, ...]:
    """Middle of each bin between ``edges``; the two open bins count as wide as their neighbours."""
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    first = edges[0] - (edges[1] - edges[0]) / 2
    last = edges[-1] + (edges[-1] - edges[-2]) / 2
    return (first, *middles, last)


@dataclass(frozen=True)
class Source:
    """Where a part of a published model can be had.

    Attributes:
        repository: Repository on the Hugging Face Hub.
        files: Names of its files that hold that part, each a pattern as of a shell; the first is
            fetched, in its last version by name.
        size: Bytes of the first, as far as known.
        sha256: Its hash, or as much of the beginning as is known.
    """

    repository: str
    files: tuple[str, ...]
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class ModelSpec:
    """Everything about a model that is not a tensor.

    Attributes:
        name: Name under which the model is found.
        size: Key of `SIZES`.
        licence: SPDX name of the licence of the weights.
        weights: Folder of the weights files.
        family: "sparsh", "anytouch" or "anytouch2": whose encoder it is.
        registers: Trained register tokens of the encoder; None takes what the weights have.
        zero_registers: Register tokens of zeros to add to weights that have none.
        patch_size: Side of a patch in pixels.
        image_height: Height in pixels of the encoder's input.
        image_width: Width in pixels of the encoder's input.
        frame_offsets_s: How much older than the current frame each frame is that the encoder
            sees, newest first, in seconds.
        tubelet: Frames of a clip that a video encoder joins to one token; None for an image
            encoder, which takes the frames as channels.
        pooler_num_heads: Attention heads of the heads' poolers; None: as many as the encoder's.
        transforms: Name of the set of transforms from the canonical image to what the weights were
            trained on, see `sparsh_ros.models.transforms`; "" for none.
        sources: Where its published files can be had, the encoder's first.
        unverified: What nobody can tell without these files, or not even with them.
        files: The published files, where the weights are such; None where the folder is our own.
        heads: Names of the heads that have trained weights.
        slip_threshold: Slip probability at and above which the slip head's answer is "slipping".
        slip_release: Probability below which slip ends; None for the threshold itself.
        slip_confirm_s: How long a streaming model's probability stays at the threshold before slip
            begins, in seconds.
        slip_frame_threshold: Slip probability at and above which it slips in a single frame, more
            likely than not, whatever the alarm says; None for `slip_threshold`.
        friction_prior: Log probability of each friction hypothesis, see
            `perception.streaming.friction_observer`; only of streaming models.
        evidence_kept: Share of the evidence for them that outlives a step.
        turn_anisotropy: Anisotropy of the print from which on a streaming model tells rotation.
        turn_dead_zone: A rotation below this many of its own scales counts as none.
        unshipped: Outputs of a streaming model, of `streaming.layout.OUTPUTS`, that were no better
            than a guess on validation data: they stay unknown.
        force_outputs: Which of `FORCE_AXES`, as the head's labels call them, is along x, y and z of
            the image that the model sees; a minus before it stands for the opposite direction.
        pose_outputs: The same of the motion: which of `POSE_AXES` is along x, along y, about z.
        pose_axes: Axes of the pose head that are worth reading, of `POSE_AXES`; the others' motion
            is unknown.
        pose_bin_edges_mm: The 10 edges between the bins of tx and ty, ascending, in mm.
        pose_bin_edges_deg: The 10 edges between the bins of yaw, ascending, in degrees.
        pose_bin_values_mm: Typical motion in each of the 11 bins, for tx and for ty, in mm.
        pose_bin_values_deg: Typical rotation in each of the 11 bins, in degrees.
    """

    name: str
    size: str
    licence: str
    weights: Path
    family: str = SPARSH
    registers: int | None = 1
    zero_registers: int = 0
    patch_size: int = 16
    image_height: int = 320
    image_width: int = 240
    frame_offsets_s: tuple[float, ...] = PAIR_OFFSETS_S
    tubelet: int | None = None
    pooler_num_heads: int | None = None
    transforms: str = ""
    sources: tuple[Source, ...] = ()
    unverified: tuple[str, ...] = ()
    files: WeightFiles | None = None
    heads: tuple[str, ...] = ()
    slip_threshold: float = 0.4  # TacBench's
    slip_release: float | None = None
    slip_confirm_s: float = 0.0
    slip_frame_threshold: float | None = None
    friction_prior: tuple[float, ...] = ()
    evidence_kept: float = 1.0
    turn_anisotropy: float = 0.3
    turn_dead_zone: float = 0.0
    unshipped: tuple[str, ...] = ()
    force_outputs: tuple[str, ...] = FORCE_AXES
    pose_outputs: tuple[str, ...] = POSE_AXES
    pose_axes: tuple[str, ...] = POSE_AXES
    pose_bin_edges_mm: tuple[float, ...] = _EDGES_MM
    pose_bin_edges_deg: tuple[float, ...] = _EDGES_DEG
    pose_bin_values_mm: tuple[tuple[float, ...], ...] = (bin_centres(_EDGES_MM),) * 2
    pose_bin_values_deg: tuple[float, ...] = bin_centres(_EDGES_DEG)

    def __post_init__(self) -> None:
        self._check_types()
        if self.size not in SIZES:
            raise ModelError(
                f"model {self.name}: size {self.size!r} is unknown; use one of {', '.join(SIZES)}"
            )
        families = (SPARSH, RESNET, *FAMILIES)
        if self.family not in families:
            raise ModelError(
                f"model {self.name}: family wants one of {', '.join(families)}, "
                f"found {self.family!r}"
            )
        for name, least in (
            ("registers", 0),
            ("zero_registers", 0),
            ("patch_size", 1),
            ("tubelet", 1),
            ("pooler_num_heads", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ModelError(f"model {self.name}: {name} wants {least} or more, found {value}")
        self._check_frames()
        for side in (self.image_height, self.image_width):
            if side < self.patch_size or side % self.patch_size:
                raise ModelError(
                    f"model {self.name}: image side {side} is no multiple of the patch size "
                    f"{self.patch_size}"
                )
        self._check_outputs()
        self._check_bins()
        self.input_transform("")

    def _check_types(self) -> None:
        for entry in fields(self):
            value, wanted = getattr(self, entry.name), _TYPES.get(entry.type)
            if wanted and (not isinstance(value, wanted) or isinstance(value, bool)):
                raise ModelError(
                    f"model {self.name}: {entry.name} wants {entry.type}, found {value!r}"
                )

    def _check_frames(self) -> None:
        offsets = self.frame_offsets_s
        ascending = all(isinstance(offset, (int, float)) for offset in offsets) and (
            sorted(set(offsets)) == list(offsets)
        )
        if not ascending or len(offsets) < 2 or offsets[0] != 0:
            raise ModelError(
                f"model {self.name}: frame_offsets_s wants 0, then ascending seconds, "
                f"found {list(offsets)}"
            )
        if self.tubelet and self.frames % self.tubelet:
            raise ModelError(
                f"model {self.name}: {self.frames} frames are no multiple of the tubelet "
                f"{self.tubelet}"
            )

    def _check_outputs(self) -> None:
        for name, axes in (("force_outputs", FORCE_AXES), ("pose_outputs", POSE_AXES)):
            outputs = [str(output) for output in getattr(self, name)]
            plain = [output.removeprefix("-") for output in outputs]
            # The third is a compression, which has one sign, or an angle, whose bins are others.
            if sorted(plain) != sorted(axes) or outputs[2] not in ("z", "yaw", "-yaw"):
                raise ModelError(
                    f"model {self.name}: {name} wants {', '.join(axes)}, the first two in any "
                    f"order, each perhaps with a minus before it (not z), found {outputs}"
                )

    def _check_bins(self) -> None:
        if unknown := set(self.pose_axes) - set(POSE_AXES):
            raise ModelError(
                f"model {self.name}: pose_axes want some of {', '.join(POSE_AXES)}, "
                f"found {sorted(unknown)}"
            )
        for name in ("pose_bin_edges_mm", "pose_bin_edges_deg"):
            edges = getattr(self, name)
            if len(edges) != POSE_BINS - 1 or sorted(set(edges)) != list(edges):
                raise ModelError(
                    f"model {self.name}: {name} wants {POSE_BINS - 1} ascending values, "
                    f"found {list(edges)}"
                )
        if [len(row) for row in (*self.pose_bin_values_mm, self.pose_bin_values_deg)] != [
            POSE_BINS
        ] * 3:
            raise ModelError(
                f"model {self.name}: pose_bin_values want {POSE_BINS} values each for tx, ty, yaw"
            )

    def input_transform(self, sensor_type: str) -> InputTransform:
        """From the canonical image of a type of sensor, such as "digit", to what the model wants.

        Raises:
            ModelError: The set of transforms is unknown or cannot be used.
        """
        try:
            return _load_transforms(self.transforms).get(sensor_type, IDENTITY)
        except ModelError as error:
            raise ModelError(f"model {self.name}: {error}") from None

    def output_transform(self, sensor_type: str) -> OutputTransform:
        """Back again: from the axes of the heads' outputs to those of the canonical image.

        Raises:
            ModelError: As `input_transform`.
        """
        transform = self.input_transform(sensor_type)
        return transform.inverse(self.force_outputs, self.pose_outputs)

    @property
    def terms(self) -> str:
        """Under which the weights may be used, in words."""
        return f"licence {self.licence}" + (
            ", for non-commercial use only" if "-NC-" in self.licence else ""
        )

    @property
    def streams(self) -> bool:
        """Whether it is a streaming model, which remembers the contact."""
        return self.size == STREAM

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of each image that the encoder takes: the canonical one, or a smaller one."""
        return SMALL_SHAPE if self.streams else IMAGE_SHAPE

    @property
    def tells_sensor(self) -> bool:
        """Whether the encoder has to be told which sensor it sees."""
        return self.family in FAMILIES

    @property
    def sees_background(self) -> bool:
        """Whether the background is taken away for it."""
        return self.family != "anytouch"

    def sensor_id(self, sensor_type: str) -> int:
        """By which the encoder is told a type of sensor; the universal one if it knows it not, or
        if all heads were trained with that."""
        if self.heads and UNIVERSAL_HEADS.issuperset(self.heads):
            return UNIVERSAL
        return SENSOR_IDS.get(sensor_type, UNIVERSAL)

    def force_scale_n(
        self, sensor_type: str, own: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        """Newtons (x, y, z) at an output of 1 of the force head.

        Args:
            sensor_type: Such as "digit".
            own: What the sensor's profile says, which is TacBench's.

        Returns:
            NaN where the head was not trained for that type of sensor.
        """
        unknown = (math.nan,) * 3
        return FORCE_LIMITS_N.get(sensor_type, unknown) if self.tells_sensor else own

    @property
    def embed_dim(self) -> int:
        """Channels D of a token."""
        return SIZES[self.size].embed_dim

    @property
    def depth(self) -> int:
        """Number of transformer blocks."""
        return SIZES[self.size].depth

    @property
    def num_heads(self) -> int:
        """Attention heads per block, also of the attentive pooler."""
        return SIZES[self.size].num_heads

    @property
    def frames(self) -> int:
        """Frames that the encoder sees at once."""
        return len(self.frame_offsets_s)

    @property
    def interval_s(self) -> float:
        """Time between the newest and the oldest of them, in seconds."""
        return self.frame_offsets_s[-1]

    @property
    def encoder_config(self) -> EncoderConfig | AnyTouchConfig:
        """The encoder's architecture, as far as it is described here."""
        same = ("embed_dim", "depth", "num_heads", "patch_size", "tubelet")
        common = {name: getattr(self, name) for name in same}
        common["image_size"] = (self.image_height, self.image_width)
        if self.tells_sensor:
            return AnyTouchConfig(frames=self.frames, **common)
        return EncoderConfig(
            in_channels=3 if self.tubelet else 3 * self.frames,
            registers=self.registers or self.zero_registers,
            frames=self.frames if self.tubelet else None,
            **common,
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patches of a frame."""
        return self.image_height // self.patch_size, self.image_width // self.patch_size

    @property
    def tokens(self) -> int:
        """Tokens N that the encoder returns: one per patch, of a clip one per tubelet."""
        if self.streams:
            return TOKENS
        return self.encoder_config.tokens


_TYPES = {
    "str": str,
    "int": int,
    "int | None": (int, type(None)),
    "float": (int, float),
    "tuple[float, ...]": tuple,
}

_load_transforms = cache(load_transforms)
