# SPDX-License-Identifier: Apache-2.0
"""The predicates of a hand, frame after frame: all fingers, all classifiers, hysteresis."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.perception.head_runner import Features
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.predicates.classifier import Classifier
from sparsh_ros.predicates.features import FingerFeatures

STALE_S = 0.3
"""A finger whose last frame is older than the newest one by more is unknown."""


@dataclass(frozen=True)
class Predicate:
    """One statement about what the hand touches.

    Attributes:
        name: Such as "is_grasped".
        valid: Whether anything is known; if not, `reason` says why.
        value: Whether it is true, with hysteresis.
        probability: Of this moment alone; NaN where nothing is known.
        reason: One sentence, empty while valid.
    """

    name: str
    valid: bool = False
    value: bool = False
    probability: float = math.nan
    reason: str = ""

    def describe(self) -> str:
        """In words, such as "true, probability 0.93"."""
        if not self.valid:
            return f"unknown: {self.reason}"
        return f"{str(self.value).lower()}, probability {self.probability:.2f}"


@dataclass
class _Finger:
    features: FingerFeatures
    stamp_ns: int | None = None
    seen: NDArray[np.float32] | None = None
    reason: str = "no frame yet"


class HandPredicates:
    """Keeps the predicates of one hand up to date; `last` may be read from any thread."""

    def __init__(
        self, classifiers: Sequence[Classifier], spec: ModelSpec, fingers: Sequence[str]
    ) -> None:
        """Begin with nothing known.

        Args:
            classifiers: One for each predicate.
            spec: The model whose tokens and estimates will come.
            fingers: Names of all its sensors.

        Raises:
            WeightsError: A classifier is for another number of fingers, or of features.
        """
        self._classifiers = tuple(classifiers)
        self._fingers = {name: _Finger(FingerFeatures(spec)) for name in fingers}
        self._values = dict.fromkeys((one.name for one in classifiers), False)
        self._lock = threading.Lock()
        size = FingerFeatures(spec).size
        for one in classifiers:
            if one.fingers != len(self._fingers):
                raise WeightsError(
                    f"predicate {one.name}: wanted {one.fingers} sensors, found {len(fingers)} "
                    f"({', '.join(fingers)}); name as many, or train it for these"
                )
            if len(one.mean) != size:
                raise WeightsError(
                    f"predicate {one.name}: wanted a classifier of {size} features of model "
                    f"{spec.name}, found {len(one.mean)}; train it again"
                )
        self._last = self._unknown("no frame yet")

    @property
    def last(self) -> tuple[Predicate, ...]:
        """The predicates after the last update."""
        with self._lock:
            return self._last

    def update(
        self, features: Features, estimates: Sequence[Estimate]
    ) -> tuple[int, tuple[Predicate, ...]] | None:
        """Take in what one call of the encoder gave.

        Args:
            features: Tokens of the frames.
            estimates: Of the same frames, in their order.

        Returns:
            The stamp of the newest frame, ns, and all predicates; None if no frame was of a finger.
        """
        rows = iter(() if features.tokens is None else features.tokens)
        newest_ns = None
        for encoded, estimate in zip(features.frames, estimates, strict=True):
            tokens = next(rows, None) if encoded.valid else None
            if encoded.sensor in self._fingers:
                self._take(self._fingers[encoded.sensor], estimate, tokens)
                newest_ns = max(newest_ns or 0, estimate.stamp_ns)
        if newest_ns is None:
            return None
        found = self._decide(newest_ns)
        with self._lock:
            self._last = found
        return newest_ns, found

    def _take(self, finger: _Finger, estimate: Estimate, tokens: Any) -> None:
        finger.seen = finger.features.update(estimate, tokens)
        finger.stamp_ns, finger.reason = estimate.stamp_ns, estimate.reason or "no tokens"

    def _decide(self, newest_ns: int) -> tuple[Predicate, ...]:
        for name, finger in self._fingers.items():
            if finger.seen is None:
                return self._unknown(f"{name}: {finger.reason}")
            behind_s = (newest_ns - finger.stamp_ns) * 1e-9
            if behind_s > STALE_S:
                return self._unknown(f"{name}: no frame for {behind_s:.2f} s")
        seen = np.stack([finger.seen for finger in self._fingers.values()])
        return tuple(self._classify(one, seen) for one in self._classifiers)

    def _classify(self, classifier: Classifier, seen: NDArray[np.float32]) -> Predicate:
        probability = float(classifier.probability(seen))
        limit = classifier.off if self._values[classifier.name] else classifier.on
        value = self._values[classifier.name] = probability >= limit
        return Predicate(classifier.name, True, value, probability)

    def _unknown(self, reason: str) -> tuple[Predicate, ...]:
        self._values = dict.fromkeys(self._values, False)
        return tuple(Predicate(one.name, reason=reason) for one in self._classifiers)
