# SPDX-License-Identifier: Apache-2.0
"""Sequences of frame pairs, some from every part of an episode, with labels and disturbed light.

A sequence steps by 4, 5 or 6 frames (67 to 100 ms), since live partners are not always 83 ms old.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.training.stream.episodes import LABEL, StreamEpisode

STRIDES = (5, 5, 5, 4, 6)
RATE_HZ = 60.0
ANISOTROPY = 0.3
"""Above this a print shows how it is turned."""
_CPU = torch.device("cpu")
Moved = TypeVar("Moved")


@dataclass(frozen=True)
class Batch:
    """B sequences of T steps.

    Attributes:
        frames: (B, T + 1, 3, 80, 60) grey levels, or finer; the first is only a partner.
        background: (B, 3, 80, 60).
        maps: (B, T, 4, 20, 15), see `episodes.MAPS`.
        force, delta_force: (B, T, 3) N.
        contact, held, slipping, gross_slip: (B, T) bool; `held`: in contact since the partner.
        touched: (B, T) bool, in contact from the partner to the frame before; never at first.
        slide: (B, T) mm/s, mean over 3 frames.
        share, margin: (B, T).
        pose: (B, T, 3) motion of the object's origin since the partner, mm, mm, rad.
        motion: (B, T, 3) the same of the contact's centre.
        turns: (B, T) bool, both prints show how the object is turned.
        size: (B, 2) extent of the gel, mm.
        interval_s: (B,) time of a step.
        limit: (B,) mu / k_t, mm^3/N.
    """

    frames: Tensor
    background: Tensor
    maps: Tensor
    force: Tensor
    delta_force: Tensor
    contact: Tensor
    held: Tensor
    touched: Tensor
    slipping: Tensor
    gross_slip: Tensor
    slide: Tensor
    share: Tensor
    margin: Tensor
    pose: Tensor
    motion: Tensor
    turns: Tensor
    size: Tensor
    interval_s: Tensor
    limit: Tensor


def cut_sequence(episode: StreamEpisode, start: int, stride: int, steps: int) -> dict:
    """Cut steps out of an episode: arrays as `Batch` has them, without the batch axis.

    Args:
        episode: where from.
        start: frame that is the partner of the first step.
        stride: frames per step.
        steps: how many.
    """
    index = start + stride * np.arange(steps + 1)
    labels, maps = episode.labels[index], episode.maps[index].astype(np.float32)
    column = {name: labels[:, place] for name, place in LABEL.items()}
    force = labels[:, :3]
    contact = column["in_contact"] > 0
    lost = np.cumsum(episode.labels[:, LABEL["in_contact"]] == 0)
    held = contact[1:] & contact[:-1] & (lost[index[1:]] == lost[index[:-1]])
    touched = contact[:-1] & (lost[index[1:] - 1] == lost[index[:-1]])
    touched[0] = False
    size = np.float32(episode.meta["size_mm"])
    pose, motion = _motions(labels, maps, size, held)
    shown = np.nan_to_num(column["anisotropy"]) > ANISOTROPY
    return {
        "frames": episode.frames[index],
        "background": episode.background,
        "maps": maps[1:],
        "force": force[1:],
        "delta_force": force[1:] - force[:-1],
        "contact": contact[1:],
        "held": held,
        "touched": touched,
        "slipping": column["slipping"][1:] > 0,
        "gross_slip": column["gross_slip"][1:] > 0,
        "slide": column["slide_speed_mm_s"][1:],
        "share": column["slip_share"][1:],
        "margin": np.nan_to_num(column["friction_margin"][1:], nan=1.0),
        "pose": pose,
        "motion": motion,
        "turns": held & shown[1:] & shown[:-1],
        "size": size,
        "interval_s": np.float32(stride / RATE_HZ),
        "limit": np.float32(episode.meta["limit_mm3_per_n"]),
    }


def _motions(
    labels: NDArray, maps: NDArray, size: NDArray, held: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Motion of the object's origin and of the contact's centre, (T, 3) mm, mm, rad; 0 unless held.

    A turn about the origin moves the centre of the contact.
    """
    place = labels[:, LABEL["pose_x_mm"] : LABEL["pose_turn"] + 1].astype(np.float64)
    pose = np.diff(place, axis=0)
    pose[:, 2] = (pose[:, 2] + np.pi) % (2 * np.pi) - np.pi
    pressure = maps[1:, 0].astype(np.float64)
    rows, columns = pressure.shape[1:]
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * size[0]
    y = (0.5 - (np.arange(rows) + 0.5) / rows) * size[1]
    total = np.maximum(pressure.sum((1, 2)), 1e-9)
    middle = 0.5 * (place[1:] + place[:-1])
    arm_x = (pressure.sum(1) * x).sum(1) / total - middle[:, 0]
    arm_y = (pressure.sum(2) * y).sum(1) / total - middle[:, 1]
    motion = pose + np.stack([-pose[:, 2] * arm_y, pose[:, 2] * arm_x, 0 * arm_x], 1)
    keep = held[:, None]
    return tuple(np.where(keep, value, 0.0).astype(np.float32) for value in (pose, motion))


