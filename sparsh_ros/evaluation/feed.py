# SPDX-License-Identifier: Apache-2.0
"""What a bag says about one sensor, on its way to perception and to the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sparsh_ros.background import BackgroundKeeper, read_background
from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation.columns import EstimateColumns
from sparsh_ros.evaluation.samples import LabelStream
from sparsh_ros.frames import Frame
from sparsh_ros.recordings.bags import Bag
from sparsh_ros.recordings.labels import Event, read_events
from sparsh_ros.recordings.sensor_type import find_kind
from sparsh_ros.recordings.topics import SensorTopics
from sparsh_ros.sensors.profiles import SensorProfile

LABELS = {"force": 3, "slip": 2, "pose": 3, "pose_change": 4}
"""Kind of label -> numbers per label."""


class Feed:
    """One sensor of a bag: sorts out what is for perception, and collects labels and estimates.

    Attributes:
        key: name of the sensor in perception.
        topics: its topics.
        columns: its estimates.
        streams: kind of label -> its labels.
        profile: of its kind; None until an image has told it.
        kind_source, background: how the kind is known, and where the background comes from, in
            words.
    """

    def __init__(
        self, key: str, topics: SensorTopics, kind: str, file: Path | None, step_back_ns: int
    ) -> None:
        """Start with nothing.

        Args:
            key: name of the sensor in perception.
            topics: its topics.
            kind: name or file of its profile; empty if it is to be found.
            file: image of the untouched gel; None takes the bag's.
            step_back_ns: larger steps back of the stamps begin a new stretch.
        """
        self.key, self.topics = key, topics
        self.columns = EstimateColumns(step_back_ns)
        self.streams = {
            name: LabelStream(columns, step_back_ns)
            for name, columns in LABELS.items()
            if getattr(topics, name)
        }
        self.profile: SensorProfile | None = None
        self.kind_source = self.background = ""
        self._given_kind, self._file = kind, file
        self._keeper: BackgroundKeeper | None = None
        self._error = ""

    def items(self, bag: Bag, event: Event) -> Iterator[tuple[str, int, object]]:
        """What an event means for perception and labels: kind, stamp, value."""
        if event.kind in LABELS:
            yield event.kind, event.stamp_ns, _numbers(event)
            return
        if self._error:
            return
        if self.profile is None and event.value is not None:
            yield from self._begin(bag, event.value)
        if self.profile is None:
            return
        image = None
        if event.value is not None:
            image = self.profile.to_canonical(event.value, "rgb")
        if event.kind == "frame":
            yield from self._frame(Frame(event.stamp_ns, image))
        elif self._file is None and self.profile.subtract_background:
            self.background = f"topic {self.topics.background}"
            yield "background", event.stamp_ns, image

    def _begin(self, bag: Bag, image: np.ndarray) -> Iterator[tuple[str, int, object]]:
        """Find out what the first image tells."""
        height, width = image.shape[:2]
        try:
            profile, self.kind_source = find_kind(bag, self.topics, width, height, self._given_kind)
        except RecordingError as error:
            self._error = str(error)
            return
        self.profile = profile
        yield "profile", 0, profile
        if not profile.subtract_background:
            self.background = "none: this kind of sensor is seen as it is"
        elif self._file is not None:
            self.background = f"file {self._file.name}"
            yield "background", 0, read_background(self._file, profile)
        elif not _has_messages(bag, self.topics.background):
            self._keeper = BackgroundKeeper(profile)

    def _frame(self, frame: Frame) -> Iterator[tuple[str, int, object]]:
        """As live: the frame goes out first, then the background if it has become known."""
        yield "frame", frame.stamp_ns, frame
        if self._keeper is not None and self._keeper.image is None and self._keeper.update(frame):
            self.background = "the first half second without motion"
            yield "background", frame.stamp_ns, self._keeper.image

    def period_ns(self, stamp_ns: np.ndarray) -> float:
        """The median time between frames; that of the camera's kind where there are too few."""
        steps = np.diff(stamp_ns)
        steps = steps[steps > 0]
        nominal_ns = 1e9 / self.profile.fps if self.profile else 0.0
        return float(np.median(steps)) if len(steps) else nominal_ns

    def label_topics(self) -> dict[str, str]:
        """Task -> the topic of its labels that are used."""
        topics = {name: getattr(self.topics, name) for name in ("force", "slip", "pose")}
        topics["pose"] = topics["pose"] or self.topics.pose_change
        return topics

    def notes(self) -> list[str]:
        """What is wrong, in sentences."""
        notes = list(self.topics.notes)
        for task, topic in self.label_topics().items():
            if not topic and not any(note.startswith(f"{task}: ") for note in notes):
                notes.append(f"{task}: no label topic, so it is not scored")
        notes += [
            f"{name}: the label topic {getattr(self.topics, name)} holds no label"
            for name, stream in self.streams.items()
            if not len(stream)
        ]
        if trouble := self.trouble():
            notes.append(trouble)
        return notes

    def trouble(self) -> str:
        """Why there are no estimates; empty if there may be."""
        if self._error:
            return self._error
        if self.profile is None:
            return f"{self.topics.image}: no image that can be read"
        if self._keeper is not None and self._keeper.image is None:
            return f"{self._keeper.reason}; or give an image of the untouched gel by --background"
        return ""


def read_feeds(bag: Bag, feeds: Sequence[Feed]) -> Iterator[tuple[Feed, str, int, object]]:
    """The events of a bag in the order of its log, as perception takes them.

    Yields the feed, a kind, a stamp and a value: "profile" SensorProfile, "background" standard
    image or None, "frame" Frame, or a kind of label.
    """
    by_name = {feed.topics.name: feed for feed in feeds}
    for event in read_events(bag, [feed.topics for feed in feeds]):
        feed = by_name[event.sensor]
        for item in feed.items(bag, event):
            yield feed, *item


def _has_messages(bag: Bag, topic: str) -> bool:
    return any(found.name == topic and found.count for found in bag.topics)


def _numbers(event: Event) -> list[float]:
    if event.kind == "pose_change":
        return [event.value.interval_s, *event.value.change]
    return [float(value) for value in event.value]
