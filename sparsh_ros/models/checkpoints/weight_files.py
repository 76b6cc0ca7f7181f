# SPDX-License-Identifier: Apache-2.0
"""Find the published files of a model in a folder: which one is the encoder, which are heads.

What a file holds is told from its tensors, not from its name. No torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import yaml

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.encoder_keys import has_encoder
from sparsh_ros.models.checkpoints.head_facts import find_head, recognise_head
from sparsh_ros.models.checkpoints.tensor_files import open_tensor_file

CHOICE_FILE = "files.yaml"
"""In the folder: encoder and tasks -> names of the files to take, where there are several."""
ENCODER = "encoder"
_SUFFIXES = (".safetensors", ".ckpt", ".pth", ".pt")
_EPOCHS = "epoch-*.pth"  # of one run of TacBench's training, side by side, their number padded
_LATEST = "last.ckpt"  # beside them


@dataclass(frozen=True)
class WeightFiles:
    """The published files of one model.

    Attributes:
        encoder: File with the encoder.
        heads: Task -> file with its decoder.
    """

    encoder: Path
    heads: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class _Holds:
    """What a file holds: an encoder, the decoder of a task ("" for none)."""

    path: Path
    encoder: bool
    task: str


def find_weight_files(folder: Path, encoder_names: Sequence[str] = ()) -> WeightFiles:
    """Find a model's files in a folder and the folders in it; hidden ones are left out.

    `files.yaml` in the folder says which file to take where several would do: it maps "encoder" and
    tasks to names relative to the folder. Of what one training run saved side by side,
    `epoch-XXXX.pth` and `last.ckpt`, the last epoch is taken.

    Args:
        folder: Where to look.
        encoder_names: Names of the encoder's published file, the preferred one first. A file of
            such a name is taken before any other.

    Raises:
        WeightsError: There is no encoder, there are several files for one thing, a decoder comes
            with an encoder of its own that is not the one taken, or a file is broken or unsafe.
        MissingDependencyError: The package safetensors is needed and not installed.
    """
    chosen = _read_choice(folder)
    found = [_look(path) for path in _candidates(folder)]
    encoder = chosen.get(ENCODER) or _choose_encoder(
        folder, found, encoder_names, set(chosen.values())
    )
    tasks = sorted({holds.task for holds in found if holds.task} | (set(chosen) - {ENCODER}))
    heads = {}
    for task in tasks:
        heads[task] = chosen.get(task) or _choose_head(folder, found, task, encoder)
    return WeightFiles(encoder, heads)


def choose_files(paths: Sequence[Path]) -> WeightFiles:
    """Tell which of these files holds the encoder and which ones decoders.

    Raises:
        WeightsError: None or several hold an encoder, two are for one task, one is for nothing, or
            one cannot be read.
        MissingDependencyError: The package safetensors is needed and not installed.
    """
    found = [_look(path) for path in paths]
    encoders = [holds.path for holds in found if holds.encoder]
    if len(encoders) != 1:
        raise WeightsError(
            f"wanted one file with an encoder, found {', '.join(map(str, encoders)) or 'none'} "
            f"among {', '.join(map(str, paths))}"
        )
    heads: dict[str, Path] = {}
    for holds in found:
        if not (holds.encoder or holds.task):
            raise WeightsError(f"{holds.path}: wanted an encoder or a decoder, found neither")
        if holds.task in heads:
            raise WeightsError(
                f"wanted one file for {holds.task}, found {heads[holds.task]} and {holds.path}"
            )
        if holds.task:
            heads[holds.task] = holds.path
    return WeightFiles(encoders[0], heads)


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise WeightsError(
            f"{folder}: wanted a folder with weights, found none; `sparsh-ros weights get NAME` "
            "fetches them, weights_dir names another folder"
        )
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in _SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _look(path: Path) -> _Holds:
    file = open_tensor_file(path)
    names = find_head(file.tensors, str(path))
    task = recognise_head({name: file.tensors[in_file].shape for name, in_file in names.items()})
    return _Holds(path, has_encoder(file.tensors, str(path)), task)


def _choose_encoder(
    folder: Path, found: Sequence[_Holds], names: Sequence[str], chosen: Collection[Path]
) -> Path:
    encoders = [holds.path for holds in found if holds.encoder]
    for name in names:
        if named := [path for path in encoders if path.name == name]:
            return _only(folder, ENCODER, named)
    alone = [holds.path for holds in found if holds.encoder and not holds.task]
    if not encoders:
        wanted = f" ({' or '.join(names)})" if names else ""
        held = ", ".join(holds.path.name for holds in found) or "no weights file"
        raise WeightsError(
            f"{folder}: wanted a file with an encoder{wanted}, found {held}; "
            "`sparsh-ros weights get NAME` fetches it"
        )
    of_chosen_heads = [path for path in encoders if path in chosen]
    return _only(folder, ENCODER, alone or of_chosen_heads or encoders)


def _choose_head(folder: Path, found: Sequence[_Holds], task: str, encoder: Path) -> Path:
    path = _only(folder, task, [holds.path for holds in found if holds.task == task])
    holds = next(holds for holds in found if holds.path == path)
    if holds.encoder and path != encoder:
        raise WeightsError(
            f"{path}: wanted the decoder for {task} alone, found an encoder with it, while "
            f"{encoder.name} is the model's; say which ones belong together in "
            f"{folder / CHOICE_FILE}, for example `{ENCODER}: {path.relative_to(folder)}`"
        )
    return path


def _only(folder: Path, what: str, paths: Sequence[Path]) -> Path:
    paths = _last_of_run(paths)
    if len(paths) > 1:
        names = [str(path.relative_to(folder)) for path in paths]
        raise WeightsError(
            f"{folder}: wanted one file for {what}, found {', '.join(names)}; remove the others, "
            f"or name it in {folder / CHOICE_FILE}: `{what}: {names[-1]}`"
        )
    return paths[0]


def _last_of_run(paths: Sequence[Path]) -> Sequence[Path]:
    """The last epoch alone, if all these files are of one run; else as they are."""
    epochs = [path for path in paths if fnmatch(path.name, _EPOCHS)]
    alike = all(path in epochs or path.name == _LATEST for path in paths)
    one_run = epochs and alike and len({path.parent for path in paths}) == 1
    return [max(epochs)] if one_run else paths


def _read_choice(folder: Path) -> dict[str, Path]:
    path = folder / CHOICE_FILE
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise WeightsError(
            f"{path}: wanted `{ENCODER}` and tasks, each with the name of a file, found {content!r}"
        )
    chosen = {str(what): folder / name for what, name in content.items()}
    for what, file in chosen.items():
        if not file.is_file():
            raise WeightsError(f"{path}: {what}: {file} not found")
        holds = _look(file)
        if not (holds.encoder if what == ENCODER else holds.task == what):
            raise WeightsError(f"{path}: {what}: wanted a file with one, found none in {file}")
    return chosen
