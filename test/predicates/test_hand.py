# SPDX-License-Identifier: Apache-2.0
"""Predicates of a hand: hysteresis, what is unknown and why, files that are good and bad."""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.perception.head_runner import EncodedFrame, Features
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.predicates.classifier import Classifier, load_classifier, load_classifiers
from sparsh_ros.predicates.features import FingerFeatures
from sparsh_ros.predicates.hand import HandPredicates

SPEC = ModelSpec("m", "micro", "MIT", Path("."), image_height=64, image_width=48)
SIZE = FingerFeatures(SPEC).size
STEP_NS = 33_333_333


def classifier(name: str = "is_pressed", **values: object) -> Classifier:
    """Logit: mean over the fingers of the normal force, N, + its maximum."""
    weight = np.zeros((1, SIZE), np.float32)
    weight[0, 2] = 1.0
    zeros, ones = np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32)
    made = Classifier(
        name, "m", zeros, ones, weight, np.zeros(1, np.float32), np.ones(2, np.float32), -4.0
    )
    return replace(made, **values)


class Hand:
    """Feeds normal forces of both fingers."""

    def __init__(self, *classifiers: Classifier) -> None:
        self.predicates = HandPredicates(classifiers, SPEC, ("left", "right"))
        self.stamp_ns = 0

    def feel(self, **forces: float | str):
        """Newtons by finger, or why nothing is known."""
        self.stamp_ns += STEP_NS
        frames, estimates, tokens = [], [], []
        for finger, force in forces.items():
            reason = force if isinstance(force, str) else ""
            frames.append(EncodedFrame(finger, self.stamp_ns, 0.08, reason))
            known = {} if reason else {"valid": True, "force_n": np.array([0.0, 0.0, force])}
            estimates.append(Estimate(finger, self.stamp_ns, reason=reason, **known))
            tokens += [] if reason else [np.zeros((12, 192), np.float32)]
        made = np.stack(tokens) if tokens else None
        return self.predicates.update(Features(tuple(frames), made), estimates)


def test_probability_joins_mean_and_maximum_of_the_fingers() -> None:
    stamp_ns, (found,) = Hand(classifier()).feel(left=1.0, right=3.0)
    assert stamp_ns == STEP_NS and found.valid
    assert found.probability == pytest.approx(1 / (1 + math.exp(-(2.0 + 3.0 - 4.0))))


def test_hysteresis() -> None:
    hand = Hand(classifier(on=0.8, off=0.2))
    logits = (0.0, 1.0, 2.0, 0.0, -1.0, -2.0, 0.0, 1.0)
    values = [hand.feel(left=2 + x / 2, right=2 + x / 2)[1][0].value for x in logits]
    assert values == [False, False, True, True, True, False, False, False]


def test_one_finger_that_is_unknown_makes_all_unknown() -> None:
    hand = Hand(classifier(on=0.8, off=0.2))
    assert hand.predicates.last[0].describe() == "unknown: no frame yet"
    (found,) = hand.feel(left=9.0)[1]
    assert not found.valid and found.reason == "right: no frame yet"
    (found,) = hand.feel(left=9.0, right=9.0)[1]
    assert found.value and found.describe() == "true, probability 1.00"
    (found,) = hand.feel(left="no background", right=9.0)[1]
    assert (found.valid, found.value, found.reason) == (False, False, "left: no background")
    assert math.isnan(found.probability)
    # Afterwards it has to reach the upper threshold again.
    assert not hand.feel(left=2.0, right=2.0)[1][0].value


def test_a_finger_that_is_late_makes_all_unknown() -> None:
    hand = Hand(classifier())
    hand.feel(left=9.0, right=9.0)
    found = [hand.feel(left=9.0)[1][0] for _ in range(10)]
    assert [one.valid for one in found] == [True] * 9 + [False]
    assert found[-1].reason == "right: no frame for 0.33 s"


def test_other_sensors_are_left_out() -> None:
    hand = Hand(classifier())
    assert hand.feel(elbow=9.0) is None
    assert hand.feel(elbow=9.0, left=9.0, right=9.0)[1][0].value


def test_hands_and_models_that_do_not_fit() -> None:
    with pytest.raises(WeightsError, match=r"wanted 2 sensors, found 1 \(left\)"):
        HandPredicates([classifier()], SPEC, ("left",))
    with pytest.raises(WeightsError, match=f"wanted a classifier of {SIZE} features"):
        Hand(classifier(mean=np.zeros(5, np.float32)))


def test_a_file_holds_it_all(tmp_path: Path) -> None:
    made = classifier(on=0.7, off=0.3, scores={"test_f1": 0.9})
    path = made.save(tmp_path / "some")
    again = load_classifier(path)
    fingers = np.random.default_rng(0).normal(size=(2, SIZE)).astype(np.float32)
    assert again.probability(fingers) == pytest.approx(made.probability(fingers), abs=1e-6)
    assert (again.on, again.off, again.scores) == (0.7, 0.3, {"test_f1": 0.9})
    assert [one.name for one in load_classifiers(path.parent, "m")] == ["is_pressed"]
    with pytest.raises(WeightsError, match="for model other, found one for m"):
        load_classifiers(path.parent, "other")
    with pytest.raises(WeightsError, match="wanted classifiers of predicates, .* found none"):
        load_classifiers(tmp_path, "m")


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_files(tmp_path: Path, kept: float) -> None:
    path = classifier().save(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(WeightsError, match=r"is_pressed.npz: wanted the classifier .* damaged"):
        load_classifier(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bias": np.zeros(3, np.float32)},
        {"scale": np.full(SIZE, np.nan, np.float32)},
        {"on": 0.2, "off": 0.4},
        {"weight": np.zeros((0, SIZE), np.float32)},
        {"name": "is_other"},
    ],
    ids=str,
)
def test_files_that_contradict_themselves(tmp_path: Path, wrong: dict) -> None:
    path = classifier(**wrong).save(tmp_path).rename(tmp_path / "is_pressed.npz")
    with pytest.raises(WeightsError, match="wanted the classifier of a predicate, found a damaged"):
        load_classifier(path)


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "is_pressed.npz"
    with path.open("wb") as file:
        np.savez(file, meta=np.array([{"a": 1}], dtype=object))
    with pytest.raises(WeightsError, match="damaged or foreign"):
        load_classifier(path)
    assert zipfile.is_zipfile(path)
