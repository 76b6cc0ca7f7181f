# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights get NAME`: fetch a published model from the Hugging Face Hub.

The licence is the publisher's and is printed first. Files are checked against the hash that the
Hub states and, as far as it is known, against the one in the model's description.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from sparsh_ros.errors import MissingDependencyError, ModelError, WeightsError
from sparsh_ros.files import sha256_of
from sparsh_ros.models.spec import Source
from sparsh_ros.models.zoo import describe_model


@dataclass(frozen=True)
class RemoteFile:
    """A file on the Hub: its repository, name there, and what the Hub says of its content.

    Attributes:
        size: Bytes; None where not stated.
        sha256: Hash of the content; "" where not stated.
    """

    repository: str
    name: str
    size: int | None
    sha256: str


def get_model(
    name: str, folder: Path | None = None, say: Callable[[str], None] = print
) -> list[Path]:
    """Fetch what is missing of a published model; an interrupted download goes on where it ended.

    Args:
        name: Name of the model.
        folder: Where to put it; None: the user's data folder, where it is found by its name.
        say: Takes each line that the user should read.

    Returns:
        Its files, the encoder's first.

    Raises:
        ModelError: There is no such model, or it is not published anywhere.
        MissingDependencyError: The package huggingface_hub is needed and not installed.
        WeightsError: The Hub cannot be reached, lacks the file, or gives another one.
    """
    spec = describe_model(name)
    if not spec.sources:
        raise ModelError(f"model {name}: published nowhere; its weights are in {spec.weights}")
    say(f"{name}: {spec.terms}")
    files = [_choose(source, _list(source.repository)) for source in spec.sources]
    return [_fetch(file, folder or spec.weights, say) for file in files]


def _hub() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "weights get: wanted the Python package huggingface_hub, found none; "
            "`pip install huggingface_hub`, or fetch the files with a browser and give their "
            "folder as weights_dir"
        ) from error
    return huggingface_hub


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def _list(repository: str) -> list[RemoteFile]:
    hub = _hub()
    try:
        info = hub.HfApi(endpoint=_endpoint()).model_info(repository, files_metadata=True)
    except Exception as error:  # the library's errors and its HTTP client's share no base class
        raise _unreachable(repository, error) from error
    return [
        RemoteFile(
            repository,
            entry.rfilename,
            entry.size,
            entry.lfs.sha256 if entry.lfs else "",
        )
        for entry in info.siblings
    ]


def _choose(source: Source, found: Sequence[RemoteFile]) -> RemoteFile:
    """The last file by name that the source's first pattern fits, if it is the one described."""
    pattern = source.files[0]
    fitting = [file for file in found if fnmatch(file.name, pattern)]
    if not fitting:
        raise WeightsError(
            f"{source.repository}: wanted a file {pattern}, found "
            f"{', '.join(file.name for file in found) or 'none'}"
        )
    file = max(fitting, key=lambda file: file.name)
    differs = source.size not in (None, file.size) or not file.sha256.startswith(source.sha256)
    if file.sha256 and differs:
        raise WeightsError(
            f"{source.repository}: wanted {file.name} of {source.size or 'any number of'} bytes "
            f"with sha256 {source.sha256}..., found {file.size} bytes with {file.sha256}; this "
            "version does not know that file: if you trust it, fetch it yourself and give its "
            "folder as weights_dir"
        )
    return file


def _fetch(file: RemoteFile, folder: Path, say: Callable[[str], None]) -> Path:
    path = folder / file.name
    if path.is_file():
        if _is_whole(path, file):
            say(f"{path}: here already")
            return path
        path.unlink()  # damaged: the library takes a file that is there for good
    try:
        _hub().hf_hub_download(file.repository, file.name, local_dir=folder, endpoint=_endpoint())
    except Exception as error:  # as above
        raise _unreachable(file.repository, error) from error
    if not _is_whole(path, file):
        path.unlink()
        raise WeightsError(
            f"{path}: wanted {file.size} bytes with sha256 {file.sha256}, found others; the file "
            "was removed, get it again"
        )
    checked = "sha256 as stated" if file.sha256 else "no sha256 stated"
    say(f"{path}: {path.stat().st_size:,} bytes, {checked}")
    return path


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if file.size is not None and path.stat().st_size != file.size:
        return False
    return not file.sha256 or sha256_of(path) == file.sha256


def _unreachable(repository: str, error: Exception) -> WeightsError:
    reason = (str(error) or type(error).__name__).strip().splitlines()[0]
    return WeightsError(
        f"{repository}: cannot be had from {_endpoint()} ({reason}); check the network, or fetch "
        "the files elsewhere and give their folder as weights_dir"
    )
