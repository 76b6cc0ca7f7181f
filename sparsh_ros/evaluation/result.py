# SPDX-License-Identifier: Apache-2.0
"""What an evaluation finds out: estimates and labels of each frame, frames to look at, scores.

Vectors are in the gel frame. What is not known is NaN, in whole numbers `UNKNOWN`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.profiles import SensorProfile

UNKNOWN = -1

_GROSS_SHARE, _GROSS_M_S = 0.9, 0.5e-3

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Estimates:
    """What perception said about n frames of one sensor, in the order of the recording.

    Attributes:
        stamp_ns: (n,) int64, stamp of the frame; steps back where the recorder's clock did.
        reason: (n,) int16, index in `reasons` of why nothing is known; `UNKNOWN` while valid.
        reasons: sentences.
        interval_ns: (n,) int64, from the older frame of the pair to the newer; 0 without a pair.
        force_n: (n, 3) float32, N.
        in_contact: (n,) int8: 1, 0 or `UNKNOWN`.
        slip_probability: (n,) float32, 0 to 1.
        slipping: (n,) int8: 1, 0 or `UNKNOWN`, with the threshold and the contact as live.
        slide_speed_m_s: (n,) float32, how fast the contact slides over the gel.
        slip_share: (n,) float32, share of the contact that slides, 0 to 1.
        friction_margin: (n,) float32, 1 without shear, 0 where all of the contact slides.
        delta_force_n: (n, 3) float32, N, change over the interval.
        pose_change: (n, 3) float32, m, m, rad over the interval.
        pose_bins: (n, 3) int8, most probable bin of x, y, rotation, or `UNKNOWN`.
        pose: (n, 3) float32, m, m, rad since the estimated contact began.
    """

    stamp_ns: NDArray[np.int64]
    reason: NDArray[np.int16]
    reasons: tuple[str, ...]
    interval_ns: NDArray[np.int64]
    force_n: Floats
    in_contact: NDArray[np.int8]
    slip_probability: Floats
    slipping: NDArray[np.int8]
    slide_speed_m_s: Floats
    slip_share: Floats
    friction_margin: Floats
    delta_force_n: Floats
    pose_change: Floats
    pose_bins: NDArray[np.int8]
    pose: Floats

    def __len__(self) -> int:
        return len(self.stamp_ns)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(n,) whether anything is known."""
        return self.reason == UNKNOWN

    @property
    def slip_score(self) -> NDArray[np.float64]:
        """(n,) probability of slip as it is compared with a threshold live: 0 without contact."""
        probability = self.slip_probability.astype(np.float64)
        return np.where((self.in_contact == 0) & np.isfinite(probability), 0.0, probability)


class EstimateLog:
    """The estimates of one sensor, some 120 bytes per frame."""

    def __init__(self, step_back_ns: int) -> None:
        """Start empty; a larger step back of the stamps begins a new segment."""
        self._step_back_ns = step_back_ns
        self._integers = {name: array("q") for name in ("stamp_ns", "interval_ns")}
        self._segment, self._reason = array("i"), array("h")
        self._flags, self._bins = array("b"), array("b")  # 2 and 3 per frame
        self._numbers = array("f")  # 16 per frame
        self._reasons: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._segment)

    @property
    def segment(self) -> NDArray[np.int32]:
        """(n,) how often the stamps had stepped back before each frame."""
        return np.array(self._segment, np.int32)

    @property
    def newest_segment(self) -> int:
        """How often the stamps have stepped back."""
        return self._segment[-1] if self._segment else 0

    def add(self, estimate: Estimate) -> None:
        """Add what perception said about the next frame."""
        stamps = self._integers["stamp_ns"]
        is_back = bool(stamps) and self._is_back(stamps[-1], estimate)
        self._segment.append(self.newest_segment + is_back)
        stamps.append(estimate.stamp_ns)
        interval_ns = round(estimate.interval_s * 1e9) if estimate.valid else 0
        self._integers["interval_ns"].append(interval_ns)
        self._reason.append(self._reason_of(estimate))
        has_slip = np.isfinite(estimate.slip_probability)
        contact = UNKNOWN if estimate.in_contact is None else int(estimate.in_contact)
        self._flags.extend((contact, int(estimate.slipping) if has_slip else UNKNOWN))
        self._bins.extend(int(index) for index in estimate.pose_bins)
        for values in (
            estimate.force_n,
            estimate.delta_force_n,
            estimate.pose_change,
            estimate.pose,
        ):
            self._numbers.extend(values)
        self._numbers.append(estimate.slip_probability)
        sliding = (estimate.slide_speed_m_s, estimate.slip_share, estimate.friction_margin)
        self._numbers.extend(sliding)

    def arrays(self) -> Estimates:
        """All of them as arrays."""
        numbers = np.array(self._numbers, np.float32).reshape(-1, 16)
        force, delta, change, pose = np.split(numbers[:, :12], 4, axis=1)
        flags = np.array(self._flags, np.int8).reshape(-1, 2)
        return Estimates(
            stamp_ns=np.array(self._integers["stamp_ns"], np.int64),
            reason=np.array(self._reason, np.int16),
            reasons=tuple(self._reasons),
            interval_ns=np.array(self._integers["interval_ns"], np.int64),
            force_n=force,
            in_contact=flags[:, 0],
            slip_probability=numbers[:, 12],
            slipping=flags[:, 1],
            slide_speed_m_s=numbers[:, 13],
            slip_share=numbers[:, 14],
            friction_margin=numbers[:, 15],
            delta_force_n=delta,
            pose_change=change,
            pose_bins=np.array(self._bins, np.int8).reshape(-1, 3),
            pose=pose,
        )

    def _is_back(self, last_ns: int, estimate: Estimate) -> bool:
        return last_ns - estimate.stamp_ns > self._step_back_ns

    def _reason_of(self, estimate: Estimate) -> int:
        """Reasons that differ only in their details after the colon count as one."""
        if estimate.valid:
            return UNKNOWN
        return self._reasons.setdefault(estimate.reason.partition(":")[0], len(self._reasons))


