# SPDX-License-Identifier: Apache-2.0
"""The demo, as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GIVE_UP_S = 120


def _demo(out: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sparsh_ros.cli", "demo", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
    )


def test_simulated_touch(tmp_path: Path) -> None:
    report = tmp_path / "new" / "report.html"
    done = _demo(report.parent, "--duration", "3", "--fps", "30")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    counts = {
        stage.strip(): int(count)
        for count, stage in (
            line.split(maxsplit=1)
            for line in done.stdout.splitlines()
            if line[:8].strip().isdigit()
        )
    }
    assert counts["slip messages received"] > 0
    assert counts["slip messages lost"] == 0
    assert counts["estimates published"] == (
        counts["images received by the encoder"]
        - counts["refused: wrong size or encoding"]
        - counts["replaced by a newer one while encoding"]
    )
    page = report.read_text()
    assert 'class="truth"' in page and 'class="estimate"' in page


def test_recorded_frames(tactile_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    frames = tactile_data / "digit_force_shear" / "frames"
    options = ("--source", "video", "--input", str(frames), "--fps", "30")
    done = _demo(tmp_path, "--duration", "3", *options)
    assert done.returncode == 0, done.stderr
    assert "slip messages received" in done.stdout
    assert "not known" in report.read_text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--source", "video", "--input", "/nowhere.mp4"), "/nowhere.mp4"),
        (("--names", "left,right"), "one sensor"),
        (("--touch", "gentle"), "gentle"),
    ],
)
def test_what_cannot_run_says_why(tmp_path: Path, options, sentence: str) -> None:
    done = _demo(tmp_path, *options)
    assert done.returncode == 1
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "report.html").exists()
