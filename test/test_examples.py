# SPDX-License-Identifier: Apache-2.0
"""The examples run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_touch_without_ros() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "touch_without_ros.py"],
        cwd=EXAMPLES.parent,
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    estimates = [line for line in done.stdout.splitlines() if "force" in line]
    assert len(estimates) > 5
    assert "no background" in done.stdout.splitlines()[0]
