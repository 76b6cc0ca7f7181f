# SPDX-License-Identifier: Apache-2.0
"""What the classifiers of predicates see of a finger: tokens and estimates, now and lately.

Tokens (N, D) are summarised by their mean and by their first moments over the rows and columns of
the patches, 3 D numbers: enough to see where a print lies, and how shear turns around it. Estimates
are numbers of order one; what is not known is 0. Beside the present stand exponential means of the
last quarter and of the last second, and how much all of it varied in the last half second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.layout import CELLS, COLUMNS, ROWS
from sparsh_ros.perception.postprocess import Estimate

VERSION = 1
"""Of the features; classifiers of another version cannot be used."""
_SHORT_S, _LONG_S, _VARIED_S = 0.25, 1.0, 0.5
_LONGEST_GAP_S = 0.5
_ESTIMATES = 23


class FingerFeatures:
    """Features of one finger, frame after frame."""

    def __init__(self, spec: ModelSpec) -> None:
        """Begin without a memory, for the tokens of that model."""
        self._moments = _Moments(spec)
        self._stamp_ns: int | None = None
        self._means: dict[float, NDArray[np.float32]] = {}
        self._variance = np.zeros(0, np.float32)

    @property
    def size(self) -> int:
        """How many numbers `update` gives."""
        own = _ESTIMATES + self._moments.size
        return 2 * own + 2 * _ESTIMATES

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
        known = estimate_numbers(estimate)
        now = np.concatenate([known, self._moments(tokens)])
        elapsed_s = math.inf
        if self._stamp_ns is not None:
            elapsed_s = (estimate.stamp_ns - self._stamp_ns) * 1e-9
        if not 0.0 < elapsed_s <= _LONGEST_GAP_S:
            self._means = {_SHORT_S: known, _LONG_S: known, _VARIED_S: now}
            self._variance = np.zeros_like(now)
        else:
            self._remember(known, now, elapsed_s)
        self._stamp_ns = estimate.stamp_ns
        parts = (now, self._means[_SHORT_S], self._means[_LONG_S], np.sqrt(self._variance))
        return np.concatenate(parts).astype(np.float32)

    def _remember(
        self, known: NDArray[np.float32], now: NDArray[np.float32], elapsed_s: float
    ) -> None:
        for span_s, value in ((_SHORT_S, known), (_LONG_S, known)):
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


class _Moments:
    """Mean and first moments of the tokens of patches, and of a streaming model the others too."""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.streams:
            grid, self._first, self._last = (ROWS, COLUMNS), 0, CELLS
            self._others = (spec.tokens - CELLS) * spec.embed_dim
        else:
            config = spec.encoder_config
            grid = tuple(side // config.patch_size for side in config.image_size)
            cells = math.prod(grid)
            steps = spec.tokens // cells
            self._last = spec.tokens
            self._first = self._last - steps * cells
            self._others = 0
        rows, columns = grid
        x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(1, -1, rows))
        one = np.stack([np.ones(x.size), x.ravel(), y.ravel()]) / x.size
        repeats = (self._last - self._first) // x.size
        self._weights = np.tile(one, repeats).astype(np.float32) / repeats
        self.size = 3 * spec.embed_dim + self._others

    def __call__(self, tokens: Any) -> NDArray[np.float32]:
        on_host = tokens.cpu() if hasattr(tokens, "cpu") else tokens
        values = np.asarray(on_host, np.float32)
        summary = (self._weights @ values[self._first : self._last]).ravel()
        if not self._others:
            return summary
        return np.concatenate([summary, values[self._last :].ravel()])
