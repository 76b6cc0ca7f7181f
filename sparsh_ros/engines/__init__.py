# SPDX-License-Identifier: Apache-2.0
"""Engines run a model's encoder and heads: ONNX Runtime on a CPU, torch on a GPU and for published
files.

All take the same images, hold the same weights and give the same numbers within float32 rounding,
or are compared with float32 before they are admitted, see `parity`: int8 (ONNX Runtime), openvino
and openvino_int8 (OpenVINO) on a CPU, bfloat16 (torch) on either. No library is imported until an
engine of that kind is created.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from sparsh_ros.engines.base import Engine
from sparsh_ros.errors import MissingDependencyError, ModelError, WeightsError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import DEVICES, ENGINES

__all__ = ["DEVICES", "ENGINES", "Engine", "check_model", "create_engine", "free_gpu_memory"]


def create_engine(
    spec: ModelSpec,
    device: str = "auto",
    heads: Sequence[str] | None = None,
    encoder: bool = True,
    threads: int | None = None,
    engine: str = "float32",
) -> Engine:
    """Load a model's weights into the engine that suits the machine.

    Args:
        spec: The model.
        device: "cpu" (ONNX Runtime), "cuda" (torch, else ONNX Runtime with CUDA), or "auto":
            "cuda" where that works, else "cpu". Published files run on torch on either.
        heads: Names of the heads to load; None loads all that the weights have.
        encoder: False loads the heads alone, for tokens that come from elsewhere.
        threads: CPU threads for the encoder; None takes one per core, for a streaming one one.
        engine: One of `ENGINES`: "float32", or faster: "int8", see `engines.int8`, "openvino" and
            "openvino_int8", see `engines.openvino_engine`, "bfloat16", see `engines.bfloat16`,
            "tensorrt" for ONNX Runtime on a GPU, or "auto" for the fastest of those that this
            model and machine can have, see `engines.fastest`.

    Raises:
        ModelError: The weights lack a head that was asked for, ``device`` or ``engine`` is unknown,
            or that engine cannot be had of this model, or not on that device.
        WeightsError: A weights file is missing, broken or of another architecture.
        MissingDependencyError: "cuda" was asked for and cannot be had, or a package is missing.
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
    if engine not in ENGINES:
        raise ModelError(f"engine {engine!r}: unknown; choose one of {', '.join(ENGINES)}")
    if engine == "auto":
        return _fastest_engine(spec, device, names, encoder, threads)
    if found := _why_not(engine, spec, device):
        raise ModelError(f"engine {engine}: wanted {_WANTED[engine]}, found {found}")
    if engine in ("int8", "openvino", "openvino_int8"):
        return _cpu_engine(engine, spec, names, encoder, threads)
    if spec.streams:
        # So small that a GPU is not worth the way there and back.
        return _cpu_engine(engine, spec, names, encoder, threads)
    backend = _backend(spec, device)
    if engine == "bfloat16" and device == "cuda" and backend != "torch":
        raise MissingDependencyError(
            "engine bfloat16: wanted torch with CUDA for device cuda, found none; install it, or "
            "use engine float32"
        )
    if engine == "bfloat16" or backend == "torch" or spec.files:
        place = "cuda" if backend == "torch" else "cpu"
        return _torch_engine(spec, names, encoder, place, threads, engine == "bfloat16")
    from sparsh_ros.engines.onnx_engine import OnnxEngine

    if backend == "onnxruntime":
        try:
            tensorrt = engine == "tensorrt"
            return OnnxEngine(spec, names, encoder, threads, cuda=True, tensorrt=tensorrt)
        except MissingDependencyError:
            if device == "cuda":
                raise
    return OnnxEngine(spec, names, encoder, threads)


_WANTED = {
    "int8": "a transformer in ONNX files on the CPU",
    "openvino": "a model in ONNX files on the CPU",
    "openvino_int8": "a transformer in ONNX files on the CPU",
    "bfloat16": "a transformer",
    "tensorrt": "a transformer in ONNX files, device cuda and onnxruntime-gpu without torch",
}


