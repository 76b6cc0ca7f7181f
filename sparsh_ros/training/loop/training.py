# SPDX-License-Identifier: Apache-2.0
"""The training loop: batches in, optimiser steps, checkpoints, log.

A step draws its clips, its masks and its noise from (seed, step) alone, and its learning rate from
step / steps. So a run that was killed and resumed continues as if nothing had happened, and several
processes see what one would have seen.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.errors import TrainingError, WeightsError
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.loop import processes
from sparsh_ros.training.loop.log import RunLog
from sparsh_ros.training.loop.recipe import Clips, Draw, Losses, Recipe
from sparsh_ros.training.schedule import (
    CLIP_NORM,
    cosine,
    fastest_device,
    load_checkpoint,
    save_checkpoint,
    warmed_up,
)

TRIAL_STEPS = 3  # by which the speed is told
_KEPT_SETTINGS = ("steps", "batch", "rate", "seed", "bfloat16")


class Source(Protocol):
    """Where clips come from: what the recipe's `forward` takes, for (B,) indices below its length.

    That is (B, T, H, W, 3) uint8, or for a recipe that reads more, tensors by name.
    """

    def __len__(self) -> int: ...

    def clips(self, index: NDArray[np.int64]) -> Clips: ...


@dataclass(frozen=True)
class LoopSettings:
    """How to train.

    Attributes:
        steps: Optimiser steps of the whole run.
        batch: Clips per step, all processes together.
        rate: Peak learning rate; None takes the recipe's.
        seed: Of weights, clips and masks.
        bfloat16: Compute in bfloat16 where autocast does.
        checkpoint_steps: Steps between checkpoints.
        check_batches: Held-out batches to measure at each checkpoint.
        tensorboard: Whether to write for TensorBoard.
    """

    steps: int
    batch: int = 64
    rate: float | None = None
    seed: int = 0
    bfloat16: bool = False
    checkpoint_steps: int = 200
    check_batches: int = 4
    tensorboard: bool = False


class Training:
    """A run in a folder: `<recipe>.pt` to go on from, `<recipe>.csv`, `<recipe>.png`."""

    def __init__(
        self, recipe: Recipe, settings: LoopSettings, folder: Path, resume: bool = False
    ) -> None:
        """Begin a run, or go on from its last checkpoint.

        Raises:
            WeightsError: There is no checkpoint to resume, or it is that of another run.
        """
        self.device = fastest_device()
        self.recipe = recipe.to(self.device)
        self.settings = settings
        self.checkpoint = folder / f"{recipe.name}.pt"
        self.step = self.saved_step = 0
        self._optimiser = _build_optimiser(recipe)
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self._restore()
        self._model = processes.shared(self.recipe, recipe.varies)
        first = processes.rank() == 0
        self._log = RunLog(folder, recipe.name, self.step, settings.tensorboard) if first else None

    def run(self, source: Source, held_out: Source) -> dict[str, Any]:
        """Train until all steps are done.

        Returns:
            What the run was: settings, steps, pairs or clips seen, seconds and images per second
            since it was begun or resumed, and the held-out losses at the end.

        Raises:
            TrainingError: The loss is no number, or the disk is full; the last checkpoint is whole.
        """
        begin, first = time.monotonic(), self.step
        checked: dict[str, float] = {}
        steps = self.settings.steps
        with _explained(self.checkpoint), progress_bar(self.recipe.name, steps) as bar:
            while self.step < steps:
                losses = self.train_step(source)
                speed = (self.step - first) * self.settings.batch / (time.monotonic() - begin)
                bar.update(self.step, f"loss {losses['loss']:.4f}, {speed:.0f} images/s")
                if self.step % self.settings.checkpoint_steps == 0 or self.step == steps:
                    checked = self.pause(held_out, losses, speed)
            self.close()
        seconds = time.monotonic() - begin
        return {
            "settings": asdict(self.settings)
            | {"rate": self.settings.rate or self.recipe.peak_rate},
            "steps": self.step,
            "pairs": self.step * self.settings.batch,
            "seconds": seconds,
            "images_per_s": (self.step - first) * self.settings.batch / max(seconds, 1e-9),
            "held_out": checked or self.check(held_out),
        }

    def train_step(self, source: Source) -> dict[str, float]:
        """One step; returns the losses, the mean over all processes.

        Raises:
            TrainingError: The loss is no number; nothing was changed.
        """
        settings, share = self.settings, self.step / self.settings.steps
        self.recipe.train()
        losses = self._losses(self._model, source, settings.seed, self.step, share)
        found = {name: processes.mean(value).item() for name, value in losses.items()}
        if not np.isfinite(found["loss"]):
            raise TrainingError(
                f"{self.recipe.name}: the loss is {found['loss']} at step {self.step}; the last "
                f"good checkpoint is that of step {self.saved_step}; resume it, or start again "
                "with a lower --learning-rate"
            )
        self._optimiser.zero_grad()
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.recipe.parameters(), CLIP_NORM)
        self._set_schedule(share)
        self._optimiser.step()
        self.step += 1
        self.recipe.after_step(self.step / settings.steps)
        return found

    @torch.no_grad()
    def check(self, held_out: Source) -> dict[str, float]:
        """Losses on a fixed choice of held-out clips and masks, the mean over all processes."""
        self.recipe.eval()
        share = self.step / self.settings.steps
        found = [
            self._losses(self.recipe, held_out, -1, batch, share)
            for batch in range(self.settings.check_batches)
        ]
        return {
            name: processes.mean(torch.stack([losses[name] for losses in found]).mean()).item()
            for name in found[0]
        }

    def pause(self, held_out: Source, losses: dict[str, float], speed: float) -> dict[str, float]:
        """Measure on held-out clips, log, draw the picture and save; returns the measures."""
        checked = self.check(held_out)
        if self._log:
            self._log.write(
                self.step,
                {
                    **losses,
                    **{f"held_out_{name}": value for name, value in checked.items()},
                    "rate": self._optimiser.param_groups[0]["lr"],
                    "images_per_s": speed,
                },
            )
            self._log.show(self.step, self._picture(held_out))
        self.save()
        return checked

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            TrainingError: The disk is full.
        """
        if processes.rank() == 0:
            state = {
                "recipe": self.recipe.name,
                "settings": self._kept_settings(),
                "model": self.recipe.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "step": self.step,
            }
            save_checkpoint(self.checkpoint, state)
        self.saved_step = self.step
        processes.wait()

    def close(self) -> None:
        """Close the log."""
        if self._log:
            self._log.close()

    def steps_in(self, minutes: float, source: Source) -> int:
        """About how many steps this machine takes in so many minutes; the run stays as it is."""
        state = copy.deepcopy(self.recipe.state_dict())
        self.recipe.train()
        times = []
        for step in range(TRIAL_STEPS):
            begin = time.monotonic()
            self._losses(self._model, source, self.settings.seed, step, 0.0)["loss"].backward()
            if self.device.type == "cuda":
                torch.cuda.synchronize()  # or it would be asked before it is done
            times.append(time.monotonic() - begin)
        self._optimiser.zero_grad()
        self.recipe.load_state_dict(state)
        return processes.from_first(max(int(60.0 * minutes / min(times)), 1))

    def _losses(
        self, model: nn.Module, source: Source, seed: int, step: int, share: float
    ) -> Losses:
        rng = np.random.default_rng([seed + 1, step])
        batch, part = self.settings.batch, processes.part(self.settings.batch)
        index = rng.integers(len(source), size=batch)[part]
        draw = self._own_part(self.recipe.draw(rng, batch), part)
        torch.manual_seed(int(rng.integers(2**31)) + processes.rank())
        clips = self._on_device(source.clips(index))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            return model(clips, draw, share)

    def _on_device(self, clips: Clips) -> Clips:
        if isinstance(clips, Tensor):
            return clips.to(self.device)
        return {name: value.to(self.device) for name, value in clips.items()}

    def _own_part(self, draw: Draw, part: slice) -> Draw:
        return {name: value[part].to(self.device) for name, value in draw.items()}

    def _picture(self, held_out: Source) -> NDArray[np.uint8] | None:
        rng = np.random.default_rng(0)
        index = rng.integers(len(held_out), size=4)
        draw = self.recipe.draw(rng, len(index))
        with torch.no_grad():
            return self.recipe.picture(
                self._on_device(held_out.clips(index)), self._own_part(draw, slice(None))
            )

    def _set_schedule(self, share: float) -> None:
        recipe = self.recipe
        peak = self.settings.rate or recipe.peak_rate
        start, final = (
            rate * peak / recipe.peak_rate for rate in (recipe.start_rate, recipe.final_rate)
        )
        rate = warmed_up(share, start, peak, recipe.warm_up, final)
        matrices, vectors = self._optimiser.param_groups
        matrices["lr"] = vectors["lr"] = rate
        matrices["weight_decay"] = cosine(share, *recipe.weight_decay)

    def _kept_settings(self) -> dict[str, object]:
        own = {name: getattr(self.settings, name) for name in _KEPT_SETTINGS}
        return own | self.recipe.options

    def _restore(self) -> None:
        state = load_checkpoint(self.checkpoint)
        wanted = self._kept_settings()
        found = state.get("settings"), state.get("recipe")
        if found != (wanted, self.recipe.name):
            raise WeightsError(
                f"{self.checkpoint}: wanted a run of {self.recipe.name} with {wanted}, found "
                f"{found[1]} with {found[0]}; give the same options, or another --run"
            )
        try:
            self.recipe.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise WeightsError(
                f"{self.checkpoint}: does not fit this model ({str(error).splitlines()[0]}); give "
                "the same options, or another --run"
            ) from error
        self.step = self.saved_step = state["step"]


def kept_steps(checkpoint: Path) -> int:
    """Steps of the whole run that a checkpoint belongs to.

    Raises:
        WeightsError: There is no such checkpoint.
    """
    return load_checkpoint(checkpoint)["settings"]["steps"]


def _build_optimiser(recipe: Recipe) -> torch.optim.AdamW:
    """AdamW whose first group, the matrices, decays."""
    learned = [p for p in recipe.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim >= 2]},
        {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=recipe.betas)


@contextmanager
def _explained(checkpoint: Path) -> Iterator[None]:
    """A disk that fails while the log is written is told like one that fails a checkpoint."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{checkpoint.parent}: cannot be written ({error}); the last good checkpoint is whole; "
            "make room, then go on with --resume"
        ) from error
