# SPDX-License-Identifier: Apache-2.0
"""The recipe of the streaming model: everything from simulated labels, end to end, with memory.

Each step takes one sequence of each of `batch` simulated episodes, drawn from all that were made so
far; a worker process makes more of them all the time. Every seventh step sees fewer and three times
longer sequences. AdamW, a warm-up and half a cosine over the budget of computing time; the weights
that count are a moving average, at the moment of their lowest loss on the validation split.

Which episodes a step sees depends on the number of the step alone, so that a run that was killed
goes on from its checkpoint as if it had not been.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sparsh_ros.errors import ParameterError
from sparsh_ros.training.schedule import (
    BEST,
    CHECKPOINT,
    Budget,
    CsvLog,
    build_optimiser,
    fastest_device,
    learning_rate,
    load_checkpoint,
    save_checkpoint,
    take_step,
)
from sparsh_ros.training.stream.batches import draw_batch
from sparsh_ros.training.stream.episodes import LONG_EVERY, EpisodeFolder, StreamEpisode
from sparsh_ros.training.stream.losses import WEIGHTS, losses, total_loss
from sparsh_ros.training.stream.network import StreamNetwork
from sparsh_ros.training.stream.settings import StreamSettings
from sparsh_ros.training.stream.start import load_weights
from sparsh_ros.training.stream.validation import evaluate_network, whole_batches

CLIP_NORM = 20.0
LONG = 3
"""Long sequences have this many times the steps, and batches fewer of them."""
AVERAGE = 0.998
CHECKS = 20
SAVE_S = 60.0
WEIGHT_DECAY = 0.02
_SHOWN = ("force_x_mn", "force_z_light_mn", "x_mm", "slipping_f1", "slipping_ap")


class StreamTraining:
    """A run in a folder; goes on where the folder's checkpoint ends, if there is one."""

    def __init__(
        self,
        settings: StreamSettings,
        folder: Path,
        train: EpisodeFolder,
        validation: list[StreamEpisode],
    ) -> None:
        """Draw weights, or read the checkpoint.

        Raises:
            ParameterError: The checkpoint is one of other settings.
            WeightsError: The checkpoint cannot be read.
        """
        torch.manual_seed(settings.seed)
        self.settings, self.folder, self.episodes = settings, folder, train
        folder.mkdir(parents=True, exist_ok=True)
        self.device = fastest_device()
        self.network = StreamNetwork(**settings.shape)
        self.network.to(self.device, memory_format=torch.channels_last)
        if settings.start:
            load_weights(self.network, [Path(path) for path in settings.start])
        self._freeze()
        self.average = copy.deepcopy(self.network).eval()
        self.optimiser = build_optimiser(self.network, WEIGHT_DECAY)
        self.step, self.spent_s, self.best_loss = 0, 0.0, float("inf")
        self._validation = self._prepare(validation)
        self._resumes = (folder / CHECKPOINT).is_file()
        if self._resumes:
            self._load(load_checkpoint(folder / CHECKPOINT))

    def run(
        self, now: Callable[[], float] = time.process_time, console: Console | None = None
    ) -> dict[str, Any]:
        """Train until the budget is spent; returns what the run was."""
        budget = Budget(self.settings.minutes, self.spent_s, now)
        columns = ("step", "minutes", "loss", *WEIGHTS)
        log = CsvLog(self.folder / "train.csv", columns, self._resumes)
        checks, saved_s, began, first = self._checks(budget.share()), self.spent_s, now(), self.step
        with _progress(console) as progress:
            bar = progress.add_task("Training", total=100.0, note="")
            while (share := budget.share()) < 1.0:
                self.spent_s = budget.spent_s()
                parts = self.train_step(share)
                values = (parts.get(name, float("nan")) for name in WEIGHTS)
                log.write(self.step, self.spent_s / 60, self._total(parts), *values)
                rate = (self.step - first) * self.settings.batch * self.settings.steps
                rate /= max(now() - began, 1e-9)
                left = self.settings.minutes - self.spent_s / 60
                note = f"step {self.step}, {rate:.0f} pairs/s, {left:.1f} min left"
                progress.update(bar, completed=100 * share, note=note)
                if self._checks(share) > checks:
                    checks = self._checks(share)
                    self.check(console)
                if self.spent_s - saved_s >= SAVE_S:
                    saved_s = self.spent_s
                    self.save()
        self.check(console)
        self.save()
        log.close()
        return self._summary()

    def train_step(self, share: float) -> dict[str, torch.Tensor]:
        """One step at a share of the budget; returns the losses by name."""
        rng = np.random.default_rng([self.settings.seed, self.step])
        self.network.train()
        parts = self._losses(rng)
        rate = learning_rate(share, self.settings.learning_rate)
        take_step(self.network, self.optimiser, self._total(parts), rate, CLIP_NORM)
        self.step += 1
        self._average_weights()
        return {name: value.detach() for name, value in parts.items()}

    def _freeze(self) -> None:
        """Everything learns."""

    def _total(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        return total_loss(parts)

    def _losses(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        settings = self.settings
        is_long = self.step % LONG_EVERY == LONG_EVERY - 1
        count = max(1, settings.batch // LONG) if is_long else settings.batch
        available = settings.available(self.step)
        chosen = rng.integers(available.start, available.stop, size=count)
        if is_long:
            first_long = available.start + -available.start % LONG_EVERY
            chosen = np.maximum(chosen - chosen % LONG_EVERY, first_long)
        episodes = [self.episodes.load(int(index)) for index in chosen]
        steps = settings.steps * (LONG if is_long else 1)
        shortest = min(len(episode.frames) for episode in episodes)
        batch = draw_batch(episodes, min(steps, (shortest - 1) // 2), rng, self.device)
        return losses(self.network(batch), batch)

    def _prepare(self, validation: list[StreamEpisode]) -> Any:
        return whole_batches(validation)

    def _evaluate(self) -> tuple[float, dict[str, float]]:
        """Mean weighted loss of the averaged weights on the validation split, and scores."""
        return evaluate_network(self.average, self._validation)

    def check(self, console: Console | None = None) -> None:
        """Measure the averaged weights on the validation split; keep them if they are the best."""
        loss, scores = self._evaluate()
        with (self.folder / "validation.jsonl").open("a") as file:
            entry = {"step": self.step, "minutes": self.spent_s / 60, "loss": loss, **scores}
            file.write(json.dumps(entry) + "\n")
        if loss < self.best_loss:
            self.best_loss = loss
            save_checkpoint(
                self.folder / BEST,
                {
                    "network": self.average.state_dict(),
                    "step": self.step,
                    "loss": loss,
                    "second_stage": self.settings.second_stage,
                    "shape": self.settings.shape,
                },
            )
        shown = ", ".join(f"{name} {scores[name]:.3g}" for name in _SHOWN)
        (console or Console()).print(f"step {self.step}: validation {loss:.3f}; {shown}")

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.folder / CHECKPOINT,
            {
                "settings": asdict(self.settings),
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "spent_s": self.spent_s,
                "best_loss": self.best_loss,
            },
        )

    def _load(self, state: dict[str, Any]) -> None:
        if state["settings"] != asdict(self.settings):
            raise ParameterError(
                f"{self.folder / CHECKPOINT}: wanted a run with {asdict(self.settings)}, found "
                f"{state['settings']}; give the same options, or another --run folder"
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.best_loss = state["best_loss"]

    @torch.no_grad()
    def _average_weights(self) -> None:
        keep = min(AVERAGE, 1 - 1 / (1 + self.step / 4))  # the first steps are soon forgotten
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, 1 - keep)
        buffers = zip(self.average.buffers(), self.network.buffers(), strict=True)
        for mean, value in buffers:
            mean.lerp_(value, 1 - keep) if mean.is_floating_point() else mean.copy_(value)

    def _checks(self, share: float) -> int:
        return int(share * CHECKS)

    def _summary(self) -> dict[str, Any]:
        summary = {
            "settings": asdict(self.settings),
            "steps": self.step,
            "pairs": self.step * self.settings.batch * self.settings.steps,
            "episodes": len(self.settings.available(self.step)),
            "minutes": self.spent_s / 60,
            "best_loss": self.best_loss,
        }
        (self.folder / "run.json").write_text(json.dumps(summary, indent=2) + "\n")
        return summary


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
