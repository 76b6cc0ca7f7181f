# SPDX-License-Identifier: Apache-2.0
"""Device against a camera that is written in C against the kernel's header, see v4l2_camera.c."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
HEADER = Path("/usr/include/linux/videodev2.h")

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or not HEADER.is_file(),
    reason=f"wanted a C compiler and {HEADER}",
)

READ = """
import json, os, sys, time
from sparsh_ros.errors import SensorError
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
from sparsh_ros.sensors.cameras.v4l2_abi import CONTROL_ZOOM

before = len(os.listdir("/proc/self/fd"))
camera = V4l2Camera("/dev/video42", Mode(%s, {CONTROL_ZOOM: 0xFFF, 1: 2}), Host())
frames, error = [], ""
try:
    while len(frames) < 30:
        if (image := camera.read()) is not None:
            age_ns = time.monotonic_ns() - image.monotonic_ns
            frames.append([image.pixels.shape, int(image.pixels.mean()), age_ns])
except SensorError as caught:
    error = f"{caught.fault}: {caught}"
camera.close()
print(json.dumps({
    "frames": frames, "error": error, "lost": camera.lost, "fps": camera.fps,
    "differences": camera.differences, "leaked": len(os.listdir("/proc/self/fd")) - before,
}))
"""

LIST = """
import dataclasses, json, os
from sparsh_ros.sensors.cameras.v4l2_modes import offered_modes

before = len(os.listdir("/proc/self/fd"))
modes = [dataclasses.astuple(mode) for mode in offered_modes("/dev/video42")]
print(json.dumps([modes, len(os.listdir("/proc/self/fd")) - before]))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("v4l2") / "camera.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-o", path, HERE / "v4l2_camera.c", "-ldl"]
    subprocess.run(command, check=True)
    return path


def read(library: Path, mode: str, **environment: str) -> dict:
    """What a process reads that has the camera at /dev/video42."""
    return run(library, READ % mode, **environment)


def run(library: Path, program: str, **environment: str) -> Any:
    """What a process prints as JSON that has the camera at /dev/video42."""
    variables = os.environ | {"LD_PRELOAD": str(library), **environment}
    variables["PYTHONPATH"] = str(HERE.parent.parent)
    result = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_frames_come_with_their_content_time_and_number(library: Path) -> None:
    result = read(library, "320, 240, 60.0, 'YUYV'")
    assert result["differences"] == [
        "/dev/video42: control 0x1: wanted 2, found none (Invalid argument)"
    ]
    assert result["fps"] == 60.0 and result["error"] == "" and result["leaked"] == 0
    shapes, levels, ages_ns = zip(*result["frames"], strict=True)
    assert set(map(tuple, shapes)) == {(240, 320, 3)}
    # Each frame is plain, of a level that tells its number.
    assert len(set(levels)) > 20
    assert all(0 <= age_ns < 10**9 for age_ns in ages_ns)


def test_camera_that_changes_the_size_and_is_unplugged(library: Path) -> None:
    result = read(library, "1280, 720, 30.0, 'YUYV'", FRAMES="3")
    assert "size: wanted (1280, 720), found (640, 480)" in result["differences"][0]
    assert [shape for shape, _, _ in result["frames"]] == [[480, 640, 3]] * 3
    assert result["error"].startswith("vanished: /dev/video42: not there (No such device)")
    assert result["leaked"] == 0


def test_modes_are_listed_with_single_rates_and_ranges(library: Path) -> None:
    modes, leaked = run(library, LIST)
    assert modes == [
        ["YUYV", 320, 240, [[60, 60], [30, 30]]],
        ["YUYV", 640, 480, [[5, 30]]],
    ]
    assert leaked == 0
