# SPDX-License-Identifier: Apache-2.0
"""One recording through the live `Perception`, frame by frame, its clock driven by the stamps."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation.alignment import align
from sparsh_ros.evaluation.result import EstimateLog, SensorResult
from sparsh_ros.frames import Frame
from sparsh_ros.perception.calibration import Calibration, read_calibration
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.recordings.bag_sensor import LABELS, BagSensor, read_sensor_items
from sparsh_ros.recordings.bags import Bag
from sparsh_ros.recordings.label_series import LabelLog
from sparsh_ros.recordings.prefetch import prefetch
from sparsh_ros.recordings.sensor_type import ASSUMED
from sparsh_ros.recordings.topics import find_sensors
from sparsh_ros.sensors.profiles import SensorProfile

_DEPTH = 32  # items read ahead; a canonical image has 230 kB
_LATE_NS = 100_000_000  # frames of several sensors may come in another order than their stamps


@dataclass(frozen=True)
class Source:
    """What to read of the recordings; empty where it is to be found.

    Attributes:
        image, force, slip, pose: names of topics, as `topics.find_sensors` takes them.
        background: image files of the untouched gel, one for each sensor.
        sensor_type: type of all sensors, or the file of a profile.
        calibration: file of a calibration of all sensors; None: the force as the model gives it.
    """

    image: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    slip: tuple[str, ...] = ()
    pose: tuple[str, ...] = ()
    background: tuple[Path, ...] = ()
    sensor_type: str = ""
    calibration: Path | None = None


class StampClock:
    """Seconds that pass as the stamps of frames do; never goes back."""

    def __init__(self) -> None:
        """Start at 0."""
        self._newest_ns: int | None = None
        self._now_s = 0.0

    def __call__(self) -> float:
        return self._now_s

    def advance(self, stamp_ns: int) -> None:
        """A frame with this stamp has come."""
        newest_ns = stamp_ns if self._newest_ns is None else self._newest_ns
        self._now_s += max(0, stamp_ns - newest_ns) * 1e-9
        is_back = newest_ns - stamp_ns > _LATE_NS
        self._newest_ns = stamp_ns if is_back else max(newest_ns, stamp_ns)

    def forget(self) -> None:
        """Another recording begins, with stamps of its own."""
        self._newest_ns = None


class Evaluator:
    """Runs recordings, one after the other, through one `Perception`.

    Attributes:
        perception: What estimates.
        latency_ms: What perception took for each frame.
    """

    def __init__(self, perception: Perception, clock: StampClock, source: Source) -> None:
        """Evaluate with `perception`, which must go by `clock`."""
        self.latency_ms = array("f")
        self.perception, self._clock, self._source = perception, clock, source
        self._calibration: Calibration | None = None
        if source.calibration is not None:
            self._calibration = read_calibration(source.calibration)
        self._step_back_ns = round(perception.spec.interval_s * 0.5e9)

    def run(
        self, bag: Bag, name: str, progress: Callable[[int, int], object]
    ) -> list[SensorResult]:
        """Evaluate all sensors of a recording.

        Args:
            bag: The recording.
            name: What it is called in the result.
            progress: Takes how many frames are done, of how many.

        Raises:
            SparshError: There is nothing that can be evaluated.
        """
        self._clock.forget()
        logs = {sensor.key: _SensorLog(sensor, self._step_back_ns) for sensor in self._sensors(bag)}
        sensors = [log.sensor for log in logs.values()]
        images = {sensor.topics.image for sensor in sensors}
        total = sum(topic.count for topic in bag.topics if topic.name in images)
        done = 0
        with closing(prefetch(read_sensor_items(bag, sensors), _DEPTH)) as items:
            for sensor, item_type, stamp_ns, value in items:
                log = logs[sensor.key]
                if item_type == "profile":
                    self.perception.add_sensor(sensor.key, value)
                    self.perception.set_calibration(sensor.key, self._calibration)
                elif item_type == "background":
                    self.perception.set_background(sensor.key, value)
                elif item_type == "frame":
                    self._estimate(log, value)
                    done += 1
                    progress(done, total)
                else:
                    log.labels[item_type].add(stamp_ns, value, log.estimates.newest_segment)
        if not any(len(log.estimates) for log in logs.values()):
            raise RecordingError("; ".join([*bag.warnings, *(s.trouble() for s in sensors)]))
        return [self._result(log, name, bag.warnings) for log in logs.values()]

    def _sensors(self, bag: Bag) -> list[BagSensor]:
        source = self._source
        topics = find_sensors(bag.topics, source.image, source.force, source.slip, source.pose)
        files: Sequence[Path | None] = source.background or (None,) * len(topics)
        if len(files) != len(topics):
            raise RecordingError(
                f"--background: wanted one file for each of {len(topics)} sensors "
                f"({', '.join(sensor.image for sensor in topics)}), found {len(files)}"
            )
        # Named by number, so that the sensors of the next recording take the place of these.
        return [
            BagSensor(str(index), sensor, source.sensor_type, file)
            for index, (sensor, file) in enumerate(zip(topics, files, strict=True))
        ]

    def _estimate(self, log: _SensorLog, frame: Frame) -> None:
        key = log.sensor.key
        self._clock.advance(frame.stamp_ns)
        start_s = time.perf_counter()
        self.perception.push(key, frame)
        estimates = self.perception.infer()
        self.latency_ms.append((time.perf_counter() - start_s) * 1e3)
        for estimate in estimates:
            # Others are of sensors that went silent: those frames have their estimates.
            if estimate.sensor == key and estimate.stamp_ns == frame.stamp_ns:
                log.estimates.add(estimate)

    def _result(self, log: _SensorLog, name: str, warnings: list[str]) -> SensorResult:
        sensor, estimates, segment = log.sensor, log.estimates.arrays(), log.estimates.segment
        period_ns = log.period_ns(estimates.stamp_ns)
        labels, unaligned = align(estimates, segment, log.labels, self.perception.spec, period_ns)
        frames = {"received": 0, "missing": 0}
        if sensor.profile is not None:
            frames |= asdict(self.perception.counters(sensor.key))
            frames["missing"] = _missing(estimates.stamp_ns, segment, period_ns)
        return SensorResult(
            recording=name,
            sensor=sensor.topics.name,
            image_topic=sensor.topics.image,
            profile=sensor.profile,
            sensor_type_source=sensor.sensor_type_source,
            background=sensor.background,
            estimates=estimates,
            labels=labels,
            label_topics=log.label_topics(),
            unaligned=unaligned,
            frames=frames,
            period_ns=period_ns,
            notes=(*warnings, *log.notes(), *_beyond_range(labels.force_n, sensor.profile)),
        )


class _SensorLog:
    """What perception says about one sensor of a recording, and its labels."""

    def __init__(self, sensor: BagSensor, step_back_ns: int) -> None:
        self.sensor = sensor
        self.estimates = EstimateLog(step_back_ns)
        self.labels = {
            name: LabelLog(width, step_back_ns)
            for name, width in LABELS.items()
            if getattr(sensor.topics, name)
        }

    def period_ns(self, stamp_ns: np.ndarray) -> float:
        """The median time between frames; that of the camera's type where there are too few."""
        steps = np.diff(stamp_ns)
        steps = steps[steps > 0]
        profile = self.sensor.profile
        nominal_ns = 1e9 / profile.fps if profile else 0.0
        return float(np.median(steps)) if len(steps) else nominal_ns

    def label_topics(self) -> dict[str, str]:
        """Task -> the topic of its labels that are used."""
        topics = {name: getattr(self.sensor.topics, name) for name in ("force", "slip", "pose")}
        topics["pose"] = topics["pose"] or self.sensor.topics.pose_change
        return topics

    def notes(self) -> list[str]:
        """What is wrong, in sentences."""
        notes = list(self.sensor.topics.notes)
        for task, topic in self.label_topics().items():
            if not topic and not any(note.startswith(f"{task}: ") for note in notes):
                notes.append(f"{task}: no label topic, so it is not scored")
        notes += [
            f"{name}: the label topic {getattr(self.sensor.topics, name)} holds no label"
            for name, log in self.labels.items()
            if not len(log)
        ]
        if self.sensor.sensor_type_source.startswith(ASSUMED):
            notes.append(
                f"taken for a {self.sensor.profile.name}, {self.sensor.sensor_type_source}; if it "
                "is none, all estimates are wrong: say it with --sensor"
            )
        notes += self._other_clocks()
        if trouble := self.sensor.trouble():
            notes.append(trouble)
        return notes

    def _other_clocks(self) -> Iterator[str]:
        """What labels lie wholly before or after the images, in sentences."""
        stamps = self.estimates.arrays().stamp_ns
        for name, log in self.labels.items():
            if not (len(log) and len(stamps)):
                continue
            begin_ns, end_ns = log.span_ns
            if begin_ns <= stamps.max() and end_ns >= stamps.min():
                continue
            yield (
                f"{name}: the images are from {stamps.min() * 1e-9:.1f} s to "
                f"{stamps.max() * 1e-9:.1f} s, the labels of {getattr(self.sensor.topics, name)} "
                f"from {begin_ns * 1e-9:.1f} s to {end_ns * 1e-9:.1f} s: no label belongs to an "
                "image; their clocks differ, so stamp both by one clock"
            )


def _beyond_range(force_n: np.ndarray, profile: SensorProfile | None) -> Iterator[str]:
    """Whether the true force (n, 3), N, is more than estimates are made for, in a sentence."""
    known = np.isfinite(force_n[:, 2])
    if profile is None or not known.any():
        return
    beyond = float(np.mean(force_n[known, 2] > profile.maximum_load_n))
    if beyond:
        yield (
            f"force: {beyond:.1%} of the labelled frames press harder than "
            f"{profile.maximum_load_n:g} N, the most that the models are made for; errors there "
            "say little"
        )


def _missing(stamp_ns: np.ndarray, segment: np.ndarray, period_ns: float) -> int:
    """Frames that the stamps show to be lacking: in each step, how many more periods fit."""
    steps = np.diff(stamp_ns)[np.diff(segment) == 0]
    return int(np.maximum(np.rint(steps / period_ns) - 1, 0).sum()) if len(steps) else 0
