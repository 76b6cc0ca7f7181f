# SPDX-License-Identifier: Apache-2.0
"""Classifiers learn from recordings of a hand, by labels of a topic or by ground truth of force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sparsh_ros.cli import main  # noqa: E402
from sparsh_ros.commands.simulation.simulate_hand import LABELS, kinds_of, record_hand  # noqa: E402
from sparsh_ros.errors import DatasetError  # noqa: E402
from sparsh_ros.names import DEFAULT_MODEL  # noqa: E402
from sparsh_ros.predicates.classifier import load_classifiers  # noqa: E402
from sparsh_ros.predicates.samples import Samples, read_samples  # noqa: E402
from sparsh_ros.recordings.bag_writer import BagWriter  # noqa: E402
from sparsh_ros.recordings.bags import open_bag  # noqa: E402
from sparsh_ros.simulation.hand.simulation import PREDICATES, HandSimulation  # noqa: E402
from sparsh_ros.training.predicates.train import (  # noqa: E402
    PredicateSettings,
    decide,
    score,
    train_predicate,
)

SECONDS = 2.5


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hand") / "hand_0000"
    record_hand(path, "digit", 40, kinds_of("train"), SECONDS, downscale=4)
    return path


def made_up(seed: int, fingers: int = 2, name: str = "is_pressed") -> Samples:
    """True where the sum of two features of the stronger finger is large."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(600, fingers, 6)).astype(np.float32)
    truth = features[..., :2].sum(axis=2).max(axis=1) > 1.5
    return Samples(f"recording {seed}", features, {name: truth})


def test_splits_share_no_shape() -> None:
    assert not set(kinds_of("train")) & set(kinds_of("test"))
    assert kinds_of("train") == kinds_of("validation")
    assert {"screw", "cylinder"} <= set(kinds_of("test"))


def test_a_recording_holds_what_the_simulation_says(bag: Path) -> None:
    with open_bag(bag) as opened:
        counts = {topic.name: topic.count for topic in opened.topics}
        labels = [opened.decode(message) for message in opened.messages([LABELS])]
    frames = round(SECONDS * 30)
    for finger in ("left", "right"):
        assert counts[f"/hand/{finger}/image_raw/compressed"] == frames
        assert counts[f"/hand/{finger}/background/compressed"] == 1
    hand = HandSimulation("digit", 40, 30.0, kinds_of("train"), downscale=4)
    for label in labels:
        truth = hand.step().truth
        assert {one.name: one.value for one in label.predicates} == truth
        assert all(one.valid and one.probability == one.value for one in label.predicates)
    assert len(labels) == frames


def test_features_of_a_recording_are_those_of_the_live_perception(bag: Path) -> None:
    (samples,) = read_samples([bag], DEFAULT_MODEL)
    count, fingers, size = samples.features.shape
    assert (fingers, size) == (2, 200) and 0 <= round(SECONDS * 30) - count <= 4
    assert set(samples.labels) == set(PREDICATES)
    pressed = samples.features[:, :, 2].max(axis=1)
    touched = samples.labels["is_in_contact"]
    assert touched.any() and pressed[touched].mean() > 10 * max(pressed[~touched].mean(), 0.01)


def test_contact_is_labelled_by_ground_truth_where_no_topic_says_it(
    bag: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    with open_bag(bag) as opened, BagWriter(copy, custom=opened.custom) as written:
        names = [topic.name for topic in opened.topics if topic.name != LABELS]
        for message in opened.messages(names):
            written.raw(message.topic, message.type, message.log_time_ns, message.data)
    (given,), (found,) = read_samples([bag], DEFAULT_MODEL), read_samples([copy], DEFAULT_MODEL)
    assert set(found.labels) == {"is_in_contact"}
    # Contact begins at 0.1 N here, and with the first touch there.
    assert (found.labels["is_in_contact"] != given.labels["is_in_contact"]).mean() < 0.1
    assert found.labels["is_in_contact"].any()


@pytest.mark.parametrize("fingers", [1, 2])
def test_training_finds_what_is_there(fingers: int) -> None:
    train, validation, test = ([made_up(seed, fingers)] for seed in (0, 1, 2))
    settings = PredicateSettings(epochs=120, learning_rate=1e-2, weight_decay=1e-3, dropout=0.0)
    classifier = train_predicate("is_pressed", "m", train, validation, settings)
    found = score(classifier, test)
    assert classifier.fingers == fingers
    assert found["f1"] > 0.9 and found["f1"] > found["f1_always"] + 0.1
    assert decide(classifier, test[0]).mean() == pytest.approx(found["share"], abs=0.1)


def test_labels_that_teach_nothing() -> None:
    good, other = made_up(0), made_up(1, name="is_other")
    never = Samples("never", good.features, {"is_pressed": np.zeros(600, bool)})
    with pytest.raises(DatasetError, match="labels in every recording for validation, found none"):
        train_predicate("is_pressed", "m", [good], [other])
    with pytest.raises(DatasetError, match="found it never true; add recordings"):
        train_predicate("is_pressed", "m", [never], [good])
    with pytest.raises(DatasetError, match="found none in no recordings at all"):
        train_predicate("is_pressed", "m", [], [good])
    with pytest.raises(DatasetError, match=r"equally many fingers, found \[1, 2\]"):
        train_predicate("is_pressed", "m", [good, made_up(2, 1)], [good])


def test_from_the_command_line(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "predicate", "is_in_contact", "--recordings", bag, "--validation", bag]
    assert main([str(word) for word in [*command, "--out", tmp_path / "out"]]) == 0
    (made,) = load_classifiers(tmp_path / "out", DEFAULT_MODEL)
    assert made.name == "is_in_contact" and made.scores["validation_f1"] > 0.8
    assert "is_in_contact" in capsys.readouterr().out
    assert main([str(word) for word in [*command, "--out", tmp_path, "--test", tmp_path]]) == 1
    assert "found none" in capsys.readouterr().err
