# SPDX-License-Identifier: Apache-2.0
"""Recordings of a hand through the live perception: features of all fingers, with labels.

A label is what the topic `<prefix>/ground_truth/predicates` says of the same stamp. Where a
recording has no such topic, contact and slip are labelled by the ground truth of force and slip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.names import CONTACT_THRESHOLD_N, GROUND_TRUTH
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.predicates.features import FingerFeatures
from sparsh_ros.progress import track
from sparsh_ros.recordings.bag_sensor import BagSensor, read_sensor_items
from sparsh_ros.recordings.bags import Bag, list_bags, open_bag
from sparsh_ros.recordings.topics import find_sensors

_TYPE = "sparsh_ros/msg/Predicates"


@dataclass(frozen=True, eq=False)
class Samples:
    """Moments of one recording at which all fingers are known.

    Attributes:
        name: Of the recording.
        features: (n, fingers, F) float32.
        labels: Predicate -> (n,) bool.
    """

    name: str
    features: NDArray[np.float32]
    labels: Mapping[str, NDArray[np.bool_]]


class StampClock:
    """Seconds by the stamps of the frames."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def read_samples(
    paths: Iterable[Path], model: str | Path, weights_dir: Path | None = None
) -> list[Samples]:
    """Run recordings through a model.

    Args:
        paths: Bags, or folders with bags.
        model: Name of a model, or path of its description.
        weights_dir: Folder with its weights; None: where they belong.

    Returns:
        One entry for each recording.

    Raises:
        DatasetError: A recording has no label of a predicate, or no moment at which all fingers
            are known.
        SparshError: A recording or the model cannot be read.
    """
    clock = StampClock()
    perception = Perception(model, threads=1, monotonic=clock, weights_dir=weights_dir)
    bags = [bag for path in paths for bag in list_bags(path)]
    return [_read(path, perception, clock) for path in track(bags, "Reading recordings")]


def _read(path: Path, perception: Perception, clock: StampClock) -> Samples:
    with open_bag(path) as bag:
        sensors = [
            BagSensor(str(index), topics) for index, topics in enumerate(find_sensors(bag.topics))
        ]
        given = _labels(bag)
        hand = _Hand(perception, clock, [sensor.key for sensor in sensors])
        rows = list(hand.run(read_sensor_items(bag, sensors)))
        trouble = [text for text in (sensor.trouble() for sensor in sensors) if text]
    known = [(stamp_ns, seen, given.get(stamp_ns, own)) for stamp_ns, seen, own in rows]
    known = [row for row in known if row[2]]
    if not known:
        reason = "; ".join(trouble) or (
            f"{len(rows)} moments with all fingers known, none with a label; record "
            f"<prefix>/{GROUND_TRUTH}/predicates ({_TYPE})"
        )
        raise DatasetError(f"{path}: wanted labelled moments of a hand, found none: {reason}")
    names = set.intersection(*(set(labels) for *_, labels in known))
    labels = {name: np.array([row[2][name] for row in known], bool) for name in sorted(names)}
    return Samples(path.name, np.stack([seen for _, seen, _ in known]), labels)


def _labels(bag: Bag) -> dict[int, dict[str, bool]]:
    """Stamp -> predicates that are known there."""
    topics = [
        topic.name
        for topic in bag.topics
        if topic.type == _TYPE and topic.name.endswith(f"{GROUND_TRUTH}/predicates")
    ]
    found: dict[int, dict[str, bool]] = {}
    for message in bag.messages(topics):
        content = bag.decode(message)
        stamp = content.header.stamp
        own = found.setdefault(stamp.sec * 1_000_000_000 + stamp.nanosec, {})
        own |= {one.name: bool(one.value) for one in content.predicates if one.valid}
    return found


class _Hand:
    """The fingers of a recording: their memories, and ground truth of contact and slip."""

    def __init__(self, perception: Perception, clock: StampClock, keys: Sequence[str]) -> None:
        self._perception, self._clock = perception, clock
        self._features = {key: FingerFeatures(perception.spec) for key in keys}
        self._seen: dict[str, NDArray[np.float32] | None] = dict.fromkeys(keys)
        self._truth: dict[str, dict[str, bool]] = {"force": {}, "slip": {}}

    def run(
        self, items: Iterable[tuple[BagSensor, str, int, Any]]
    ) -> Iterator[tuple[int, NDArray[np.float32], dict[str, bool]]]:
        """Stamp, features of all fingers, and labels by ground truth, of each moment."""
        for stamp_ns, group in groupby(items, key=lambda item: item[2]):
            frames = sum([self._take(*item) for item in group])
            if not frames:
                continue
            self._clock.now_s = max(self._clock.now_s, stamp_ns * 1e-9)
            if self._infer(stamp_ns) and all(x is not None for x in self._seen.values()):
                yield stamp_ns, np.stack(list(self._seen.values())), self._automatic()

    def _take(self, sensor: BagSensor, item_type: str, stamp_ns: int, value: Any) -> bool:
        perception, key = self._perception, sensor.key
        if item_type == "profile":
            perception.add_sensor(key, value)
        elif item_type == "background":
            perception.set_background(key, value)
        elif item_type == "frame":
            self._clock.now_s = max(self._clock.now_s, stamp_ns * 1e-9)
            perception.push(key, value)
            return True
        elif item_type == "force":
            self._truth["force"][key] = value[2] >= CONTACT_THRESHOLD_N
        elif item_type == "slip":
            self._truth["slip"][key] = bool(value[0])
        return False

    def _infer(self, stamp_ns: int) -> bool:
        """Take in what is new; whether that was of this stamp, of every finger."""
        features = self._perception.encode()
        estimates = self._perception.run_heads(features)
        rows = iter(() if features.tokens is None else features.tokens)
        fresh = set()
        for encoded, estimate in zip(features.frames, estimates, strict=True):
            tokens = next(rows, None) if encoded.valid else None
            key = encoded.sensor
            if key in self._features:
                self._seen[key] = self._features[key].update(estimate, tokens)
                fresh |= {key} if estimate.stamp_ns == stamp_ns else set()
        return fresh == set(self._features)

    def _automatic(self) -> dict[str, bool]:
        names = {"force": "is_in_contact", "slip": "is_slipping"}
        return {
            names[kind]: any(own.values())
            for kind, own in self._truth.items()
            if len(own) == len(self._features)
        }