def _why_not(engine: str, spec: ModelSpec, device: str) -> str:
    """What stands in the way of an engine; empty if nothing does."""
    if engine == "float32":
        return ""
    if spec.streams and engine != "openvino":
        return "one that streams, which is fast as it is; use engine float32"
    if spec.tells_sensor:
        return "one of AnyTouch; use engine float32"
    if engine == "bfloat16":
        return ""
    if spec.files:
        return f"published files; `sparsh-ros weights convert {spec.name}` makes the former"
    if engine == "tensorrt":
        with_it = device == "cuda" and _cuda_backend() == "onnxruntime"
        return "" if with_it else f"device {device}; use engine float32"
    if device == "cuda":
        return "device cuda; use engine float32, or device cpu"
    return ""


def _cpu_engine(
    engine: str, spec: ModelSpec, heads: Sequence[str], encoder: bool, threads: int | None
) -> Engine:
    """An engine that reads ONNX files and computes on the CPU."""
    if not engine.startswith("openvino"):
        from sparsh_ros.engines.onnx_engine import OnnxEngine

        return OnnxEngine(spec, heads, encoder, threads, int8=engine == "int8")
    try:
        from sparsh_ros.engines.openvino_engine import OpenVinoEngine
    except ImportError as error:
        raise MissingDependencyError(
            f"engine {engine}: wanted the Python package openvino, found none that can be imported "
            f"({error}); `pip install openvino`, or use engine float32"
        ) from error
    return OpenVinoEngine(spec, heads, encoder, threads, int8=engine == "openvino_int8")


def _fastest_engine(
    spec: ModelSpec, device: str, heads: Sequence[str], encoder: bool, threads: int | None
) -> Engine:
    """The fastest of what this model and machine can have, with the reason in its description."""
    from sparsh_ros.engines.parity import has_bfloat16

    backend = _backend(spec, device)
    place, possible = "cpu", ["int8", "openvino", "openvino_int8"]
    if has_bfloat16():
        possible.append("bfloat16")
    if backend is not None and not spec.streams:
        place, possible = "cuda", ["bfloat16"] if backend == "torch" else []
    candidates = [name for name in possible if not _why_not(name, spec, place)]
    if not (encoder and candidates):
        return create_engine(spec, device, heads, encoder, threads)
    from sparsh_ros.engines.fastest import fastest

    choice = fastest(
        spec,
        candidates,
        lambda name: create_engine(spec, place, (), True, threads, name),
        place,
        threads,
    )
    made = create_engine(spec, place, heads, encoder, threads, choice.engine)
    made.description += f"; chosen because {choice.reason}"
    return made


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


def check_model(name: str, weights_dir: str | None = None) -> None:
    """Find out, without loading them, whether a model's weights are there.

    Raises:
        ModelError: There is no such model.
        WeightsError: A file of its weights is missing.
    """
    _check_here(load_model_spec(name, weights_dir))


def _check_here(spec: ModelSpec) -> None:
    """Raise WeightsError for a published model that is not on this machine."""
    if spec.sources and not spec.files and not (spec.weights / "encoder.onnx").is_file():
        raise WeightsError(
            f"model {spec.name}: no weights in {spec.weights}; `sparsh-ros weights get "
            f"{spec.name}` fetches them, or weights_dir names the folder that has them"
        )


def _torch_engine(
    spec: ModelSpec,
    heads: Sequence[str],
    encoder: bool,
    device: str,
    threads: int | None,
    bfloat16: bool,
) -> Engine:
    try:
        from sparsh_ros.engines.torch_engine import TorchEngine
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"model {spec.name}: wanted the Python package {error.name} "
            f"{'for engine bfloat16' if bfloat16 else 'for its published files'}, "
            "found none; `pip install torch safetensors`, or on a machine that has them "
            f"`sparsh-ros weights convert {spec.name}`"
        ) from error
    return TorchEngine(spec, heads, encoder, device, threads, bfloat16)


def free_gpu_memory() -> None:
    """Give the memory of engines that are gone back to the GPU, for other programs."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.cuda.empty_cache()


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
