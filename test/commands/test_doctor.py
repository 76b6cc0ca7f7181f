# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros doctor` as a whole: what it prints, in which order, and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparsh_ros.commands import doctor
from sparsh_ros.doctor import udev
from sparsh_ros.doctor.report import Group, Mark, note, ok, problem

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_check_that_fails_is_a_finding(machine, monkeypatch) -> None:
    def fail(_machine):
        raise RuntimeError("sysfs is on fire")

    monkeypatch.setattr("sparsh_ros.doctor.cameras.check", fail)
    groups = {group.title: group.findings for group in doctor.examine(machine)}
    (finding,) = groups["Sensors"]
    assert finding.mark is Mark.PROBLEM and "RuntimeError: sysfs is on fire" in finding.text
    assert groups["Models"][0].mark is Mark.OK


def test_next_step_of_a_healthy_machine_is_to_start(machine, plug, monkeypatch) -> None:
    plug("digit", "D1", "1-1")
    healthy = [Group("Sensors", (ok("fine"), note("odd", "look at it")))]
    monkeypatch.setattr("sparsh_ros.doctor.ros.has_client", lambda: True)
    wanted = "`sparsh-ros run --source camera --sensor digit`"
    assert doctor.next_step(healthy, machine) == wanted
    assert doctor.next_step([Group("x", (problem("bad", "mend it"),))], machine) == "mend it"


@pytest.mark.parametrize(("sensor", "code"), [("digit", 0), ("", 1)])
def test_exit_code(machine, plug, monkeypatch, capsys, sensor: str, code: int) -> None:
    plug(sensor, "D1", "1-1")
    monkeypatch.setattr(doctor, "Machine", lambda: machine)
    subjects = {"Sensors": "cameras:check", "Device rules": "udev:check"}
    monkeypatch.setattr(doctor, "_SUBJECTS", subjects)
    arguments = doctor.argparse.Namespace(install_udev=False)
    assert doctor.run(arguments) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith("Next step: ")


def test_install_udev_says_what_it_did(machine, monkeypatch, capsys) -> None:
    monkeypatch.setattr(doctor, "Machine", lambda: machine)
    monkeypatch.setattr(udev, "_execute", lambda command: None)
    assert doctor.run(doctor.argparse.Namespace(install_udev=True)) == 0
    output = capsys.readouterr().out
    assert f"wrote {machine.path(udev.TARGET)}" in output and "ran udevadm control" in output


def run_doctor(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"XDG_DATA_HOME": str(home), "COLUMNS": "80", **environment}
    return subprocess.run(
        [sys.executable, "-m", "sparsh_ros.cli", "doctor"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(
    any(Path("/sys/class/video4linux").glob("video*")), reason="this machine has a camera"
)
def test_machine_without_a_sensor(tmp_path: Path) -> None:
    result = run_doctor(tmp_path)
    assert result.returncode == 1 and result.stderr == ""
    assert "no DIGIT or GelSight Mini" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("Next step: ")
    assert "cannot be looked at" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_broken_opencv_is_what_to_mend_first(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open')\n")
    result = run_doctor(tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1 and result.stderr == ""
    assert "problem  cv2 cannot be imported: libGL.so.1: cannot open" in result.stdout
    assert "rclpy" in result.stdout  # what does not need it is looked at all the same
    last = result.stdout.splitlines()[-1]
    assert last.startswith("Next step: ") and "opencv-python-headless" in last


def test_nothing_of_ros_or_torch_is_imported(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from sparsh_ros.commands.doctor import examine; "
        "from sparsh_ros.doctor.machine import Machine; examine(Machine(pathlib.Path(sys.argv[1])))"
        "; print({'rclpy', 'torch', 'launch'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.strip() == "set()", result.stderr
