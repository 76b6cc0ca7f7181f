# SPDX-License-Identifier: Apache-2.0
"""Engines run a model's encoder and heads: ONNX Runtime on a CPU, torch on a GPU and for published
files.

All take the same images, hold the same weights and give the same numbers within float32 rounding.
Neither torch nor ONNX Runtime is imported until an engine of that kind is created.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import FrameError, MissingDependencyError, ModelError, WeightsError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.spec import ModelSpec

DEVICES = ("auto", "cpu", "cuda")


class Engine(Protocol):
    """What every engine offers.

    Attributes:
        description: Library, version, device and threads, in words.
        frames: Frames that `encode` takes before the background.
        heads: Names of the heads that `decode` knows.
        maps: Maps that `force_field` gives: "normal", "shear", both or none.
        on_gpu: Whether a GPU computes.
    """

    description: str
    frames: int
    heads: tuple[str, ...]
    maps: tuple[str, ...]
    on_gpu: bool

    def encode(self, *images: NDArray[np.uint8]) -> Any:
        """Encode standard images to tokens.

        Args:
            images: (B, 320, 240, 3) uint8 RGB each: as many frames as the model sees at once,
                newest first and as old as its `frame_offsets_s`, then the no-contact references,
                127 everywhere for none.

        Returns:
            Tokens (B, N, D) float32, on the device that made them: an array of NumPy or a tensor.

        Raises:
            FrameError: The images have another number, shape or type.
        """

    def run_head(self, head: str, tokens: Any) -> dict[str, NDArray[np.float32]]:
        """Run one head on tokens (B, N, D) float32, from `encode` or as a NumPy array.

        Returns:
            The head's raw outputs by name, each (B, ...) float32; see `sparsh_ros.models.heads`.

        Raises:
            ModelError: The engine was created without that head, or the tokens are not those of
                its model.
        """

    def force_field(self, *images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Read the force field from the same images as `encode` takes.

        Returns:
            `maps` by name, over the whole image: "normal" (B, 1, H, W) float32 in [0, 1], "shear"
            (B, 2, H, W) float32, to the right and down in pixels of the map.

        Raises:
            FrameError: The images have another number, shape or type.
            ModelError: The engine was created without a force-field decoder.
        """

    def warm_up(self) -> None:
        """Run everything once, so that the first real frame is not the slow one."""


def create_engine(
    spec: ModelSpec,
    device: str = "auto",
    heads: Sequence[str] | None = None,
    encoder: bool = True,
    threads: int | None = None,
) -> Engine:
    """Load a model's weights into the engine that suits the machine.

    Args:
        spec: The model.
        device: "cpu" (ONNX Runtime), "cuda" (torch, else ONNX Runtime with CUDA), or "auto":
            "cuda" where that works, else "cpu". Published files run on torch on either.
        heads: Names of the heads to load; None loads all that the weights have.
        encoder: False loads the heads alone, for tokens that come from elsewhere.
        threads: CPU threads for the encoder; None takes one per core.

    Raises:
        ModelError: The weights lack a head that was asked for, or ``device`` is unknown.
        WeightsError: A weights file is missing, broken or of another architecture.
        MissingDependencyError: "cuda" was asked for and cannot be had.
    """
    names = spec.heads if heads is None else tuple(heads)
    _check_here(spec)
    if missing := [name for name in names if name not in spec.heads]:
        raise ModelError(
            f"model {spec.name}: no weights for head {', '.join(missing)}; "
            f"{spec.weights} has {', '.join(spec.heads) or 'none'}"
        )
    if device not in DEVICES:
        raise ModelError(f"device {device!r}: unknown; choose one of {', '.join(DEVICES)}")
    backend = _backend(spec, device)
    if backend == "torch" or spec.files:
        return _torch_engine(spec, names, encoder, "cuda" if backend == "torch" else "cpu", threads)
    from sparsh_ros.engines.onnx_engine import OnnxEngine

    return OnnxEngine(spec, names, encoder, threads, cuda=backend == "onnxruntime")


def _backend(spec: ModelSpec, device: str) -> str | None:
    """What reaches the device: "torch" or "onnxruntime" a GPU, anything else the CPU."""
    backend = None if device == "cpu" else _cuda_backend()
    if spec.files and backend == "onnxruntime":
        backend = None
    if device == "cuda" and backend is None:
        wanted = "torch with CUDA" if spec.files else "torch with CUDA or onnxruntime-gpu"
        raise MissingDependencyError(
            f"device cuda: wanted an NVIDIA driver and {wanted}, found no such pair; install one "
            "or use device cpu"
        )
    return backend


def _check_here(spec: ModelSpec) -> None:
    """Raise WeightsError for a published model that is not on this machine."""
    if spec.sources and not spec.files and not (spec.weights / "encoder.onnx").is_file():
        raise WeightsError(
            f"model {spec.name}: no weights in {spec.weights}; `sparsh-ros weights get "
            f"{spec.name}` fetches them, or weights_dir names the folder that has them"
        )


def _torch_engine(
    spec: ModelSpec, heads: Sequence[str], encoder: bool, device: str, threads: int | None
) -> Engine:
    try:
        from sparsh_ros.engines.torch_engine import TorchEngine
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"model {spec.name}: wanted the Python package {error.name} for its published files, "
            "found none; `pip install torch safetensors`, or on a machine that has them "
            f"`sparsh-ros weights convert {spec.name}`"
        ) from error
    return TorchEngine(spec, heads, encoder, device, threads)


def free_gpu_memory() -> None:
    """Give the memory of engines that are gone back to the GPU, for other programs."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.cuda.empty_cache()


def check_images(images: Sequence[NDArray[np.uint8]], frames: int) -> None:
    """Raise FrameError unless there are so many frames and a background, all (B, 320, 240, 3)
    uint8 with the same B."""
    if len(images) != frames + 1:
        raise FrameError(
            f"engine input: wanted {frames} frames and a background, found {len(images)} images"
        )
    for image in images:
        if image.shape != (len(images[0]), *IMAGE_SHAPE) or image.dtype != np.uint8:
            raise FrameError(
                f"engine input: wanted uint8 images {(len(images[0]), *IMAGE_SHAPE)}, "
                f"found {image.dtype} {image.shape}"
            )


def check_decode(
    head: str, tokens: Any, heads: Sequence[str], token_shape: tuple[int, int]
) -> None:
    """Raise ModelError unless ``head`` is loaded and ``tokens`` are (B, *token_shape) float32."""
    if head not in heads:
        raise ModelError(f"head {head!r}: not loaded; this engine has {', '.join(heads) or 'none'}")
    kind = str(tokens.dtype).removeprefix("torch.")
    if tokens.ndim != 3 or tuple(tokens.shape[1:]) != token_shape or kind != "float32":
        raise ModelError(
            f"head {head!r}: wanted tokens (B, {token_shape[0]}, {token_shape[1]}) float32, "
            f"found {tuple(tokens.shape)} {kind}; do encoder and head use the same model?"
        )


def check_force_field(maps: Sequence[str]) -> None:
    """Raise ModelError unless there are maps."""
    if not maps:
        raise ModelError("force field: no decoder loaded; this engine has none")


def _cuda_backend() -> str | None:
    """Return "torch" or "onnxruntime", whichever can reach a GPU, or None."""
    try:
        ctypes.CDLL("libcuda.so.1")  # spares machines without a driver the import of torch
    except OSError:
        return None
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return "torch"
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    return "onnxruntime" if "CUDAExecutionProvider" in providers else None
