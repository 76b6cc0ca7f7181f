# SPDX-License-Identifier: Apache-2.0
"""Whether a live graph says the same about a recording as an evaluation does.

Every frame is encoded on its own, with its partners, so force and slip of a frame must be equal
whatever became of other frames, as long as the partners are the same. Contact has a memory, and
the motion since it began adds up: these are compared from the start, or from a moment at which both
say that nothing touches, up to the next frame that the live graph passed over. A streaming model
remembers the contact in every estimate: of it, all quantities are compared so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from sparsh_ros.evaluation.result import UNKNOWN, Estimates
from sparsh_ros.nodes.replay.live_estimates import LiveEstimates

FORCE_N, MOTION_M_RAD = 1e-4, 1e-6
_MOST_LEFT_OUT = 0.5


@dataclass(frozen=True)
class _Quantity:
    """How far apart two values of a quantity may be; `unit` has `per_si` of them per SI unit."""

    tolerance: float
    remembers: bool = False
    unit: str = ""
    per_si: float = 1.0


QUANTITIES = {
    "force": _Quantity(FORCE_N, unit="mN", per_si=1e3),
    "slip probability": _Quantity(1e-4),
    "change of force": _Quantity(FORCE_N, unit="mN", per_si=1e3),
    "in contact": _Quantity(0.0, remembers=True),
    "slipping": _Quantity(0.0, remembers=True),
    "motion": _Quantity(MOTION_M_RAD, remembers=True, unit="um, urad", per_si=1e6),
    "pose": _Quantity(10 * MOTION_M_RAD, remembers=True, unit="um, urad", per_si=1e6),
}
"""Quantity -> how it is compared. Both sides run the same network on the same images, but one of
them in batches of all sensors."""


@dataclass(frozen=True)
class Compared:
    """One quantity.

    Attributes:
        frames: of which both sides say something.
        different: of which they say something else, or only one says anything.
        largest: difference between two numbers, SI.
    """

    frames: int
    different: int
    largest: float


@dataclass(frozen=True)
class ReplayDifference:
    """One sensor, live against offline.

    Attributes:
        sensor: its name.
        frames: in the recording, each with a stamp of its own.
        repeated: frames left out because others have the same stamp.
        passed_over: frames without a live estimate: a newer one came first, or it was lost.
        other_pair: frames left out because their partner was lost on the way to the live graph.
        after_gap: frames whose contact and motion are left out, because frames were passed over
            since the contact began.
        quantities: quantity -> what was found.
        counters: what the live perception counted.
    """

    sensor: str
    frames: int
    repeated: int
    passed_over: int
    other_pair: int
    after_gap: int
    quantities: Mapping[str, Compared]
    counters: Mapping[str, str]

    @property
    def equal(self) -> bool:
        """Whether most frames were compared, and all that were are equal."""
        found = self.quantities.values()
        says_something = any(one.frames for one in found)
        return self.is_covered and says_something and not any(one.different for one in found)

    @property
    def is_covered(self) -> bool:
        """Whether at most half of the frames are left out, so that a comparison means something."""
        left_out = self.repeated + self.passed_over + self.other_pair
        return left_out <= _MOST_LEFT_OUT * self.frames

    def document(self) -> dict[str, Any]:
        """For a JSON file; differences and tolerances in SI units."""
        quantities = {
            name: {
                "frames": one.frames,
                "different": one.different,
                "largest": one.largest,
                "tolerance": QUANTITIES[name].tolerance,
            }
            for name, one in self.quantities.items()
        }
        own = {name: value for name, value in vars(self).items() if name != "quantities"}
        return own | {"counters": dict(self.counters), "quantities": quantities}


def unique_rows(stamps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose stamp no other row has, in their order."""
    _, rows, counts = np.unique(stamps_ns, return_index=True, return_counts=True)
    return np.sort(rows[counts == 1])


def compare(
    sensor: str,
    offline: Estimates,
    live: LiveEstimates,
    reach_ns: int,
    frames_per_clip: int,
    streams: bool = False,
) -> ReplayDifference:
    """Compare the live estimates of one sensor with those of an evaluation.

    Args:
        sensor: its name.
        offline: estimates of all n frames.
        live: estimates of the frames whose stamps are unique, see `unique_rows`.
        reach_ns: how much older than a frame its partners may be.
        frames_per_clip: how many frames the model sees at once.
        streams: whether the model is a streaming one.
    """
    rows = unique_rows(offline.stamp_ns)
    values = {name: of_all[rows] for name, of_all in _offline_values(offline).items()}
    stamp_ns, interval_ns = offline.stamp_ns[rows], offline.interval_ns[rows]
    known_pair = live.interval_ns >= 0
    other_pair = live.present & known_pair & (live.interval_ns != interval_ns)
    if frames_per_clip > 2:  # the interval does not tell of those in the middle
        other_pair |= live.present
    other_pair &= _after_lost(stamp_ns, live.present, reach_ns)
    usable = live.present & ~other_pair
    synchronous = _synchronous(usable, values, live)
    masks = {False: usable & (synchronous | (not streams)), True: usable & synchronous}
    return ReplayDifference(
        sensor=sensor,
        frames=len(offline),
        repeated=len(offline) - len(rows),
        passed_over=int((~live.present).sum()),
        other_pair=int(other_pair.sum()),
        after_gap=int((usable & ~synchronous).sum()),
        quantities={
            name: _compared(
                values[name],
                live.values[name],
                quantity.tolerance,
                masks[quantity.remembers] & live.reported[name],
            )
            for name, quantity in QUANTITIES.items()
            if name in live.values
        },
        counters=live.counters,
    )


