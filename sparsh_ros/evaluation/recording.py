# SPDX-License-Identifier: Apache-2.0
"""One recording through the live `Perception`, frame by frame, its clock driven by the stamps."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation.alignment import align
from sparsh_ros.evaluation.feed import Feed, read_feeds
from sparsh_ros.evaluation.result import SensorResult
from sparsh_ros.frames import Frame
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.recordings.bags import Bag
from sparsh_ros.recordings.prefetch import ahead
from sparsh_ros.recordings.topics import find_sensors

_DEPTH = 32  # items read ahead; a canonical image has 230 kB
_LATE_NS = 100_000_000  # frames of several sensors may come in another order than their stamps


@dataclass(frozen=True)
class Source:
    """What to read of the recordings; empty where it is to be found.

    Attributes:
        image, force, slip, pose: names of topics, as `topics.find_sensors` takes them.
        background: image files of the untouched gel, one for each sensor.
        kind: kind of all sensors, or the file of a profile.
    """

    image: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    slip: tuple[str, ...] = ()
    pose: tuple[str, ...] = ()
    background: tuple[Path, ...] = ()
    kind: str = ""


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
        latency_ms: what perception took for each frame.
    """

    def __init__(self, perception: Perception, clock: StampClock, source: Source) -> None:
        """Evaluate with `perception`, which must go by `clock`."""
        self.latency_ms = array("f")
        self._perception, self._clock, self._source = perception, clock, source
        self._step_back_ns = round(perception.spec.interval_s * 0.5e9)

    def run(
        self, bag: Bag, name: str, progress: Callable[[int, int], object]
    ) -> list[SensorResult]:
        """Evaluate all sensors of a recording; tells `progress` how many frames are done, of how
        many.

        Raises:
            SparshError: there is nothing that can be evaluated.
        """
        self._clock.forget()
        feeds = self._feeds(bag)
        images = {feed.topics.image for feed in feeds}
        total = sum(topic.count for topic in bag.topics if topic.name in images)
        done = 0
        with closing(ahead(read_feeds(bag, feeds), _DEPTH)) as items:
            for feed, kind, stamp_ns, value in items:
                if kind == "profile":
                    self._perception.add_sensor(feed.key, value)
                elif kind == "background":
                    self._perception.set_background(feed.key, value)
                elif kind == "frame":
                    self._look(feed, value)
                    done += 1
                    progress(done, total)
                else:
                    feed.streams[kind].add(stamp_ns, value, feed.columns.newest_stretch)
        if not any(len(feed.columns) for feed in feeds):
            raise RecordingError("; ".join([*bag.warnings, *(feed.trouble() for feed in feeds)]))
        return [self._result(feed, name, bag.warnings) for feed in feeds]

    def _feeds(self, bag: Bag) -> list[Feed]:
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
            Feed(str(index), sensor, source.kind, file, self._step_back_ns)
            for index, (sensor, file) in enumerate(zip(topics, files, strict=True))
        ]

    def _look(self, feed: Feed, frame: Frame) -> None:
        self._clock.advance(frame.stamp_ns)
        start_s = time.perf_counter()
        self._perception.push(feed.key, frame)
        estimates = self._perception.infer()
        self.latency_ms.append((time.perf_counter() - start_s) * 1e3)
        for estimate in estimates:
            # Others are of sensors that went silent: those frames have their estimates.
            if estimate.sensor == feed.key and estimate.stamp_ns == frame.stamp_ns:
                feed.columns.add(estimate)

    def _result(self, feed: Feed, name: str, warnings: list[str]) -> SensorResult:
        estimates, stretch = feed.columns.estimates(), feed.columns.stretch
        period_ns = feed.period_ns(estimates.stamp_ns)
        labels, unaligned = align(
            estimates, stretch, feed.streams, self._perception.spec, period_ns
        )
        frames = {"received": 0, "missing": 0}
        if feed.profile is not None:
            frames |= asdict(self._perception.counters(feed.key))
            frames["missing"] = _missing(estimates.stamp_ns, stretch, period_ns)
        return SensorResult(
            recording=name,
            sensor=feed.topics.name,
            image_topic=feed.topics.image,
            profile=feed.profile,
            kind_source=feed.kind_source,
            background=feed.background,
            estimates=estimates,
            labels=labels,
            label_topics=feed.label_topics(),
            unaligned=unaligned,
            frames=frames,
            period_ns=period_ns,
            notes=(*warnings, *feed.notes()),
        )


def _missing(stamp_ns: np.ndarray, stretch: np.ndarray, period_ns: float) -> int:
    """Frames that the stamps show to be lacking: in each step, how many more periods fit."""
    steps = np.diff(stamp_ns)[np.diff(stretch) == 0]
    return int(np.maximum(np.rint(steps / period_ns) - 1, 0).sum()) if len(steps) else 0
