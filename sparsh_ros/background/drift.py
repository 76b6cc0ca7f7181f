# SPDX-License-Identifier: Apache-2.0
"""Slow change of a whole image against its background: lamps age, gels wear."""

from __future__ import annotations

import numpy as np

_LASTING_S = 10.0
# A touch brightens some blocks and darkens others. The shift that three quarters of them share was
# at most 1.2 under the contacts of 21 recordings, 2.4 after one, 0.02 in simulation; light that is
# 10 % dimmer makes 9.
_QUARTILES = (25, 75)
_LEVELS = 3.0


class DriftWatch:
    """Compares an image with its background, whether or not something touches the gel.

    Attributes:
        levels: grey levels by which most of the image has become brighter (> 0) or darker (< 0)
            in the colour that changed most, once that has lasted for 10 s; else 0.
    """

    def __init__(self) -> None:
        """Start without drift."""
        self.levels = 0.0
        self._since_ns: int | None = None

    def update(self, stamp_ns: int, change: np.ndarray) -> None:
        """Take in the newest block means minus those of the background, (rows, columns, 3)."""
        shift = _shared_shift(change)
        if abs(shift) < _LEVELS:
            self._since_ns = None
        elif self._since_ns is None or stamp_ns < self._since_ns:
            self._since_ns = stamp_ns
        lasts = self._since_ns is not None and stamp_ns - self._since_ns >= _LASTING_S * 1e9
        self.levels = shift if lasts else 0.0


def _shared_shift(change: np.ndarray) -> float:
    """Of the colour that changed most: how far three quarters of the blocks moved one way."""
    low, high = np.percentile(change, _QUARTILES, axis=(0, 1))
    shifts = np.where(low > 0, low, np.minimum(high, 0))
    return float(shifts[np.abs(shifts).argmax()])
