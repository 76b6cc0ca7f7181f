# SPDX-License-Identifier: Apache-2.0
"""Which models there are: architecture, input, licence, weights folder and how to read the heads.

What a model is stands in `config/models/<name>.yaml`. What training found out (which heads are
worth having, the slip threshold, the bins of the pose head) stands in `heads.json` beside the
weights, because it changes with them. `ModelSpec` joins both. No torch here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.infer import EncoderFacts, EncoderLayout
from sparsh_ros.resources import config_path, weights_path

POSE_BINS = 11
POSE_AXES = ("tx", "ty", "yaw")
GRASPS = ("not stable", "stable")
TEXTILES = (
    "cotton",
    "satin",
    "polyester",
    "denim",
    "gabardine",
    "broad cloth",
    "parka",
    "leather",
    "crepe",
    "corduroy",
    "velvet",
    "flannel",
    "fleece",
    "hairy",
    "wool",
    "knit",
    "net",
    "suit",
    "woven",
    "other",
)
HEADS_FILE = "heads.json"


class Architecture(NamedTuple):
    """Channels of a token, number of transformer blocks, attention heads per block."""

    width: int
    depth: int
    heads: int


SIZES = {
    "micro": Architecture(192, 6, 3),  # not a published size: fits 60 Hz on two CPU cores
    "tiny": Architecture(192, 12, 3),
    "small": Architecture(384, 12, 6),
    "base": Architecture(768, 12, 12),
    "large": Architecture(1024, 24, 16),
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
class ModelSpec:
    """Everything about a model that is not a tensor.

    Attributes:
        name: Name under which the model is found.
        size: Key of `SIZES`.
        licence: SPDX name of the licence of the weights.
        weights: Folder of the weights files.
        registers: Trained register tokens of the encoder; None takes what the weights have.
        zero_registers: Register tokens of zeros to add to weights that have none.
        patch_size: Side of a patch in pixels.
        image_height: Height in pixels of the encoder's input.
        image_width: Width in pixels of the encoder's input.
        frame_offsets_s: How much older than the current frame each frame is that the encoder
            sees, newest first, in seconds.
        tubelet: Frames of a clip that a video encoder joins to one token; None for an image
            encoder, which takes the frames as channels.
        heads: Names of the heads that have trained weights.
        slip_threshold: Slip probability at and above which the slip head's answer is "slipping".
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
    registers: int | None = 1
    zero_registers: int = 0
    patch_size: int = 16
    image_height: int = 320
    image_width: int = 240
    frame_offsets_s: tuple[float, ...] = (0.0, 5 / 60)
    tubelet: int | None = None
    heads: tuple[str, ...] = ()
    slip_threshold: float = 0.4  # TacBench's
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
        for name, least in (
            ("registers", 0),
            ("zero_registers", 0),
            ("patch_size", 1),
            ("tubelet", 1),
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
        self._check_bins()

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

    @property
    def width(self) -> int:
        """Channels D of a token."""
        return SIZES[self.size].width

    @property
    def depth(self) -> int:
        """Number of transformer blocks."""
        return SIZES[self.size].depth

    @property
    def attention_heads(self) -> int:
        """Attention heads per block, also of the attentive pooler."""
        return SIZES[self.size].heads

    @property
    def frames(self) -> int:
        """Frames that the encoder sees at once."""
        return len(self.frame_offsets_s)

    @property
    def interval_s(self) -> float:
        """Time between the newest and the oldest of them, in seconds."""
        return self.frame_offsets_s[-1]

    @property
    def layout(self) -> EncoderLayout:
        """The encoder's architecture, as far as it is described here."""
        return EncoderLayout(
            width=self.width,
            depth=self.depth,
            heads=self.attention_heads,
            image_size=(self.image_height, self.image_width),
            patch_size=self.patch_size,
            in_channels=3 if self.tubelet else 3 * self.frames,
            registers=self.registers or self.zero_registers,
            frames=self.frames if self.tubelet else None,
            tubelet=self.tubelet,
        )

    @property
    def tokens(self) -> int:
        """Tokens N that the encoder returns: one per patch, of a clip one per tubelet."""
        return self.layout.tokens


_TYPES = {
    "str": str,
    "int": int,
    "int | None": (int, type(None)),
    "float": (int, float),
    "tuple[float, ...]": tuple,
}
_TRAINED_FIELDS = (
    "heads",
    "slip_threshold",
    "pose_axes",
    "pose_bin_edges_mm",
    "pose_bin_edges_deg",
    "pose_bin_values_mm",
    "pose_bin_values_deg",
)
_YAML_FIELDS = {f.name for f in fields(ModelSpec)} - set(_TRAINED_FIELDS)


def list_models() -> list[str]:
    """Names of the models that `config/models` describes."""
    return sorted(path.stem for path in config_path("models").glob("*.yaml"))


def load_model_spec(name_or_path: str | Path) -> ModelSpec:
    """Load a model's spec by its name, or from a YAML file of one's own.

    In a file of one's own, ``weights`` names the weights folder, relative to that file; without
    it the weights are those that ship under the model's name.

    Raises:
        ModelError: There is no such model, or its description cannot be used.
        WeightsError: The weights folder's `heads.json` cannot be used.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in list_models():
            raise ModelError(
                f"model {str(name_or_path)!r}: unknown; choose one of {', '.join(list_models())}, "
                "or give the path of a .yaml file"
            )
        path = config_path("models", f"{name_or_path}.yaml")
    values = _read_yaml(path)
    own = path.parent / str(values["weights"]) if "weights" in values else None
    values["weights"] = own or weights_path(str(values.get("name", path.stem)))
    try:
        spec = ModelSpec(**{name: _as_tuple(value) for name, value in values.items()})
    except TypeError as error:
        raise ModelError(f"{path}: {str(error).removeprefix('ModelSpec.__init__() ')}") from None
    return _with_trained_values(spec)


def write_trained_values(spec: ModelSpec, folder: Path) -> None:
    """Write what training found out (`heads.json`) into a weights folder."""
    values = asdict(spec)
    text = json.dumps({name: values[name] for name in _TRAINED_FIELDS}, indent=2)
    (folder / HEADS_FILE).write_text(text + "\n")


def describe_encoder(facts: EncoderFacts | EncoderLayout) -> str:
    """Say in words what an encoder is."""
    sizes = [n for n, size in SIZES.items() if size[:2] == (facts.width, facts.depth)]
    time = f"tubelets of {facts.tubelet} frames, " if facts.tubelet else ""
    return (
        f"{'a video' if facts.tubelet else 'an image'} encoder of "
        f"{f'size {sizes[0]}' if sizes else 'no known size'} (width {facts.width}, depth "
        f"{facts.depth}, patch {facts.patch_size}, {facts.in_channels} channels, {time}registers "
        f"{facts.registers})"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"model file {path}: cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise ModelError(f"model file {path}: wanted a mapping, found {type(values).__name__}")
    if unknown := set(values) - _YAML_FIELDS:
        raise ModelError(
            f"model file {path}: unknown entries {sorted(unknown)}; "
            f"known are {sorted(_YAML_FIELDS)}"
        )
    return values


def _with_trained_values(spec: ModelSpec) -> ModelSpec:
    path = spec.weights / HEADS_FILE
    if not path.is_file():
        return spec
    try:
        values = json.loads(path.read_text())
        return replace(spec, **{name: _as_tuple(values[name]) for name in _TRAINED_FIELDS})
    except (OSError, ValueError, KeyError, TypeError, ModelError) as error:
        raise WeightsError(
            f"{path}: cannot be used ({error}); write it again with `sparsh-ros export`"
        ) from error


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value
