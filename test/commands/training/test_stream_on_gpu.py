# SPDX-License-Identifier: Apache-2.0
"""The streaming model by its commands, from simulation to scores, as a GPU would run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sparsh_ros import Perception

TOOL = Path(__file__).parents[3] / "tools" / "stream_on_gpu.py"


def test_from_nothing_to_weights_and_scores(tmp_path: Path) -> None:
    options = {"minutes": 0.3, "batch": 2, "episodes": 4, "validation": 2, "test": 1, "workers": 1}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    # Of so few minutes the rest would leave no time for the export.
    words += ["--limit-minutes", "10"]
    done = subprocess.run(
        [sys.executable, str(TOOL), "--out", str(tmp_path), *words], capture_output=True, text=True
    )
    logs = "\n".join(log.read_text() for log in sorted(tmp_path.glob("*.log")))
    assert done.returncode == 0, done.stderr + logs
    assert "sparsh-sim-stream" in done.stdout
    scores = json.loads((tmp_path / "scores.json").read_text())["simulated"]
    assert scores["sparsh-sim-stream"]["force_z_mn"] > 0
    runs = json.loads((tmp_path / "weights" / "chosen.json").read_text())["runs"]
    assert runs["second"]["settings"]["start"] == ["first/best.pt"]
    assert runs["second"]["settings"]["skip"] == 4
    Perception("sparsh-sim-stream", weights_dir=tmp_path / "weights")
