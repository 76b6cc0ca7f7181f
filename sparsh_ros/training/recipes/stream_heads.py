# SPDX-License-Identifier: Apache-2.0
"""The second stage of the streaming model: heads that remember from every frame to the next.

Encoder and observer stay as the first stage, `recipes.stream`, left them. What they make of each
episode is kept in a folder beside the episodes, so that seeds share it, and the heads see some
hundred times as many frames in the same time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from rich.console import Console

from sparsh_ros.errors import ParameterError
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.recipes.stream import StreamTraining
from sparsh_ros.training.stream.batches import move
from sparsh_ros.training.stream.episodes import StreamEpisode
from sparsh_ros.training.stream.every_frame import (
    FrameBatch,
    Touch,
    decode_frames,
    draw_frames,
    load_touch,
    whole_touches,
)
from sparsh_ros.training.stream.losses import HEAD_WEIGHTS, head_losses, total_loss
from sparsh_ros.training.stream.network import StreamNetwork
from sparsh_ros.training.stream.scores import head_scores


class HeadTraining(StreamTraining):
    """A run of the second stage; `settings.steps` counts frames at 60 frames/s."""

    _touches: list[Touch]

    def run(
        self, now: Callable[[], float] = time.process_time, console: Console | None = None
    ) -> dict[str, Any]:
        """Look at all episodes, then train until the budget is spent."""
        self.look()
        return super().run(now, console)

    def _freeze(self) -> None:
        if not self.settings.start:
            raise ParameterError(
                "train stream-heads: --start is missing: weights of the first stage"
            )
        self.network.requires_grad_(False)
        self.network.heads.requires_grad_(True)

    def look(self) -> None:
        """Have encoder and observer see the episodes that they have not yet seen."""
        lights, indices = self.settings.lights, self.settings.available(0)
        folder = self.episodes.folder / f"seen_{_digest(self.average)}"
        folder.mkdir(exist_ok=True)
        self._touches = []
        with progress_bar("Touches seen", len(indices) * lights) as bar:
            for index, light in product(indices, range(lights)):
                self.episodes.make(index)
                episode = self.episodes.path(index)
                path = folder / f"light_{light}_{episode.name}"
                self._touches.append(load_touch(path, self.average, episode, (index, light)))
                bar.advance()

    def _losses(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        chosen = rng.integers(len(self._touches), size=self.settings.batch)
        touches = [self._touches[index] for index in chosen]
        batch = move(draw_frames(touches, self.settings.steps, rng), self.device)
        return head_losses(decode_frames(self.network, batch), batch)

    def _prepare(self, validation: list[StreamEpisode]) -> FrameBatch:
        return whole_touches(self.average, validation)

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, dict[str, float]]:
        batch: FrameBatch = self._validation
        found = decode_frames(self.average, move(batch, self.device))
        heads = {name: value.cpu() for name, value in found.items()}
        return float(self._total(head_losses(heads, batch))), head_scores(heads, batch)

    def _total(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        return total_loss(parts, HEAD_WEIGHTS)


def _digest(network: StreamNetwork) -> str:
    """Of what the heads are fed by."""
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        if not name.startswith("heads."):
            found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
