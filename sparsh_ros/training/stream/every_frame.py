# SPDX-License-Identifier: Apache-2.0
"""Every frame of a touch as encoder and observer see it, for heads that step from frame to frame.

End to end, the network learns in steps of about 5/60 s: else a sequence of some seconds were
hundreds of images. Once encoder and observer are done a frame is a few numbers, and the heads can
learn on sequences of every frame, as they run live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.training.episodes import readable_episode, write_episode
from sparsh_ros.training.stream.batches import (
    RATE_HZ,
    STRIDES,
    cut_chains,
    disturb_episode,
    move,
)
from sparsh_ros.training.stream.episodes import StreamEpisode
from sparsh_ros.training.stream.network import StreamNetwork, interleave

EVERY = (1, 1, 1, 1, 1, 2, 3, 5)
"""Heads see every so manieth frame of a sequence: not all cameras give 60 frames/s."""
Touch = dict[str, NDArray]


@dataclass(frozen=True)
class FrameBatch:
    """B sequences of T frames.

    Attributes:
        whole, readings: (B, T, ...) what the heads read, see `models.streaming.layout`.
        touched: (B, T) 1.0 where contact lasts since the step before.
        step_s: (B, T) time since the step before.
        contact, held, slipping, slide, share, margin, force, delta_force, pose, turns: what is
            true, as in `Batch`; changes are since the partner about 5/60 s ago.
    """

    whole: Tensor
    readings: Tensor
    touched: Tensor
    step_s: Tensor
    contact: Tensor
    held: Tensor
    slipping: Tensor
    slide: Tensor
    share: Tensor
    margin: Tensor
    force: Tensor
    delta_force: Tensor
    pose: Tensor
    turns: Tensor


TRUTH = tuple(field.name for field in fields(FrameBatch))[4:]


@torch.no_grad()
def see_touch(
    network: StreamNetwork, episode: StreamEpisode, stride: int, exact: Sequence[str] = ()
) -> Touch:
    """Run encoder and observer over an episode in `stride` interleaved chains; `exact`: see
    `StreamNetwork.see`.

    Returns:
        `whole` and `readings` (T, ...) float16 of every frame that has a partner, and `TRUTH`.
    """
    batch = move(cut_chains(episode, stride), network.device)
    seen, whole = network.eval().see(batch, exact)
    inputs = {"whole": whole.half(), "readings": seen.readings.half()}
    truth = {name: getattr(batch, name) for name in TRUTH}
    return {name: interleave(value).cpu().numpy() for name, value in (inputs | truth).items()}


def load_touch(
    path: Path, network: StreamNetwork, episode_path: Path, seed: Sequence[int]
) -> Touch:
    """The touch kept in a file; made of its training episode first where it is not there.

    Light and time between the frames of a pair are disturbed, in the way that the seed draws.
    """
    if not path.exists():
        rng = np.random.default_rng(seed)
        episode = disturb_episode(StreamEpisode.load(episode_path), rng)
        write_episode(path, {}, **see_touch(network, episode, int(rng.choice(STRIDES))))
    with readable_episode(path, "delete it, it is made again") as found:
        return {name: found[name] for name in ("whole", "readings", *TRUTH)}


def cut_frames(touch: Touch, start: int, every: int, steps: int) -> Touch:
    """Cut `steps` frames, each `every` frames after the one before, out of a touch.

    Returns:
        Arrays as `FrameBatch` has them, without the batch axis.
    """
    index = start + every * np.arange(steps)
    lost = np.concatenate([[0], np.cumsum(~touch["contact"])])
    touched = lost[index] == lost[np.maximum(index - every, 0)]
    touched[0] = False
    found = {name: touch[name][index] for name in TRUTH}
    for name in ("whole", "readings"):
        found[name] = touch[name][index].astype(np.float32)
    step_s = np.full(steps, every / RATE_HZ, np.float32)
    return found | {"touched": touched.astype(np.float32), "step_s": step_s}


def draw_frames(touches: list[Touch], frames: int, rng: np.random.Generator) -> FrameBatch:
    """A random part of each touch, of as many frames, at one rate."""
    every = int(rng.choice(EVERY))
    steps = max(1, min(frames, *(len(touch["contact"]) for touch in touches)) // every)
    rows = []
    for touch in touches:
        room = len(touch["contact"]) - every * (steps - 1)
        rows.append(cut_frames(touch, int(rng.integers(room)), every, steps))
    return join_frames(rows)


def join_frames(rows: list[Touch]) -> FrameBatch:
    """Join sequences of equal length."""
    return FrameBatch(**{n: torch.from_numpy(np.stack([r[n] for r in rows])) for n in rows[0]})


def decode_frames(network: StreamNetwork, batch: FrameBatch) -> dict[str, Tensor]:
    """Outputs of the heads, (B, T, ...), where network and batch are."""
    return network.decode(batch.whole, batch.readings, batch.touched, batch.step_s)


def whole_touches(
    network: StreamNetwork,
    episodes: list[StreamEpisode],
    stride: int = 5,
    exact: Sequence[str] = (),
) -> FrameBatch:
    """All frames of undisturbed episodes of equal length, at 60 frames/s."""
    touches = [see_touch(network, episode, stride, exact) for episode in episodes]
    return join_frames([cut_frames(t, 0, 1, len(t["contact"])) for t in touches])
