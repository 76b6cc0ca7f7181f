# SPDX-License-Identifier: Apache-2.0
"""Masked-autoencoder pre-training of the touch encoder (He et al., 2022; Higuera et al., 2024).

Three quarters of the patches of a frame pair are hidden; the encoder sees the rest, and a small
decoder predicts the pixels of hidden patches from its tokens; the loss is the mean squared error of
plain pixels (times a constant: patches are scaled, see `patches`). No labels are used.

What a hidden patch shows is far less certain than how it changed since the older frame, so motion,
which slip and pose need, is a small part of the plain error. The error of that change is therefore
added, weighted by `CHANGE_WEIGHT`, as AnyTouch 2 adds the reconstruction of frame differences
(2026, arXiv:2602.09617). What the added term is worth has not been measured apart.

To fit a CPU the decoder has width 128 and 2 blocks, and predicts a random third of the hidden
patches instead of all of them (dual masking, Wang et al., "VideoMAE V2", 2023). No flips: mirrored
light and mirrored shear would be another sensor, and force and motion have a sign.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.models.layers import Block, SinusoidalPositions, initialise_linear_layers
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.patches import (
    GRID,
    PATCH_BYTES,
    PATCHES,
    join_patches,
    scale_patches,
    unscale_patches,
)
from sparsh_ros.training.schedule import (
    Budget,
    CsvLog,
    build_optimiser,
    learning_rate,
    load_checkpoint,
    save_checkpoint,
    take_step,
)
from sparsh_ros.training.store import PairStore

VISIBLE = PATCHES // 4
PREDICTED = PATCHES // 4
CHANGE_WEIGHT = 3.0
DECODER_WIDTH = 128
DECODER_DEPTH = 2
DECODER_HEADS = 4
WEIGHT_DECAY = 0.05
CHECK_BATCHES = 8
PICTURED = 4  # pairs in the reconstruction picture
INK = 3.0  # contrast of that picture


@dataclass(frozen=True)
class MaeSettings:
    """How to pre-train: minutes of wall clock, pairs per step, peak learning rate, seed, minutes
    between checkpoints."""

    minutes: float
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0
    checkpoint_minutes: float = 2.0


class MaskedAutoencoder(nn.Module):
    """The encoder with a decoder that predicts hidden patches."""

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        width = encoder.norm.normalized_shape[0]
        self.encoder = encoder
        self.embed = nn.Linear(width, DECODER_WIDTH)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DECODER_WIDTH))
        self.positions = SinusoidalPositions(GRID, DECODER_WIDTH)
        self.blocks = nn.ModuleList(
            Block(DECODER_WIDTH, DECODER_HEADS) for _ in range(DECODER_DEPTH)
        )
        self.norm = nn.LayerNorm(DECODER_WIDTH)
        self.pixels = nn.Linear(DECODER_WIDTH, 2 * PATCH_BYTES)
        for module in (self.embed, self.blocks, self.pixels):
            initialise_linear_layers(module)

    def forward(self, visible: Tensor, keep: Tensor, predict: Tensor) -> Tensor:
        """Predict hidden patches.

        Args:
            visible: (B, K, 1536) scaled patches that the encoder sees.
            keep: (B, K) int64 their places in the grid.
            predict: (B, M) int64 places to predict.

        Returns:
            (B, M, 1536) scaled patches.
        """
        tokens = self.embed(self.encoder.forward_patches(visible, keep))
        masks = self.mask_token.expand(*predict.shape, -1)
        where = self.positions()[0][torch.cat([keep, predict], dim=1)]
        x = torch.cat([tokens, masks], dim=1) + where
        for block in self.blocks:
            x = block(x)
        return self.pixels(self.norm(x[:, keep.shape[1] :]))


@dataclass(frozen=True)
class Batch:
    """Scaled patches that are seen and wanted, and where they lie."""

    visible: Tensor
    keep: Tensor
    wanted: Tensor
    predict: Tensor


def draw_batch(
    store: PairStore, index: NDArray[np.int64], rng: np.random.Generator, predicted: int
) -> Batch:
    """Hide three quarters of the patches of each pair at random; want ``predicted`` of them."""
    order = rng.random((len(index), PATCHES), dtype=np.float32).argsort(axis=1)
    keep, predict = order[:, :VISIBLE], order[:, VISIBLE : VISIBLE + predicted]
    return Batch(
        scale_patches(torch.from_numpy(store.patches(index, keep))),
        torch.from_numpy(keep.copy()),
        scale_patches(torch.from_numpy(store.patches(index, predict))),
        torch.from_numpy(predict.copy()),
    )


def reconstruction_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error of the wanted patches plus that of their change between the two frames,
    computed in bfloat16 but for the errors themselves."""
    with torch.autocast("cpu", torch.bfloat16):
        found = model(batch.visible, batch.keep, batch.predict)
    error = found.float() - batch.wanted
    current, older = error.chunk(2, dim=-1)
    return error.square().mean() + CHANGE_WEIGHT * (current - older).square().mean()


