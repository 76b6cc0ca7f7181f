# SPDX-License-Identifier: Apache-2.0
"""What an observer received from a running graph, and the numbers that follow from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


class Series:
    """What came on one topic: stamp, time of arrival and a fixed number of values.

    One thread appends, others may read at any time.
    """

    def __init__(self, *columns: str) -> None:
        """Name the values of a sample."""
        self.columns = columns
        self._rows: list[tuple[float, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, stamp_ns: int, received_ns: int, *values: float) -> None:
        """Add the sample of one message."""
        self._rows.append((stamp_ns, received_ns, *values))

    @property
    def stamp_ns(self) -> np.ndarray:
        """Stamps of the frames, int64 (n,)."""
        return np.array([row[0] for row in self._rows[:]], np.int64)

    @property
    def received_ns(self) -> np.ndarray:
        """Times of arrival, int64 (n,)."""
        return np.array([row[1] for row in self._rows[:]], np.int64)

    @property
    def values(self) -> np.ndarray:
        """All values, float64 (n, columns)."""
        rows = [row[2:] for row in self._rows[:]]
        return np.array(rows, np.float64).reshape(len(rows), len(self.columns))

    @property
    def last_stamp_ns(self) -> int:
        """Stamp of the newest sample, -1 before the first."""
        return self._rows[-1][0] if self._rows else -1

    @property
    def last_received_ns(self) -> int:
        """Time of arrival of the newest sample, -1 before the first."""
        return self._rows[-1][1] if self._rows else -1

    @property
    def last(self) -> tuple[float, ...]:
        """Values of the newest sample, NaN before the first."""
        return self._rows[-1][2:] if self._rows else (math.nan,) * len(self.columns)

    @property
    def rate_hz(self) -> float:
        """Mean number of messages per second, first to last; NaN for fewer than two."""
        if len(self._rows) < 2:
            return math.nan
        return (len(self._rows) - 1) / ((self._rows[-1][1] - self._rows[0][1]) * 1e-9)


_VECTOR = ("x", "y", "z")
_POSE = ("x", "y", "yaw")
_SLIP = ("valid", "in_contact", "slipping", "probability", "threshold")


@dataclass
class Record:
    """All that was received. Forces in N, lengths in m, angles in rad, gel frame.

    Attributes:
        slip: 0 or 1 for the first three columns, NaN for `in_contact` where that is unknown.
        pose: the estimate, motion since contact began; `truth_pose` means the same.
        counters: name of a node to its last diagnostics.
        overload: name of a node to what it said last of a machine that is too slow.
        overload_now: the same, empty where it has nothing to say of that any more.
        images: some of the sensor's images with their stamps, uint8 RGB.
    """

    force: Series = field(default_factory=lambda: Series(*_VECTOR))
    slip: Series = field(default_factory=lambda: Series(*_SLIP))
    pose: Series = field(default_factory=lambda: Series(*_POSE))
    truth_force: Series = field(default_factory=lambda: Series(*_VECTOR))
    truth_slip: Series = field(default_factory=lambda: Series(*_SLIP))
    truth_pose: Series = field(default_factory=lambda: Series(*_POSE))
    counters: dict[str, Mapping[str, str]] = field(default_factory=dict)
    overload: dict[str, str] = field(default_factory=dict)
    overload_now: dict[str, str] = field(default_factory=dict)
    images: list[tuple[int, np.ndarray]] = field(default_factory=list)

    @property
    def has_truth(self) -> bool:
        """Whether the sensor knows the truth, as the simulated one does."""
        return len(self.truth_force) > 0

    @property
    def latencies_ms(self) -> np.ndarray:
        """From the stamp of a frame to the arrival of its slip message, milliseconds (n,)."""
        return (self.slip.received_ns - self.slip.stamp_ns) * 1e-6

    def latency_ms(self, percent: float) -> float:
        """A percentile of `latencies_ms`, NaN where there is none."""
        latencies = self.latencies_ms
        return float(np.percentile(latencies, percent)) if len(latencies) else math.nan

    def count(self, node: str, counter: str) -> int:
        """A counter from the diagnostics of the node with this name, 0 where it said nothing."""
        for name, values in self.counters.items():
            if name.split(":")[0].rsplit("/", 1)[-1] == node:
                return int(values.get(counter, 0))
        return 0

    def frame_accounting(self) -> list[tuple[str, int]]:
        """How many frames reached each stage, and between the stages how many went where.

        Stages and losses alternate such that each stage is the stage before minus the losses
        between them.
        """
        published = self.count("sensor", "images published")
        received = self.count("perception", "images received")
        estimated = self.count("perception", "estimates published")
        return [
            ("frames grabbed by the sensor", self.count("sensor", "frames grabbed")),
            ("replaced by a newer one before publishing", self.count("sensor", "frames replaced")),
            ("images published", published),
            ("lost between sensor and encoder", published - received),
            ("images received by the encoder", received),
            ("refused: wrong size or encoding", self.count("perception", "images refused")),
            ("replaced by a newer one while encoding", self.count("perception", "frames replaced")),
            ("estimates published", estimated),
            ("slip messages lost", estimated - len(self.slip)),
            ("slip messages received", len(self.slip)),
        ]


def join(estimate: Series, truth: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate and truth of the same frames.

    Returns:
        Stamps in nanoseconds (n,), values of the estimate (n, columns), values of the truth.
    """
    stamps, mine, theirs = np.intersect1d(estimate.stamp_ns, truth.stamp_ns, return_indices=True)
    return stamps, estimate.values[mine], truth.values[theirs]
