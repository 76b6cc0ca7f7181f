# SPDX-License-Identifier: Apache-2.0
"""What every training loop shares: a wall-clock budget, learning rate, optimiser, checkpoints, log.

Schedules run over the share of the time budget that is spent, not over steps: on a machine that is
shared or unknown this is the one way to end on time with the learning rate at its floor.
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from sparsh_ros.errors import TrainingError, WeightsError

WARM_UP = 0.05  # share of the budget
FLOOR = 1e-6  # learning rate at the end
CLIP_NORM = 10.0
BETAS = (0.9, 0.95)
CHECKPOINT, BEST = "checkpoint.pt", "best.pt"  # of a run: to go on from, to ship


class Budget:
    """A wall-clock budget that can be carried over an interruption.

    Args:
        minutes: The whole budget.
        spent_s: Seconds spent before, by the run that is resumed.
        now: Monotonic clock in seconds.
    """

    def __init__(
        self, minutes: float, spent_s: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.total_s = minutes * 60.0
        self._now = now
        self._start = now() - spent_s

    def spent_s(self) -> float:
        """Seconds spent so far, those before a resume included."""
        return self._now() - self._start

    def share(self) -> float:
        """Share of the budget spent, 0 to 1."""
        return min(self.spent_s() / self.total_s, 1.0)


def fastest_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def learning_rate(share: float, peak: float) -> float:
    """Linear warm-up from a tenth of ``peak``, then half a cosine down to `FLOOR`."""
    if share < WARM_UP:
        return peak * (0.1 + 0.9 * share / WARM_UP)
    phase = (share - WARM_UP) / (1.0 - WARM_UP)
    return FLOOR + (peak - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * phase))


def cosine(share: float, start: float, end: float) -> float:
    """Half a cosine from ``start`` at 0 to ``end`` at 1."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


def warmed_up(share: float, start: float, peak: float, warm_up: float, end: float = FLOOR) -> float:
    """Linear from ``start`` to ``peak`` in the share ``warm_up``, then half a cosine to ``end``."""
    if share < warm_up:
        return start + (peak - start) * share / warm_up
    return cosine((share - warm_up) / (1.0 - warm_up), peak, end)


def build_optimiser(module: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) that decays matrices and leaves vectors alone."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=BETAS, fused=True)


def take_step(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: torch.Tensor,
    rate: float,
    clip_norm: float = CLIP_NORM,
) -> None:
    """One clipped optimiser step at a learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
    optimiser.step()


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        TrainingError: The disk is full or fails; the checkpoint that was there is as it was.
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: the new checkpoint cannot be written ({str(error).splitlines()[0]}); the one "
            "that is there is whole; make room, then go on with --resume"
        ) from error
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint as data only.

    Raises:
        WeightsError: It is missing or broken.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError) as error:
        raise WeightsError(
            f"checkpoint {path}: cannot be resumed ({error}); start again without --resume"
        ) from error


class CsvLog:
    """Rows of numbers appended to a CSV file, readable while training runs."""

    def __init__(self, path: Path, columns: tuple[str, ...], resume: bool) -> None:
        exists = resume and path.is_file()
        self._file = path.open("a" if exists else "w", newline="", buffering=1)
        self._writer = csv.writer(self._file)
        if not exists:
            self._writer.writerow(columns)

    def write(self, *values: float) -> None:
        """Append a row."""
        self._writer.writerow([f"{value:.6g}" for value in values])

    def close(self) -> None:
        """Close the file."""
        self._file.close()
