# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about packages, GPU, models and the user's data."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sparsh_ros.doctor import environment
from sparsh_ros.doctor.report import Finding, Mark
from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models import zoo
from sparsh_ros.models.checkpoints.weight_files import WeightFiles
from sparsh_ros.names import DEFAULT_MODEL


def only(findings, mark: Mark) -> Finding:
    (found,) = [finding for finding in findings if finding.mark is mark]
    return found


def test_packages_are_listed_with_their_versions(machine) -> None:
    import numpy

    findings = list(environment.check_packages(machine))
    assert {finding.mark for finding in findings} == {Mark.OK}
    assert f"numpy {numpy.__version__}" in findings[0].text


def test_package_that_is_broken(machine, monkeypatch) -> None:
    load = environment.importlib.import_module

    def import_module(name: str):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file\nmore")
        return load(name)

    monkeypatch.setattr(environment.importlib, "import_module", import_module)
    problem = only(environment.check_packages(machine), Mark.PROBLEM)
    assert problem.text == "cv2 cannot be imported: libGL.so.1: cannot open shared object file"
    assert "--force-reinstall opencv-python-headless" in problem.remedy


def with_driver(machine) -> None:
    path = machine.path("/proc/driver/nvidia/version")
    path.parent.mkdir(parents=True)
    path.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release\n")


def test_no_gpu(machine) -> None:
    assert any("no NVIDIA GPU" in finding.text for finding in environment.check_compute(machine))


@pytest.mark.parametrize(
    ("available", "mark", "text"),
    [
        (True, Mark.OK, "NVIDIA driver 550.54.15; torch 2.13.0 runs on H200"),
        (False, Mark.NOTE, "NVIDIA driver 550.54.15, but torch 2.13.0 cannot use it"),
    ],
)
def test_torch_on_a_gpu(machine, monkeypatch, available: bool, mark: Mark, text: str) -> None:
    with_driver(machine)
    cuda = SimpleNamespace(is_available=lambda: available, get_device_name=lambda: "H200")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: True)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.13.0", cuda=cuda))
    assert text in [
        finding.text for finding in environment.check_compute(machine) if finding.mark is mark
    ]


def test_gpu_without_torch(machine, monkeypatch) -> None:
    with_driver(machine)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    note = only(environment.check_compute(machine), Mark.NOTE)
    assert "but no torch" in note.text and "pytorch.org" in note.remedy


def test_jetson(machine) -> None:
    machine.path("/etc/nv_tegra_release").touch()
    assert any("NVIDIA Jetson" in finding.text for finding in environment.check_compute(machine))


def test_the_model_that_ships_is_here(machine) -> None:
    assert any(
        "sparsh-sim-micro: here" in finding.text for finding in environment.check_models(machine)
    )


def test_models_that_are_elsewhere_missing_or_unusable(machine, monkeypatch, tmp_path) -> None:
    def load(name: str):
        if name == "broken":
            raise ModelError("model broken: size 'huge' is unknown")
        if name == "torn":
            raise WeightsError("torn.ckpt: truncated")
        files = (
            WeightFiles(SimpleNamespace(path=tmp_path / "mae.ckpt")) if name == "fetched" else None
        )
        return SimpleNamespace(weights=tmp_path, heads=(), licence="MIT", files=files)

    names = ["broken", "torn", "fetched", "large", DEFAULT_MODEL]
    monkeypatch.setattr(zoo, "list_models", lambda: names)
    monkeypatch.setattr(zoo, "load_model_spec", load)
    broken, torn, fetched, missing, elsewhere = environment.check_models(machine)
    assert broken.mark is Mark.PROBLEM and "size 'huge'" in broken.text
    assert torn.mark is Mark.PROBLEM and torn.remedy == "`sparsh-ros weights get torn`"
    assert fetched.mark is Mark.OK and "fetched: here; heads: none" in fetched.text
    assert missing.mark is Mark.PROBLEM and f"no weights in {tmp_path}" in missing.text
    assert elsewhere.mark is Mark.OK and elsewhere.text == "weights not here: large"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, which does not exist yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_data_folder_and_the_backgrounds_in_it(machine, home: Path) -> None:
    writable, kept = environment.check_user_data(machine)
    folder = home / "sparsh_ros" / "backgrounds"
    assert writable.text == f"{folder} can be written to" and kept.text.endswith("none yet")
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "digit-D1.png").touch()
    assert list(environment.check_user_data(machine))[1].text == "backgrounds kept: digit-D1"


def test_data_folder_that_cannot_be_written_to(machine, home: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    problem = only(environment.check_user_data(machine), Mark.PROBLEM)
    assert "cannot be written to" in problem.text
    assert problem.remedy.startswith(f"`sudo install -d -o ada {home}/sparsh_ros/backgrounds`")


def test_data_folder_below_a_file(machine, home: Path) -> None:
    home.touch()
    assert f"because of {home};" in only(environment.check_user_data(machine), Mark.PROBLEM).text


def test_user_without_a_home(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert "will not be kept" in only(environment.check_user_data(machine), Mark.PROBLEM).text
