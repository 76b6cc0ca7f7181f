# SPDX-License-Identifier: Apache-2.0
"""When slip begins and ends, from a probability that goes up and down.

Hysteresis in level keeps an alarm from flickering. Hysteresis in time keeps it from coming too
early: the probability of slip rises some frames before the object slides, and a grip that tightens
on every such rise never holds still.
"""

from __future__ import annotations

_NS = 1e9
_ROUNDING_S = 2e-3  # stamps of cameras jitter


class SlipAlarm:
    """Whether one contact slips."""

    def __init__(self, confirm_s: float) -> None:
        """Start without slip.

        Args:
            confirm_s: how long the probability stays at the threshold before slip begins, seconds.
        """
        self._confirm_s = confirm_s
        self._above_ns: int | None = None
        self._slips = False

    def end(self) -> None:
        """Slip has to show itself again."""
        self._above_ns, self._slips = None, False

    def update(self, stamp_ns: int, probability: float, threshold: float, release: float) -> bool:
        """Take the probability at a moment; whether there is slip then.

        Args:
            stamp_ns: of the frame.
            probability: of slip; NaN ends it.
            threshold: probability from which on slip begins.
            release: probability below which it ends.
        """
        if not probability >= (release if self._slips else threshold):
            self.end()
            return False
        if self._above_ns is None or stamp_ns < self._above_ns:
            self._above_ns = stamp_ns
        waited_s = (stamp_ns - self._above_ns) / _NS
        self._slips = self._slips or waited_s >= self._confirm_s - _ROUNDING_S
        return self._slips
