# SPDX-License-Identifier: Apache-2.0
"""From the tokens of the streaming model to raw estimates: observer, memory, heads.

Each sensor has one `ContactMemory`, here and nowhere else; it is the same live, offline and where
tokens come over a topic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.engines import Engine
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.layout import (
    CELLS,
    CHANNELS,
    COLUMNS,
    HIDDEN,
    NOMINAL_MM,
    PACE_S,
    ROWS,
)
from sparsh_ros.perception.streaming.contact_memory import ContactMemory, Remembered
from sparsh_ros.perception.streaming.friction_observer import (
    Prior,
    Sight,
    State,
    fresh_state,
    observe,
)
from sparsh_ros.sensors.profiles import SensorProfile


class Step(NamedTuple):
    """What one frame of one sensor gave.

    Attributes:
        outputs: raw outputs of the heads by name, without the batch axis, see
            `models.streaming.layout.OUTPUTS`.
        remembered: what to keep of it while contact lasts.
        interval_s: time of the pair.
        shows_turn: both prints show how the object is turned.
    """

    outputs: dict[str, NDArray[np.float32]]
    remembered: Remembered
    interval_s: float
    shows_turn: bool


class StreamRunner:
    """Runs observer and heads on the tokens of any number of sensors, in order of their stamps."""

    def __init__(self, spec: ModelSpec, engine: Engine) -> None:
        """Prepare for the heads that `engine` has."""
        self._engine = engine
        self._anisotropy = spec.turn_anisotropy
        self._prior = Prior(
            np.array(spec.friction_prior, np.float32), np.float32(spec.evidence_kept)
        )
        self._memories: dict[str, ContactMemory] = {}
        self._sizes: dict[str, NDArray[np.float32]] = {}

    def add_sensor(self, name: str, profile: SensorProfile) -> None:
        """Make a sensor known, without contact."""
        self._memories[name] = ContactMemory()
        self._sizes[name] = np.float32([profile.gel_width_mm, profile.gel_height_mm])

    def remember(self, name: str, step: Step | None) -> None:
        """Keep what a step of that sensor gave; None where contact ended or the stream broke."""
        if step is None:
            self._memories[name].forget()
        else:
            self._memories[name].keep(step.remembered, step.interval_s)

    def step(self, frames: list[tuple[str, int, float]], tokens: NDArray[np.float32]) -> list[Step]:
        """Advance the sensors by one frame each.

        Args:
            frames: sensor, stamp (ns) and interval of the pair (s) of each row of `tokens`.
            tokens: (B, TOKENS, CHANNELS) of the encoder.
        """
        tokens = np.asarray(tokens.cpu() if hasattr(tokens, "cpu") else tokens, np.float32)
        size = np.stack([self._sizes[sensor] for sensor, *_ in frames])
        before = [self._memories[s].recall(stamp, interval) for s, stamp, interval in frames]
        elapsed = np.float32(
            [
                interval if old is None else (stamp - old.stamp_ns) * 1e-9
                for (_, stamp, interval), old in zip(frames, before, strict=True)
            ]
        )
        share = elapsed / np.float32([interval for *_, interval in frames])
        sight, whole = unpack(tokens, size, elapsed, share)
        state, estimate = observe(np, self._prior, _join(before), sight)
        since, hidden = self._recall_heads(frames)
        outputs = self._engine.step(whole, np.hstack([estimate.readings, since]), hidden)
        shown = anisotropy(sight.pressure, size) > self._anisotropy
        steps = []
        for row, (frame, old) in enumerate(zip(frames, before, strict=True)):
            own = {name: values[row] for name, values in outputs.items()}
            part = State(*(values[row : row + 1] for values in state))
            remembered = Remembered(frame[1], part, own.pop("next_hidden"), bool(shown[row]))
            both = bool(shown[row]) and old is not None and old.shows_turn
            steps.append(Step(own, remembered, frame[2], both))
        return steps

    def _recall_heads(
        self, frames: list[tuple[str, int, float]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Time since the heads' memory (B, 1), in twelfths of a second, and that memory
        (B, HIDDEN); both 0 where contact is new."""
        since = np.zeros((len(frames), 1), np.float32)
        hidden = np.zeros((len(frames), HIDDEN), np.float32)
        for row, (sensor, stamp_ns, _) in enumerate(frames):
            if (last := self._memories[sensor].latest(stamp_ns)) is not None:
                since[row] = (stamp_ns - last.stamp_ns) * 1e-9 / PACE_S
                hidden[row] = last.hidden
        return since, hidden


def unpack(
    tokens: NDArray[np.float32],
    size: NDArray[np.float32],
    elapsed_s: NDArray[np.float32],
    share: NDArray[np.float32],
) -> tuple[Sight, NDArray[np.float32]]:
    """Read tokens as what observer and heads take.

    Args:
        tokens: (B, TOKENS, CHANNELS) of the encoder.
        size: (B, 2) extent of the gels, mm.
        elapsed_s: (B,) time since the state from which to step.
        share: (B,) that time over the pair's interval: the part of the motion to step by.

    Returns:
        What the observer sees, and the tokens of the whole image in a row (B, WHOLE * CHANNELS)
        with the motion in mm of these gels.
    """
    batch = len(tokens)
    maps = tokens[:, :CELLS].transpose(0, 2, 1).reshape(batch, CHANNELS, ROWS, COLUMNS)
    scale = size[:, 1] / np.float32(NOMINAL_MM[1])
    whole = tokens[:, CELLS:].reshape(batch, -1).copy()
    whole[:, :2] *= scale[:, None]
    sight = Sight(
        maps[:, 0],
        maps[:, 1],
        maps[:, 2:4] * scale[:, None, None, None],
        maps[:, 4],
        maps[:, 5],
        whole[:, :3] * share[:, None],
        size,
        elapsed_s,
    )
    return sight, whole


def anisotropy(pressure: NDArray[np.float32], size: NDArray[np.float32]) -> NDArray[np.float32]:
    """How elongated prints are, (l1 - l2) / (l1 + l2) of the eigenvalues of their second moments.

    Args:
        pressure: (B, R, C).
        size: (B, 2) extent of the gel, mm.

    Returns:
        (B,) from 0, a disc, to 1, a line.
    """
    x = size[:, :1] * ((np.arange(COLUMNS) + 0.5) / COLUMNS - 0.5).astype(np.float32)
    y = size[:, 1:] * (0.5 - (np.arange(ROWS) + 0.5) / ROWS).astype(np.float32)
    total = pressure.sum((1, 2)) + 1e-6
    along_x, along_y = pressure.sum(1), pressure.sum(2)
    dx = x - ((along_x * x).sum(1) / total)[:, None]
    dy = y - ((along_y * y).sum(1) / total)[:, None]
    xx, yy = (along_x * dx**2).sum(1), (along_y * dy**2).sum(1)
    xy = (pressure * dy[:, :, None] * dx[:, None, :]).sum((1, 2))
    return np.hypot(xx - yy, 2 * xy) / np.maximum(xx + yy, 1e-6)


def _join(before: list[Remembered | None]) -> State:
    """The states of a batch; fresh ones where contact is new."""
    parts = [fresh_state(np, 1) if old is None else old.state for old in before]
    return State(*(np.concatenate(values) for values in zip(*parts, strict=True)))
