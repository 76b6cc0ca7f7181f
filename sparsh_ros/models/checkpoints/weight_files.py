# SPDX-License-Identifier: Apache-2.0
"""Find the published files of a model in a folder: which one is the encoder, which are heads.

What a file holds is told from its tensors, not from its name. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from sparsh_ros.errors import WeightsError
from sparsh_ros.files import read_yaml
from sparsh_ros.models.checkpoints.checkpoint import Checkpoint, open_checkpoint

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

    encoder: Checkpoint
    heads: Mapping[str, Checkpoint] = field(default_factory=dict)


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
    found = [open_checkpoint(path) for path in _candidates(folder)]
    chosen = _read_choice(folder, found)
    encoder = chosen.get(ENCODER) or _choose_encoder(
        folder, found, encoder_names, list(chosen.values())
    )
    tasks = sorted({file.task for file in found if file.task} | (set(chosen) - {ENCODER}))
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
    found = [open_checkpoint(path) for path in paths]
    encoders = [file for file in found if file.has_encoder]
    if len(encoders) != 1:
        names = ", ".join(str(file.path) for file in encoders)
        raise WeightsError(
            f"wanted one file with an encoder, found {names or 'none'} "
            f"among {', '.join(map(str, paths))}"
        )
    heads: dict[str, Checkpoint] = {}
    for file in found:
        if not (file.has_encoder or file.task):
            raise WeightsError(f"{file.path}: wanted an encoder or a decoder, found neither")
        if file.task in heads:
            raise WeightsError(
                f"wanted one file for {file.task}, found {heads[file.task].path} and {file.path}"
            )
        if file.task:
            heads[file.task] = file
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


def _choose_encoder(
    folder: Path,
    found: Sequence[Checkpoint],
    names: Sequence[str],
    chosen: Sequence[Checkpoint],
) -> Checkpoint:
    encoders = [file for file in found if file.has_encoder]
    for name in names:
        if named := [file for file in encoders if file.path.name == name]:
            return _only(folder, ENCODER, named)
    alone = [file for file in encoders if not file.task]
    if not encoders:
        wanted = f" ({' or '.join(names)})" if names else ""
        held = ", ".join(file.path.name for file in found) or "no weights file"
        raise WeightsError(
            f"{folder}: wanted a file with an encoder{wanted}, found {held}; "
            "`sparsh-ros weights get NAME` fetches it"
        )
    of_chosen_heads = [file for file in encoders if file in chosen]
    return _only(folder, ENCODER, alone or of_chosen_heads or encoders)


def _choose_head(
    folder: Path, found: Sequence[Checkpoint], task: str, encoder: Checkpoint
) -> Checkpoint:
    file = _only(folder, task, [file for file in found if file.task == task])
    if file.has_encoder and file is not encoder:
        raise WeightsError(
            f"{file.path}: wanted the decoder for {task} alone, found an encoder with it, while "
            f"{encoder.path.name} is the model's; say which ones belong together in "
            f"{folder / CHOICE_FILE}, for example `{ENCODER}: {file.path.relative_to(folder)}`"
        )
    return file


def _only(folder: Path, what: str, files: Sequence[Checkpoint]) -> Checkpoint:
    files = _last_of_run(files)
    if len(files) > 1:
        names = [str(file.path.relative_to(folder)) for file in files]
        raise WeightsError(
            f"{folder}: wanted one file for {what}, found {', '.join(names)}; remove the others, "
            f"or name it in {folder / CHOICE_FILE}: `{what}: {names[-1]}`"
        )
    return files[0]


def _last_of_run(files: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    """The last epoch alone, if all these files are of one run; else as they are."""
    epochs = [file for file in files if fnmatch(file.path.name, _EPOCHS)]
    alike = all(file in epochs or file.path.name == _LATEST for file in files)
    one_run = epochs and alike and len({file.path.parent for file in files}) == 1
    return [max(epochs, key=lambda file: file.path)] if one_run else files


def _read_choice(folder: Path, found: Sequence[Checkpoint]) -> dict[str, Checkpoint]:
    path = folder / CHOICE_FILE
    if not path.is_file():
        return {}
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise WeightsError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise WeightsError(
            f"{path}: wanted `{ENCODER}` and tasks, each with the name of a file, found {content!r}"
        )
    opened = {file.path: file for file in found}
    chosen = {}
    for what, name in content.items():
        place = folder / name
        if not place.is_file():
            raise WeightsError(f"{path}: {what}: {place} not found")
        file = opened.get(place) or open_checkpoint(place)
        if not (file.has_encoder if what == ENCODER else file.task == what):
            raise WeightsError(f"{path}: {what}: wanted a file with one, found none in {place}")
        chosen[str(what)] = file
    return chosen
