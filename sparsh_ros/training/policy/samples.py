# SPDX-License-Identifier: Apache-2.0
"""From demonstrations to pairs of observation and chunk of actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.observation import CHUNK, Moment, Observer

LAGS = (0, 1)
"""Periods by which touch is late in the pairs: live, an image is some tens of milliseconds old when
it is acted upon, and a policy that never met that loses the bead."""
HORIZON = 16
"""Actions that a diffusion policy foretells: one before now, the chunk, and some beyond it."""


class Samples(NamedTuple):
    """Pairs.

    Attributes:
        observations: (N, size) float32.
        actions: (N, HORIZON, 7 or 6) float32; the chunk begins at 1.
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.float32]


def make_samples(
    demonstrations: Sequence[Demonstration],
    observation: str,
    actions: str,
    without: str = "",
    touch: str = "touch",
) -> Samples:
    """All pairs during whose chunk the hand held the bead.

    Args:
        demonstrations: to learn from.
        observation: "features" or "felt".
        actions: "joints" or "twist".
        without: a group of `observation.GROUPS` to leave out.
        touch: what was felt, "touch", or what was true, "true".

    Raises:
        DatasetError: There are none.
    """
    pairs = [
        pair
        for demonstration in demonstrations
        for lag in LAGS
        for pair in _pairs(demonstration, Observer(observation, without), actions, touch, lag)
    ]
    if not pairs:
        raise DatasetError(
            f"demonstrations: wanted some in which the bead is held, found none in "
            f"{len(demonstrations)}; record more with `sparsh-ros maze demonstrate`"
        )
    observations, chunks = zip(*pairs, strict=True)
    return Samples(np.stack(observations), np.stack(chunks).astype(np.float32))


def _pairs(
    demonstration: Demonstration, observer: Observer, actions: str, touch: str, lag: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    columns, count = demonstration.columns, len(demonstration)
    moves = (
        columns["wanted_joints"] - columns["commanded"] if actions == "joints" else columns["twist"]
    )
    grips, held = columns["grip_n"], held_rows(demonstration)
    for index in range(count):
        grip_n = grips[index - 1] if index else 0.0
        felt = demonstration.touches(max(index - lag, 0), touch)
        moment = Moment(felt, columns["joints"][index], grip_n)
        vector = observer.update(moment)
        if not held[index]:
            continue
        chunk = chunk_at(moves, index)
        if actions == "twist":
            frame = observer.frame
            chunk = np.concatenate([chunk[:, :3] @ frame, chunk[:, 3:] @ frame], 1)
        yield vector, chunk


def held_rows(demonstration: Demonstration) -> NDArray[np.bool_]:
    """(T,) during whose chunk the hand held the bead."""
    closed = demonstration.columns["grip_n"] > 0.0
    held = demonstration.columns["touch_in_contact"].all(1) & closed
    ahead = np.concatenate([closed, np.repeat(closed[-1:], CHUNK - 1)])
    return held & np.lib.stride_tricks.sliding_window_view(ahead, CHUNK).all(1)


def chunk_at(moves: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    """(HORIZON, A) of (T, A) moves, from the one before a row on; none after the last."""
    rows = np.arange(index - 1, index - 1 + HORIZON)
    inside = np.clip(rows, 0, len(moves) - 1)
    return moves[inside] * (rows < len(moves))[:, None]
