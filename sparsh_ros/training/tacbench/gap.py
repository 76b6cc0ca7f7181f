# SPDX-License-Identifier: Apache-2.0
"""How far the features of simulated touches are from those of real ones, as an encoder sees them.

A touch is one still frame, taken twice, so that recordings of any rate can be compared. Its feature
is the mean of its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.clips.store import ClipStore
from sparsh_ros.training.patches import unfold_scaling
from sparsh_ros.training.recipes.parts import read_clips
from sparsh_ros.training.tacbench.examples import READ_BATCH

Features = NDArray[np.float64]


@torch.no_grad()
def pooled_features(encoder: VisionTransformer, frames: NDArray[np.uint8]) -> Features:
    """(n, D) of frames (n, H, W, 3) RGB, background taken away, at the encoder's size.

    The encoder is one that takes plain pixels.
    """
    network, config = unfold_scaling(encoder).eval(), encoder.config
    times = config.frames or config.in_channels // 3
    clips = torch.from_numpy(frames)[:, None].expand(-1, times, -1, -1, -1)
    parts = [network.forward_patches(read_clips(c, network)) for c in clips.split(READ_BATCH)]
    return torch.cat(parts).mean(dim=1).double().numpy()


def frechet_distance(first: Features, second: Features) -> float:
    """Distance of two normal distributions fitted to features (n, D) and (m, D):
    |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Heusel et al., 2017, arXiv:1706.08500)."""
    means = first.mean(axis=0) - second.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(values, rowvar=False)) for values in (first, second))
    # The eigenvalues of S1 S2 are those of a product of two positive matrices: none is below 0.
    roots = np.sqrt(np.linalg.eigvals(one @ two).real.clip(min=0.0)).sum()
    return float(means @ means + np.trace(one) + np.trace(two) - 2.0 * roots)


def touched_frames(
    store: ClipStore, sensor: str, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Frames (n, H, W, 3) with contact on one type of sensor, evenly spread, and the number of the
    sensor instance of each (n,)."""
    wanted = np.array([meta["sensor"] == sensor for meta in store.metas])
    touched = np.flatnonzero(store.labels.in_contact & wanted[store.episode])
    chosen = touched[np.linspace(0, len(touched), min(count, len(touched)), False).astype(int)]
    return store.frames[store.rows[chosen, 0]], store.episode[chosen]


def halves(groups: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) bool, of two halves of the groups the first."""
    names = np.unique(groups)
    return np.isin(groups, names[::2])