class Pretraining:
    """A pre-training run in a folder: `mae.pt` to resume from, `mae.csv`, `mae.png`.

    A step draws its pairs and masks from (seed, step), so a resumed run sees what an uninterrupted
    one would have seen.
    """

    def __init__(
        self,
        encoder: VisionTransformer,
        settings: MaeSettings,
        folder: Path,
        resume: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = MaskedAutoencoder(encoder)
        self.optimiser = build_optimiser(self.model, WEIGHT_DECAY)
        self.settings = settings
        self.folder = folder
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        spent = self._restore() if resume else 0.0
        self.budget = Budget(settings.minutes, spent, now)
        self.log = CsvLog(
            folder / "mae.csv", ("step", "seconds", "rate", "loss", "held_out_loss"), resume
        )

    def run(self, store: PairStore, check: PairStore) -> dict[str, Any]:
        """Train until the budget is spent.

        Returns:
            What the run was: settings, steps, pairs seen, seconds, held-out loss at the end.
        """
        loss = checked = float("nan")
        saved = self.budget.spent_s()
        with progress_bar("MAE", 1.0, counted=False) as bar:
            while (share := self.budget.share()) < 1.0:
                loss = self.train_step(store, learning_rate(share, self.settings.rate))
                note = f"step {self.step}, loss {loss:.5f}, held out {checked:.5f}"
                bar.update(share, note)
                if self.budget.spent_s() - saved > 60.0 * self.settings.checkpoint_minutes:
                    checked = self.pause(check, loss)
                    saved = self.budget.spent_s()
        checked = self.pause(check, loss)
        self.log.close()
        return {
            "settings": asdict(self.settings),
            "steps": self.step,
            "pairs": self.step * self.settings.batch,
            "seconds": self.budget.spent_s(),
            "held_out_loss": checked,
        }

    def train_step(self, store: PairStore, rate: float) -> float:
        """One step; returns its loss."""
        rng = np.random.default_rng([self.settings.seed, self.step])
        index = rng.integers(len(store), size=self.settings.batch)
        loss = reconstruction_loss(self.model, draw_batch(store, index, rng, PREDICTED))
        take_step(self.model, self.optimiser, loss, rate)
        self.step += 1
        return loss.item()

    def pause(self, check: PairStore, loss: float) -> float:
        """Measure on held-out pairs, log, draw the picture and save; returns the held-out loss."""
        checked = self.check(check)
        share = self.budget.share()
        rate = learning_rate(share, self.settings.rate)
        self.log.write(self.step, self.budget.spent_s(), rate, loss, checked)
        picture = picture_reconstruction(self.model, check, np.random.default_rng(0))
        cv2.imwrite(str(self.folder / "mae.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self.save()
        return checked

    @torch.no_grad()
    def check(self, store: PairStore) -> float:
        """Loss on a fixed choice of pairs and masks of another split."""
        rng = np.random.default_rng(0)
        losses = []
        for _ in range(CHECK_BATCHES):
            index = rng.integers(len(store), size=self.settings.batch)
            losses.append(reconstruction_loss(self.model, draw_batch(store, index, rng, PREDICTED)))
        return torch.stack(losses).mean().item()

    def save(self) -> None:
        """Write `mae.pt`."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent_s": self.budget.spent_s(),
        }
        save_checkpoint(self.folder / "mae.pt", state)

    def _restore(self) -> float:
        state = load_checkpoint(self.folder / "mae.pt")
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        return state["spent_s"]


@torch.no_grad()
def picture_reconstruction(
    model: MaskedAutoencoder, store: PairStore, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Pairs in contact as (truth, what the encoder sees, reconstruction) side by side, with more
    contrast: uint8 RGB, one pair per row, its current frame only."""
    touching = np.flatnonzero(store.labels.in_contact)
    index = rng.choice(touching, size=min(PICTURED, len(touching)), replace=False)
    batch = draw_batch(store, index, rng, PATCHES - VISIBLE)
    found = unscale_patches(model(batch.visible, batch.keep, batch.predict)).numpy()
    rows = []
    for i, truth in enumerate(store.frames[store.pairs[index, 0]]):
        seen = np.full_like(truth, 127)
        seen[batch.keep[i]] = truth[batch.keep[i]]
        guess = truth.copy()
        guess[batch.predict[i]] = found[i, :, :PATCH_BYTES]
        rows.append(np.hstack([join_patches(patches) for patches in (truth, seen, guess)]))
    picture = np.vstack(rows).astype(np.float32)
    return np.clip((picture - 127.0) * INK + 127.0, 0.0, 255.0).astype(np.uint8)
