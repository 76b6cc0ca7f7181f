# SPDX-License-Identifier: Apache-2.0
"""Load weights into torch modules: safetensors, or torch files as data only.

Nothing in a file is ever run: a pickle that asks for more than tensors is refused. Loading is
strict: a file either has exactly the tensors of the module, or is refused with what differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.heads import build_head
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import ModelSpec, recognise_encoder

ENCODER_FILE = "encoder.safetensors"
HEADS_FILE = "heads.safetensors"
_LISTED = 4  # names spelled out in a message before it only counts


def load_encoder(spec: ModelSpec, path: Path | None = None) -> VisionTransformer:
    """Build a model's encoder with its trained weights, in evaluation mode, float32 on the CPU.

    Args:
        spec: The model.
        path: Weights file; None takes `encoder.safetensors` in the model's folder.

    Raises:
        WeightsError: The file is missing, broken, unsafe or of another architecture.
    """
    path = path or spec.weights / ENCODER_FILE
    encoder = VisionTransformer.from_spec(spec)
    load_tensors(encoder, read_tensors(path), path)
    return encoder.eval()


def load_head(name: str, spec: ModelSpec, path: Path | None = None) -> nn.Module:
    """Build a head with its trained weights, in evaluation mode, float32 on the CPU.

    Args:
        name: "force", "slip" or "pose".
        spec: The model whose tokens the head reads.
        path: File with keys `<head>.<parameter>`; None takes `heads.safetensors` in the model's
            folder.

    Raises:
        WeightsError: The file is missing, broken, unsafe, of another architecture, or has no
            such head.
    """
    path = path or spec.weights / HEADS_FILE
    tensors = read_tensors(path)
    prefix = f"{name}."
    own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    if not own:
        found = sorted({key.split(".")[0] for key in tensors})
        raise WeightsError(
            f"{path}: wanted keys {prefix}*, found those of {', '.join(found)}; "
            f"see `sparsh-ros weights inspect {path}`"
        )
    head = build_head(name, spec)
    load_tensors(head, own, path)
    return head.eval()


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read a flat state dict from a `.safetensors` or torch file, without running anything.

    Raises:
        WeightsError: The file is missing, truncated, or holds anything but named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            f"{path}: not found; `sparsh-ros weights list` shows which models have weights here"
        )
    tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()
    ):
        raise WeightsError(
            f"{path}: wanted a flat dictionary of tensors, found {_describe_content(tensors)}; "
            "save the module's state_dict() alone"
        )
    return tensors


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors into a module, all of them and nothing else, converting to its types.

    Args:
        module: Encoder or head; unchanged if an error is raised.
        tensors: State dict with the module's parameter names.
        path: Where the tensors come from, for the message.

    Raises:
        WeightsError: Names or shapes differ from the module's.
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if found != wanted:
        missing = [name for name in wanted if name not in found]
        unexpected = [name for name in found if name not in wanted]
        reshaped = [
            f"{name} {shape} instead of {wanted[name]}"
            for name, shape in found.items()
            if name in wanted and shape != wanted[name]
        ]
        raise WeightsError(
            f"{path}: of another architecture: wanted {_describe_shapes(wanted)}, "
            f"found {_describe_shapes(found)}; missing: {_some(missing)}; "
            f"unexpected: {_some(unexpected)}; other shape: {_some(reshaped)}; "
            f"see `sparsh-ros weights inspect {path}`"
        )
    module.load_state_dict(tensors)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: wanted a safetensors file, found a truncated or foreign one ({error}); "
            "fetch or export it again"
        ) from error


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols; what counts is raised
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise WeightsError(
            f"{path}: wanted tensors only, found a damaged pickle or one that would run code; "
            "nothing in it was run; save the module's state_dict() as .safetensors"
        ) from error
    except Exception as error:  # damaged files fail anywhere in torch's reader
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{path}: wanted a torch weights file, found a truncated or foreign one ({reason}); "
            "fetch or save it again"
        ) from error


def _describe_content(value: object) -> str:
    if not isinstance(value, dict):
        return type(value).__name__
    return "a dictionary with " + _some([f"{k}: {type(v).__name__}" for k, v in value.items()])


def _describe_shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return recognise_encoder(shapes) or f"{len(shapes)} tensors"


def _some(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return (", ".join(names[:_LISTED]) or "none") + (f" and {rest} more" if rest > 0 else "")
