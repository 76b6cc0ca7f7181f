# SPDX-License-Identifier: Apache-2.0
"""What the models need of this machine: Python packages, processor or GPU, weights, a data folder.

Each check imports what it looks at by itself: a broken package must not keep the others from being
looked at.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress

from sparsh_ros import __version__
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.doctor.report import Finding, note, ok, problem
from sparsh_ros.errors import ModelError, SparshError
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.resources import user_data_path

# Name to import, and to install.
_NEEDED = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "onnxruntime": "onnxruntime",
    "yaml": "PyYAML",
}
_OPTIONAL = (
    "torch",
    "safetensors",
    "openvino",
    "digit_interface",
    "cv_bridge",
    "tf_transformations",
)
_VERSION = re.compile(r"\b\d+\.\d+(\.\d+)?\b")
_CUDA_BUILD = "install a torch for CUDA: https://pytorch.org/get-started/locally"


def check_packages(machine: Machine) -> Iterator[Finding]:
    """Whether the needed packages can be imported, which versions, and what else is here."""
    versions = [f"sparsh_ros {__version__}", f"Python {platform.python_version()}"]
    for name, project in _NEEDED.items():
        try:
            version = getattr(importlib.import_module(name), "__version__", "")
        except Exception as error:  # a broken build may raise anything
            yield problem(
                f"{name} cannot be imported: {_first_line(error)}",
                f"`{sys.executable} -m pip install --force-reinstall {project}`",
            )
        else:
            versions.append(f"{name} {version}".rstrip())
    yield ok(", ".join(versions))
    here = [name for name in _OPTIONAL if importlib.util.find_spec(name)]
    missing = [name for name in _OPTIONAL if name not in here]
    yield ok(f"optional: {', '.join(here) or 'none'}; not here: {', '.join(missing) or 'none'}")


def check_compute(machine: Machine) -> Iterator[Finding]:
    """Processor cores, GPU driver, torch with CUDA, providers of ONNX Runtime, engines chosen."""
    import onnxruntime as ort

    from sparsh_ros.engines.fastest import choices

    yield ok(f"{len(os.sched_getaffinity(0))} processor cores")
    yield _check_gpu(machine)
    providers = (name.removesuffix("ExecutionProvider") for name in ort.get_available_providers())
    yield ok(f"ONNX Runtime {ort.__version__} can use: {', '.join(providers)}")
    with suppress(SparshError):  # of the user's folder, which `check_user_data` reports
        for choice in choices():
            yield ok(f"engine auto: {choice.engine} for {choice.model}; {choice.reason}")


def check_models(machine: Machine) -> Iterator[Finding]:
    """The models of config/models: here, not here, or unusable."""
    from sparsh_ros.models.zoo import list_models, load_model_spec

    elsewhere = []
    for name in list_models():
        try:
            spec = load_model_spec(name)
        except SparshError as error:
            shipped = name == DEFAULT_MODEL or isinstance(error, ModelError)
            yield problem(
                str(error),
                "install the package again" if shipped else f"`sparsh-ros weights get {name}`",
            )
            continue
        if spec.files or any(spec.weights.glob("encoder.*")):
            heads = ", ".join(spec.heads) or "none"
            yield ok(f"{name}: here; heads: {heads}; licence {spec.licence}")
        elif name == DEFAULT_MODEL:
            yield problem(f"{name}: no weights in {spec.weights}", "install the package again")
        else:
            elsewhere.append(name)
    if elsewhere:
        yield ok(f"weights not here: {', '.join(elsewhere)}")


def check_user_data(machine: Machine) -> Iterator[Finding]:
    """Whether the folder of backgrounds can be written to, and which backgrounds it holds."""
    try:
        folder = user_data_path("backgrounds")
    except SparshError as error:
        yield problem(f"{error}; backgrounds will not be kept", "`export XDG_DATA_HOME=FOLDER`")
        return
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield problem(
            f"{folder}: cannot be written to, because of {existing}; backgrounds will not be kept",
            f"`sudo install -d -o {machine.user()} {folder}`, or set XDG_DATA_HOME to a folder of "
            "yours",
        )
    else:
        yield ok(f"{folder} can be written to")
    stored = sorted(path.stem for path in folder.glob("*.png"))
    yield ok(f"backgrounds kept: {', '.join(stored) or 'none yet'}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


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