def draw_batch(
    episodes: list[StreamEpisode],
    steps: int,
    rng: np.random.Generator,
    device: torch.device = _CPU,
) -> Batch:
    """One random sequence of each episode, in disturbed light."""
    rows = []
    for episode in episodes:
        stride = int(rng.choice(STRIDES))
        while stride > 1 and stride * steps >= len(episode.frames):
            stride -= 1
        room = len(episode.frames) - stride * steps
        start = int(rng.integers(room)) if rng.random() < 0.7 else int(rng.integers(min(room, 5)))
        rows.append(cut_sequence(episode, start, stride, steps))
    return disturb(move(collate(rows), device), rng)


def cut_chains(episode: StreamEpisode, stride: int) -> Batch:
    """Every frame of an episode from the first that has a partner on: sequences that step by
    `stride` frames, as many, each a frame later than the one before."""
    steps = (len(episode.frames) - stride) // stride
    return collate([cut_sequence(episode, first, stride, steps) for first in range(stride)])


def collate(rows: list[dict]) -> Batch:
    """Join sequences of equal length."""
    joined = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    for name in ("frames", "background"):
        joined[name] = joined[name].movedim(-1, -3).float()
    return Batch(**joined)


def move(batch: Moved, device: torch.device) -> Moved:
    """A batch, a dataclass of tensors, on a device."""
    return type(batch)(**{name: value.to(device) for name, value in vars(batch).items()})


def disturb_episode(episode: StreamEpisode, rng: np.random.Generator) -> StreamEpisode:
    """One disturbance of the light, see `disturb`, for all frames of an episode."""
    batch = disturb(collate([cut_sequence(episode, 0, 1, len(episode.frames) - 1)]), rng)
    images = (batch.frames[0], batch.background[0])
    frames, background = (i.movedim(-3, -1).to(torch.uint8).numpy() for i in images)
    return replace(episode, frames=frames, background=background)


def disturb(batch: Batch, rng: np.random.Generator) -> Batch:
    """Change the light of the frames, as real gels do and simulated ones do not.

    Of each sequence: brightness of the untouched gel and light that slopes do not change (so that
    what a slope does is not tied to how bright the gel is), gain of a colour, a colour of the whole
    image that comes with the load, a gradient of brightness across the image, noise of the frame.
    """
    count, length = batch.frames.shape[:2]
    device = batch.frames.device

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(device)

    difference = batch.frames - batch.background[:, None]
    light = torch.exp(0.12 * normal(count, 1, 1, 1) + 0.06 * normal(count, 3, 1, 1))
    background = batch.background * light + 8.0 * normal(count, 3, 1, 1).abs()
    background = background.clamp(0, 255).round()
    gain = torch.exp(0.15 * normal(count, 1, 1, 1, 1) + 0.1 * normal(count, 1, 3, 1, 1))
    load = torch.cat([batch.force[:, :1, 2], batch.force[:, :, 2]], 1)
    pressed = (load / (load + 3.0)).reshape(count, length, 1, 1, 1)
    offset = 2.0 * normal(count, 1, 3, 1, 1) * pressed + 0.7 * normal(count, 1, 3, 1, 1)
    rows, columns = batch.frames.shape[3:]
    across = torch.linspace(-1, 1, columns, device=device)
    down = torch.linspace(-1, 1, rows, device=device)[:, None]
    slope = 1.5 * normal(count, 1, 3, 1, 1) * across + 1.5 * normal(count, 1, 3, 1, 1) * down
    noise = 0.4 * normal(count).abs()
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**31)))
    grain = torch.randn(difference.shape, generator=generator, device=device)
    grain = noise.reshape(-1, 1, 1, 1, 1) * grain
    seen = background[:, None] + gain * difference + offset + slope * pressed + grain
    frames = seen.clamp(0, 255).round()
    return Batch(**{**vars(batch), "frames": frames, "background": background})
