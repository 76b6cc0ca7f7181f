# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train` in a process that is killed, and in another one that goes on."""

from __future__ import annotations

import csv
import random
import signal
from pathlib import Path

import pytest
import torch
from fixtures.program import PATIENCE_S, Program, program
from fixtures.waiting import until

from sparsh_ros import cli
from sparsh_ros.training.schedule import load_checkpoint

STEPS, BETWEEN = 16, 2
"""Of the whole run, and between checkpoints."""


@pytest.mark.parametrize(("recipe", "seed"), [("dino", 0), ("ijepa", 1)])
def test_a_killed_run_ends_as_an_unbroken_one_does(recipe, seed, small, tmp_path):
    words = ["train", recipe, "--data", str(small), "--size", "nano", "--threads", "1"]
    words += ["--batch", "2", "--steps", str(STEPS), "--checkpoint-steps", str(BETWEEN)]
    words += ["--float32", "--run"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert cli.main([*words, str(whole)]) == 0
    written = random.Random(seed).randint(2, 4)
    with program("sparsh_ros.cli", *words, str(broken)) as running:
        _wait_for_step(running, _checkpoint(broken, recipe), written * BETWEEN)
        running.kill()
        assert running.wait() == -signal.SIGKILL, running.said
    assert load_checkpoint(_checkpoint(broken, recipe))["step"] < STEPS
    with program("sparsh_ros.cli", *words, str(broken), "--resume") as resumed:
        assert resumed.wait() == 0, resumed.said
    assert _log(broken, recipe) == _log(whole, recipe)
    found, wanted = (load_checkpoint(_checkpoint(run, recipe)) for run in (broken, whole))
    assert found["step"] == STEPS
    for part in ("model", "optimiser"):
        torch.testing.assert_close(found[part], wanted[part], rtol=0.0, atol=0.0)
    encoders = [(run / "encoder.safetensors").read_bytes() for run in (broken, whole)]
    assert encoders[0] == encoders[1]


def _wait_for_step(running: Program, checkpoint: Path, step: int) -> None:
    def has_come() -> bool:
        return checkpoint.is_file() and load_checkpoint(checkpoint)["step"] >= step

    until(lambda: not running.is_running or has_come(), PATIENCE_S)
    assert running.is_running, running.said


def _checkpoint(run: Path, recipe: str) -> Path:
    return run / recipe / f"{recipe}.pt"


def _log(run: Path, recipe: str) -> list[dict[str, str]]:
    """Rows without how fast it was."""
    with (run / recipe / f"{recipe}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(BETWEEN, STEPS + 1, BETWEEN))
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in rows]