def difference_table(differences: list[ReplayDifference]) -> Table:
    """What was compared, for a terminal."""
    table = Table("sensor", "", "frames compared", "different", "largest difference", "unit")
    for one in differences:
        table.add_section()
        for name, found in one.quantities.items():
            quantity = QUANTITIES[name]
            largest = f"{found.largest * quantity.per_si:.3g}" if quantity.tolerance else ""
            table.add_row(
                one.sensor,
                name,
                f"{found.frames:,}",
                f"{found.different:,}",
                largest,
                quantity.unit,
            )
    return table


def remarks(one: ReplayDifference) -> list[str]:
    """What the table leaves out, in sentences."""
    played = f"{_frames(one.frames)} played, {one.passed_over:,} without an estimate"
    lines = [f"{one.sensor}: {played}"]
    if one.counters:
        received, replaced = one.counters["images received"], one.counters["frames replaced"]
        lines[0] += f" (perception received {received}, a newer one replaced {replaced})"
    if one.other_pair:
        lines.append(
            f"{one.sensor}: {_frames(one.other_pair)} left out: the partner was lost on the way"
        )
    if one.after_gap:
        lines.append(
            f"{one.sensor}: contact and motion of {_frames(one.after_gap)} left out: earlier "
            "ones of the same contact have no live estimate"
        )
    if one.repeated:
        lines.append(f"{one.sensor}: {_frames(one.repeated)} left out: stamps are not unique")
    return lines


def _frames(count: int) -> str:
    return f"{count:,} frame{'s'[: count != 1]}"


def _offline_values(offline: Estimates) -> dict[str, NDArray[np.float64]]:
    has_slip = offline.slipping != UNKNOWN
    pose = offline.pose.astype(np.float64)
    half_turn = pose[:, 2] / 2  # messages hold a rotation, not how often it went round
    pose[:, 2] = 2 * np.arctan2(np.sin(half_turn), np.cos(half_turn))
    knows_contact = has_slip & (offline.in_contact != UNKNOWN)
    return {
        "force": offline.force_n.astype(np.float64),
        "slip probability": offline.slip_probability.astype(np.float64)[:, None],
        "change of force": offline.delta_force_n.astype(np.float64),
        "in contact": np.where(knows_contact, offline.in_contact, np.nan)[:, None],
        "slipping": np.where(has_slip, offline.slipping, np.nan)[:, None],
        "motion": offline.pose_change.astype(np.float64),
        "pose": pose,
    }


def _after_lost(
    stamp_ns: NDArray[np.int64], present: NDArray[np.bool_], reach_ns: int
) -> NDArray[np.bool_]:
    """Whether a frame within reach before each frame has no live estimate: it may be lost."""
    missing = np.concatenate([[0], np.cumsum(~present)])
    order = np.arange(len(stamp_ns))
    # Stamps that step back begin anew; there the search finds a start that is too late, at worst.
    first = np.minimum(np.searchsorted(np.maximum.accumulate(stamp_ns), stamp_ns - reach_ns), order)
    return missing[order] > missing[first]


def _synchronous(
    usable: NDArray[np.bool_], offline: Mapping[str, NDArray[np.float64]], live: LiveEstimates
) -> NDArray[np.bool_]:
    """Whether what both remember of the contact up to each frame is the same."""
    nothing = np.full((len(usable), 1), np.nan)
    free = (offline["in contact"] == 0) & (live.values.get("in contact", nothing) == 0)
    result = np.empty(len(usable), bool)
    state = True
    for row, (is_usable, is_free) in enumerate(zip(usable, free[:, 0], strict=True)):
        state = bool(is_usable and (state or is_free))
        result[row] = state
    return result


def _compared(
    offline: NDArray[np.float64],
    live: NDArray[np.float64],
    tolerance: float,
    rows: NDArray[np.bool_],
) -> Compared:
    one, other = offline[rows], live[rows]
    apart = np.abs(one - other)
    only_one = np.isnan(one) != np.isnan(other)
    different = (only_one | (apart > tolerance)).any(axis=1)
    both = (np.isfinite(one) & np.isfinite(other)).any(axis=1)
    largest = float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0
    return Compared(int(both.sum()), int(different.sum()), largest)
