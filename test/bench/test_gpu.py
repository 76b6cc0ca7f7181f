# SPDX-License-Identifier: Apache-2.0
"""What is measured on a GPU runs on a CPU as well, small."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sparsh_ros.bench import gpu
from sparsh_ros.models.vit import VisionTransformer

ROOT = Path(__file__).resolve().parents[2]


def test_the_script_measures_all_ways(tmp_path: Path) -> None:
    words = ["--out", tmp_path / "out", "--device", "cpu", "--size", "nano", "--batches", 1, 3]
    words += ["--runs", 2, "--matrix", 64, "--minutes", 1]
    command = [sys.executable, ROOT / "tools" / "bench_on_gpu.py", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [way["way"] for way in found["ways"]] == [way.name for way in gpu.WAYS]
    assert found["graph_differs_by"] < 1e-3 and found["peak"]["flop_per_s"] > 0.0
    for way in found["ways"]:
        assert set(way["ms"]) == {"1", "3"} and way["sensors_at_60_hz"] >= 0
        assert all(way["ms"][n] <= way["p99_ms"][n] for n in way["ms"])
        assert ("bfloat16" in way["way"]) == ("bfloat16 (cosine" in way["engine"])
    lines = done.stdout.splitlines()
    assert len(lines) == 4 + len(gpu.WAYS) and all("(" in line for line in lines[4:])


def test_what_is_not_reached_in_time_stays_out(tmp_path: Path) -> None:
    spec = gpu.random_model("nano", tmp_path)
    assert spec.heads == gpu.HEADS
    assert list(gpu.measure(spec, "cpu", [1], 1, time.monotonic() - 1.0)) == []


@pytest.mark.parametrize("most", [0, 1, 5, 7, 40, 100])
def test_the_most_sensors_are_found(most: int, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    spec = gpu.random_model("nano", tmp_path)
    monkeypatch.setattr(gpu, "_images", lambda spec, batch: np.zeros(batch))
    monkeypatch.setattr(
        gpu, "time_passes", lambda engine, images, runs: [10.0 if len(images) <= most else 20.0]
    )
    found = gpu._most_sensors(None, spec, 1, time.monotonic() + 60.0)
    assert most - max(0, most // 16) <= found <= most


def test_the_arithmetic_of_an_encoder(tmp_path: Path) -> None:
    spec = gpu.random_model("nano", tmp_path)
    encoder = VisionTransformer.from_spec(spec).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(1, 6, 320, 240))
    counted = counter.get_total_flops()
    if not any("attention" in str(name) for name in counter.get_flop_counts()["Global"]):
        counted += 4 * 2 * 2 * 301**2 * 64  # torch does not count that on a CPU
    assert gpu.flop_per_image(spec) == pytest.approx(counted)


def test_99_of_100_are_not_above_it() -> None:
    assert gpu.p99([1.0, 2.0, 9.0]) == 9.0
