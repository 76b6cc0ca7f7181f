# SPDX-License-Identifier: Apache-2.0
"""What the models can run on."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator

import onnxruntime as ort

from sparsh_ros.doctor.findings import Finding, note, ok
from sparsh_ros.doctor.machine import Machine

_VERSION = re.compile(r"\b\d+\.\d+(\.\d+)?\b")
_CUDA_BUILD = "install a torch for CUDA: https://pytorch.org/get-started/locally"


def check(machine: Machine) -> Iterator[Finding]:
    """Processor cores, GPU driver, torch with CUDA, providers of ONNX Runtime."""
    yield ok(f"{len(os.sched_getaffinity(0))} processor cores")
    yield _check_gpu(machine)
    providers = (name.removesuffix("ExecutionProvider") for name in ort.get_available_providers())
    yield ok(f"ONNX Runtime {ort.__version__} can use: {', '.join(providers)}")


def _check_gpu(machine: Machine) -> Finding:
    driver = _driver(machine)
    if not driver:
        return ok("no NVIDIA GPU: models run on the processor")
    if importlib.util.find_spec("torch") is None:
        return note(f"{driver}, but no torch: models run on the processor", _CUDA_BUILD)
    import torch  # takes seconds, hence only where there is a GPU to ask for

    if not torch.cuda.is_available():
        return note(f"{driver}, but torch {torch.__version__} cannot use it", _CUDA_BUILD)
    return ok(f"{driver}; torch {torch.__version__} runs on {torch.cuda.get_device_name()}")


def _driver(machine: Machine) -> str:
    if machine.path("/etc/nv_tegra_release").is_file():
        return "NVIDIA Jetson"
    try:
        text = machine.path("/proc/driver/nvidia/version").read_text(errors="replace")
    except OSError:
        return ""
    version = _VERSION.search(text)
    return f"NVIDIA driver {version[0]}" if version else "NVIDIA driver"
