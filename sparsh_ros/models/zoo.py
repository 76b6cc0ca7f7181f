# SPDX-License-Identifier: Apache-2.0
"""Which models there are, and where their weights lie.

What a model is stands in `config/models/<name>.yaml`. What training found out (which heads are
worth having, the slip threshold, the bins of the pose head) stands in `heads.json` beside the
weights, because it changes with them. `ModelSpec` joins both. No torch here.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.files import read_yaml
from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig, InferredAnyTouch
from sparsh_ros.models.checkpoints.architecture import EncoderConfig, InferredConfig
from sparsh_ros.models.checkpoints.weight_files import find_weight_files
from sparsh_ros.models.spec import SIZES, ModelSpec, Source
from sparsh_ros.resources import config_path, user_data_path, weights_path

TRAINED_VALUES_FILE = "heads.json"
_ONLY_STREAMING = (
    "slip_release",
    "slip_confirm_s",
    "slip_frame_threshold",
    "friction_prior",
    "evidence_kept",
    "turn_anisotropy",
    "turn_dead_zone",
    "unshipped",
)
_TRAINED_FIELDS = (
    *("heads", "slip_threshold", *_ONLY_STREAMING, "pose_axes"),
    *("pose_bin_edges_mm", "pose_bin_edges_deg", "pose_bin_values_mm", "pose_bin_values_deg"),
)
_OF_PUBLISHER = {"sources", "unverified"}
_YAML_FIELDS = {f.name for f in fields(ModelSpec)} - {*_TRAINED_FIELDS, "files"}


def list_models() -> list[str]:
    """Names of the models that `config/models` describes."""
    return sorted(path.stem for path in config_path("models").glob("*.yaml"))


def load_model_spec(name_or_path: str | Path, weights_dir: str | Path | None = None) -> ModelSpec:
    """Load a model's spec by its name, or from a YAML file of one's own.

    Args:
        name_or_path: Name of a model, or a `.yaml` file.
        weights_dir: Folder with its weights: our own format, as `sparsh-ros weights convert` and
            training write it, or published files, see `find_weight_files`. None takes what the
            description names as ``weights``, relative to it; else, of a published model, the
            user's data folder, where `sparsh-ros weights get` puts them; else what ships.

    Returns:
        The spec. A published model that is not on this machine has neither files nor heads.

    Raises:
        ModelError: There is no such model, or its description cannot be used.
        WeightsError: The weights folder cannot be used.
    """
    spec = describe_model(name_or_path, weights_dir)
    try:
        if (spec.weights / TRAINED_VALUES_FILE).is_file():
            return _with_trained_values(spec)
        if weights_dir is not None or (spec.sources and spec.weights.is_dir()):
            return _with_published_files(spec)
    except OSError as error:  # such as a name that no file can have
        raise WeightsError(
            f"weights of {spec.name[:80]!r}: cannot be read ({error.strerror})"
        ) from error
    return spec


def describe_model(name_or_path: str | Path, weights_dir: str | Path | None = None) -> ModelSpec:
    """The first half of `load_model_spec`: what a model is, whatever its weights folder holds.

    Raises:
        ModelError: There is no such model, or its description cannot be used.
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
    values["weights"] = _weights_folder(path, values, weights_dir)
    try:
        return ModelSpec(**{name: _as_tuple(value) for name, value in values.items()})
    except TypeError as error:
        raise ModelError(f"{path}: {str(error).removeprefix('ModelSpec.__init__() ')}") from None


def describe_as_yaml(spec: ModelSpec) -> str:
    """The description of a model, for a `.yaml` file beside its weights."""
    names = (entry.name for entry in fields(spec) if entry.name in _YAML_FIELDS - _OF_PUBLISHER)
    own = {name: getattr(spec, name) for name in names}
    plain = json.loads(json.dumps(own | {"weights": str(spec.weights)}))  # tuples become lists
    return yaml.safe_dump(plain, sort_keys=False)


def write_trained_values(spec: ModelSpec, folder: Path) -> None:
    """Write what training found out (`heads.json`) into a weights folder."""
    values = {name: getattr(spec, name) for name in _TRAINED_FIELDS}
    text = json.dumps(values, indent=2)
    (folder / TRAINED_VALUES_FILE).write_text(text + "\n")


def describe_encoder(
    config: InferredConfig | EncoderConfig | InferredAnyTouch | AnyTouchConfig,
) -> str:
    """Say in words what an encoder is."""
    if isinstance(config, (InferredAnyTouch, AnyTouchConfig)):
        time = f"tubelets of {config.tubelet}" if config.tubelet else f"clips of {config.frames}"
        return (
            f"an encoder of {'AnyTouch 2' if config.tubelet else 'AnyTouch'} (embed_dim "
            f"{config.embed_dim}, depth {config.depth}, patch {config.patch_size}, {time} frames)"
        )
    sizes = [n for n, size in SIZES.items() if size[:2] == (config.embed_dim, config.depth)]
    time = f"tubelets of {config.tubelet} frames, " if config.tubelet else ""
    return (
        f"{'a video' if config.tubelet else 'an image'} encoder of "
        f"{f'size {sizes[0]}' if sizes else 'no known size'} (embed_dim {config.embed_dim}, depth "
        f"{config.depth}, patch {config.patch_size}, {config.in_channels} channels, {time}"
        f"registers {config.registers})"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = read_yaml(path)
    except ValueError as error:
        raise ModelError(f"model file {path}: cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise ModelError(f"model file {path}: wanted a mapping, found {type(values).__name__}")
    if unknown := set(values) - _YAML_FIELDS:
        raise ModelError(
            f"model file {path}: unknown entries {sorted(map(str, unknown))}; "
            f"known are {sorted(_YAML_FIELDS)}"
        )
    values["sources"] = [_source(path, entry) for entry in values.get("sources", [])]
    return values


def _source(path: Path, entry: Any) -> Source:
    """A source as it is described, or the first one of another model."""
    try:
        if entry.keys() == {"model"}:
            return describe_model(entry["model"]).sources[0]
        return Source(**{name: _as_tuple(value) for name, value in entry.items()})
    except (TypeError, AttributeError, IndexError):
        raise ModelError(
            f"model file {path}: sources: wanted repository, files and, where known, size and "
            f"sha256, or the model whose first source it is, found {entry!r}"
        ) from None


def _weights_folder(path: Path, values: dict[str, Any], given: str | Path | None) -> Path:
    if given is not None:
        return Path(given).expanduser()
    if "weights" in values:
        return path.parent / str(values["weights"])
    name = str(values.get("name", path.stem))
    return user_data_path("models", name) if values.get("sources") else weights_path(name)


def _with_trained_values(spec: ModelSpec) -> ModelSpec:
    path = spec.weights / TRAINED_VALUES_FILE
    try:
        values = json.loads(path.read_text())
        found = {name: values[name] for name in _TRAINED_FIELDS if name not in _ONLY_STREAMING}
        found |= {name: values[name] for name in _ONLY_STREAMING if name in values}
        return replace(spec, **{name: _as_tuple(value) for name, value in found.items()})
    except (OSError, ValueError, RecursionError, KeyError, TypeError, ModelError) as error:
        raise WeightsError(
            f"{path}: cannot be used ({error}); write it again with `sparsh-ros export`"
        ) from error


def _with_published_files(spec: ModelSpec) -> ModelSpec:
    names = spec.sources[0].files if spec.sources else ()
    files = find_weight_files(spec.weights, names)
    return replace(spec, files=files, heads=tuple(files.heads))


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value
