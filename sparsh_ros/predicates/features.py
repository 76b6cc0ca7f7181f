# SPDX-License-Identifier: Apache-2.0
"""What the classifiers of predicates see of a finger: tokens and estimates, now and lately.

Of the tokens (N, D) of a transformer stand their mean and their first moments over the rows and
columns of the patches, 3 D numbers: enough to see where a print lies, and how shear turns around
it. A streaming model says of the whole image how it moved, and how well two frames could be laid
over each other, which tells what the touched surface is like. Estimates are numbers of order one;
what is not known is 0. How far the object has turned since contact began is added up here, as a
tight screw is turned first and then stands still. Beside the present stand exponential means of the
last quarter and of the last second, and how much all of it varied in the last half second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.layout import CELLS, MOTION, SOLVED
from sparsh_ros.perception.postprocess import Estimate

VERSION = 2
"""Of the features; classifiers of another version cannot be used."""
_SHORT_S, _LONG_S, _VARIED_S = 0.25, 1.0, 0.5
_LONGEST_GAP_S = 0.5
_ESTIMATES = 23
_TURNS = 6
_FORGET_TURN_S = 2.0
_TURN = 0.2  # rad, that count as 1


class FingerFeatures:
    """Features of one finger, frame after frame."""

    def __init__(self, spec: ModelSpec) -> None:
        """Begin without a memory, for the tokens of that model."""
        self._summary = _WholeImage() if spec.streams else _Moments(spec)
        self._stamp_ns: int | None = None
        self._turned = np.zeros(2)
        self._means: dict[float, NDArray[np.float32]] = {}
        self._variance = np.zeros(0, np.float32)

    @property
    def size(self) -> int:
        """How many numbers `update` gives."""
        lasting = _ESTIMATES + _TURNS + self._summary.steady
        return 2 * (lasting + self._summary.passing) + 2 * lasting

    def update(self, estimate: Estimate, tokens: Any) -> NDArray[np.float32] | None:
        """Take the next frame in.

        Args:
            estimate: Of that frame.
            tokens: (N, D) of that frame, an array or a tensor on any device; None without any.

        Returns:
            (size,) float32; None where nothing is known, after which memory begins anew.
        """
        if not estimate.valid or tokens is None:
            self._stamp_ns = None
            return None
        elapsed_s = math.inf
        if self._stamp_ns is not None:
            elapsed_s = (estimate.stamp_ns - self._stamp_ns) * 1e-9
        begins = not 0.0 < elapsed_s <= _LONGEST_GAP_S
        on_host = tokens.cpu() if hasattr(tokens, "cpu") else tokens
        steady, passing, turn = self._summary(np.asarray(on_host, np.float32), estimate)
        turns = self._turn(estimate, turn, 0.0 if begins else elapsed_s)
        lasting = np.concatenate([estimate_numbers(estimate), turns, steady])
        now = np.concatenate([lasting, passing])
        if begins:
            self._means = {_SHORT_S: lasting, _LONG_S: lasting, _VARIED_S: now}
            self._variance = np.zeros_like(now)
        else:
            self._remember(lasting, now, elapsed_s)
        self._stamp_ns = estimate.stamp_ns
        parts = (now, self._means[_SHORT_S], self._means[_LONG_S], np.sqrt(self._variance))
        return np.concatenate(parts).astype(np.float32)

    def _turn(self, estimate: Estimate, turn: float, elapsed_s: float) -> NDArray[np.float64]:
        """(6,) turn of the last interval, sum since contact began, sum that is forgotten, and their
        sizes; ``turn`` in rad."""
        if estimate.in_contact and elapsed_s and estimate.interval_s > 0.0:
            kept = np.array([1.0, math.exp(-elapsed_s / _FORGET_TURN_S)])
            self._turned = kept * self._turned + turn * elapsed_s / estimate.interval_s
        else:
            self._turned = np.zeros(2)
        numbers = np.array([turn, *self._turned]) / _TURN
        return np.stack([numbers, np.abs(numbers)], axis=1).ravel()

    def _remember(
        self, lasting: NDArray[np.float32], now: NDArray[np.float32], elapsed_s: float
    ) -> None:
        for span_s, value in ((_SHORT_S, lasting), (_LONG_S, lasting)):
            share = 1.0 - math.exp(-elapsed_s / span_s)
            self._means[span_s] = self._means[span_s] + share * (value - self._means[span_s])
        share = 1.0 - math.exp(-elapsed_s / _VARIED_S)
        apart = now - self._means[_VARIED_S]
        self._means[_VARIED_S] = self._means[_VARIED_S] + share * apart
        self._variance = (1.0 - share) * (self._variance + share * apart**2)


def estimate_numbers(estimate: Estimate) -> NDArray[np.float32]:
    """(23,) numbers of order one: N, mm, cm/s, rad, probabilities; what is unknown is 0."""
    force, delta = np.asarray(estimate.force_n), np.asarray(estimate.delta_force_n)
    change = np.asarray(estimate.pose_change) * (1e3, 1e3, 1.0)
    pose = np.asarray(estimate.pose) * (1e3, 1e3, 1.0)
    numbers = [
        *force,
        math.hypot(force[0], force[1]),
        float(bool(estimate.in_contact)),
        estimate.slip_probability,
        1e2 * estimate.slide_speed_m_s,
        estimate.slip_share,
        estimate.friction_margin,
        *delta,
        math.hypot(delta[0], delta[1]),
        *change,
        math.hypot(change[0], change[1]),
        abs(change[2]),
        *pose,
        math.hypot(pose[0], pose[1]),
        abs(pose[2]),
    ]
    return np.nan_to_num(np.array(numbers, np.float32), nan=0.0, posinf=0.0, neginf=0.0)


_Summary = tuple[NDArray[np.float32], NDArray[np.float32], float]
"""What is worth a memory, what is not, and by how much the object turned in the interval, rad."""


class _WholeImage:
    """A streaming model's motion and registrations of the whole image."""

    steady, passing = 2 * SOLVED, MOTION

    def __call__(self, tokens: NDArray[np.float32], estimate: Estimate) -> _Summary:
        whole = tokens[CELLS:].ravel()
        return whole[MOTION : MOTION + self.steady], whole[:MOTION], float(whole[2])


class _Moments:
    """Mean and first moments of the tokens of patches."""

    steady = 0

    def __init__(self, spec: ModelSpec) -> None:
        config = spec.encoder_config
        rows, columns = (side // config.patch_size for side in config.image_size)
        cells = rows * columns
        steps = spec.tokens // cells
        self._first = spec.tokens - steps * cells
        x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(1, -1, rows))
        one = np.stack([np.ones(cells), x.ravel(), y.ravel()]) / cells
        self._weights = np.tile(one, steps).astype(np.float32) / steps
        self.passing = 3 * spec.embed_dim

    def __call__(self, tokens: NDArray[np.float32], estimate: Estimate) -> _Summary:
        moments = (self._weights @ tokens[self._first :]).ravel()
        turn = float(estimate.pose_change[2])
        return moments[:0], moments, turn if math.isfinite(turn) else 0.0