@dataclass(frozen=True, eq=False)
class Labels:
    """What is true at the frames of `Estimates`, aligned by stamp; see `alignment`.

    Attributes:
        force_n: (n, 3) float32, N.
        delta_force_n: (n, 3) float32, N, its change over the interval of the estimate.
        in_contact, slipping: (n,) int8: 1, 0 or `UNKNOWN`.
        slide_speed_m_s, slip_share, friction_margin: (n,) float32, as in `Estimates`.
        pose_change: (n, 3) float32, m, m, rad over the interval of the estimate; NaN unless the
            contact lasted throughout.
        pose_bins: (n, 3) int8, bin of that motion, or `UNKNOWN`.
        pose: (n, 3) float32, m, m, rad, NaN without contact.
        object_speed_m_s: (n,) float32, how fast the object moves over the gel: mean over the
            interval of the estimate, or since contact began if that is later; 0 without contact.
    """

    force_n: Floats
    delta_force_n: Floats
    in_contact: NDArray[np.int8]
    slipping: NDArray[np.int8]
    slide_speed_m_s: Floats
    slip_share: Floats
    friction_margin: Floats
    pose_change: Floats
    pose_bins: NDArray[np.int8]
    pose: Floats
    object_speed_m_s: Floats

    @property
    def gross_slip(self) -> NDArray[np.int8]:
        """(n,) 1 where all of the contact slides: 90 % of it, at 0.5 mm/s or more; 0 or `UNKNOWN`
        else."""
        known = np.isfinite(self.slip_share) & np.isfinite(self.slide_speed_m_s)
        gross = (self.slip_share >= _GROSS_SHARE) & (self.slide_speed_m_s >= _GROSS_M_S)
        return np.where(known, gross, UNKNOWN).astype(np.int8)


@dataclass(frozen=True, eq=False)
class ShownFrame:
    """A frame worth looking at.

    Attributes:
        task: "force", "slip" or "pose": the estimate that is among the worst there; "" for one of
            those that lie evenly over the recording.
        row: its row in the estimates and labels.
        stamp_ns: its stamp.
        error: how wrong it is, in `unit`; NaN where task is "".
        unit: "mN", "probability" (distance from the right answer) or "mm".
        jpeg: the canonical image, upright, as a JPEG file.
    """

    task: str
    row: int
    stamp_ns: int
    error: float
    unit: str
    jpeg: bytes


@dataclass(frozen=True, eq=False)
class SensorResult:
    """One sensor of one recording.

    Attributes:
        recording: name of the recording.
        sensor: name of the sensor.
        image_topic: topic of its images.
        profile: of its type; None where that is unknown.
        sensor_type_source: how the type is known, in words.
        background: where the background comes from, in words.
        estimates: what perception said.
        labels: what is true.
        label_topics: "force", "slip", "pose" -> the topic the labels come from; "" without one.
        unaligned: "force", "slip", "pose" -> reason -> number of frames without a label.
        frames: "received", "encoded", "unpaired", "duplicates", "late", "clock_steps" as
            `SensorCounters`, and "missing": frames that the stamps show to be lacking.
        period_ns: median time between frames.
        notes: what else to know, in sentences.
        shown_frames: images for the report, worst first within each task.
    """

    recording: str
    sensor: str
    image_topic: str
    profile: SensorProfile | None
    sensor_type_source: str
    background: str
    estimates: Estimates
    labels: Labels
    label_topics: Mapping[str, str]
    unaligned: Mapping[str, Mapping[str, int]]
    frames: Mapping[str, int]
    period_ns: float
    notes: tuple[str, ...] = ()
    shown_frames: tuple[ShownFrame, ...] = ()

    @property
    def sensor_type(self) -> str:
        """Such as "digit"; empty where it cannot be determined."""
        return self.profile.name if self.profile else ""


@dataclass(frozen=True, eq=False)
class Runtime:
    """How long the evaluation took; differs from run to run, and is no score.

    Attributes:
        latency_ms: (n,) float32, of perception for each frame: pairing, encoder and heads.
        wall_s: seconds for all recordings, reading and decoding included.
        engine: what ran the model, in words.
    """

    latency_ms: Floats
    wall_s: float
    engine: str

    @property
    def frames_per_second(self) -> float:
        """Frames evaluated per second of wall time."""
        return len(self.latency_ms) / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True, eq=False)
class Result:
    """A whole evaluation.

    Attributes:
        model: name, licence, slip threshold, bin edges and more of the model, as in metrics.json.
        sensors: sorted by recording, then sensor.
        skipped: recording -> why it gave nothing, in a sentence.
        runtime: how long it took.
        metrics: what metrics.json holds: `{"schema": 3, "model", "recordings", "scores",
            "runtime", ...}`, see `metrics_file`.
    """

    model: Mapping[str, Any]
    sensors: tuple[SensorResult, ...]
    runtime: Runtime
    skipped: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
