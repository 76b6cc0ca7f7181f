# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train` in a process that is killed, and in another one that goes on."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fixtures.program import PATIENCE_S, program

from sparsh_ros import cli
from sparsh_ros.training.schedule import load_checkpoint

STEPS, BETWEEN = 16, 2
"""Of the whole run, and between checkpoints."""
KILLED_AFTER = """
import os, signal, sys
from sparsh_ros import cli
from sparsh_ros.training.loop import training as loop

left, save = int(sys.argv[1]), loop.save_checkpoint

def save_or_die(*arguments):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    save(*arguments)

loop.save_checkpoint = save_or_die
cli.main(sys.argv[2:])
"""
"""Trains as the command line says; the kernel kills it so many checkpoints later, when the steps
after the last one are lost: from outside, nobody knows how far a fast machine has come by then."""


@pytest.mark.parametrize(("recipe", "seed"), [("dino", 0), ("ijepa", 1)])
def test_a_killed_run_ends_as_an_unbroken_one_does(recipe, seed, small, tmp_path):
    words = ["train", recipe, "--data", str(small), "--size", "nano", "--threads", "1"]
    words += ["--batch", "2", "--steps", str(STEPS), "--checkpoint-steps", str(BETWEEN)]
    words += ["--float32", "--run"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert cli.main([*words, str(whole)]) == 0
    written = random.Random(seed).randint(2, 4)
    command = [sys.executable, "-c", KILLED_AFTER, str(written), *words, str(broken)]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert load_checkpoint(_checkpoint(broken, recipe))["step"] == written * BETWEEN
    with program("sparsh_ros.cli", *words, str(broken), "--resume") as resumed:
        assert resumed.wait() == 0, resumed.said
    assert _log(broken, recipe) == _log(whole, recipe)
    found, wanted = (load_checkpoint(_checkpoint(run, recipe)) for run in (broken, whole))
    assert found["step"] == STEPS
    for part in ("model", "optimiser"):
        torch.testing.assert_close(found[part], wanted[part], rtol=0.0, atol=0.0)
    encoders = [(run / "encoder.safetensors").read_bytes() for run in (broken, whole)]
    assert encoders[0] == encoders[1]


def _checkpoint(run: Path, recipe: str) -> Path:
    return run / recipe / f"{recipe}.pt"


def _log(run: Path, recipe: str) -> list[dict[str, str]]:
    """Rows without how fast it was."""
    with (run / recipe / f"{recipe}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(BETWEEN, STEPS + 1, BETWEEN))
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in rows]
