# SPDX-License-Identifier: Apache-2.0
"""Evaluation of small bags on a fake engine, and what is said of bags that lack something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation.evaluator import Source
from sparsh_ros.evaluation.result import UNKNOWN, Result
from sparsh_ros.evaluation.run import evaluate
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.perception import pipeline
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.reports.evaluation.worst_frames import with_worst_frames

MODEL = "sparsh-sim-micro"
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 16_666_667
COUNT = 30
BACKGROUND = 100
DIGIT = {"sensor_profile:/left": "digit"}


class FakeEngine:
    """Forces are the first pixels of the current frame, of the older one and of the background,
    in 255ths of the sensor's scale; slip is likely from the level 130 on; nothing moves."""

    description = "fake"

    def __init__(self, heads: Sequence[str]) -> None:
        self.heads = tuple(heads)

    def warm_up(self) -> None:
        pass

    def encode(self, *images: np.ndarray) -> np.ndarray:
        return np.stack([batch[:, 0, 0, 0] for batch in images], axis=1).astype(np.float32)

    def run_head(self, head: str, tokens: np.ndarray) -> dict[str, np.ndarray]:
        if head == "force":
            return {"force": tokens / 255}
        if head == "slip":
            logits = np.where(tokens[:, :1] >= 130, [[-5.0, 5.0]], [[5.0, -5.0]])
            return {"slip": logits, "force": np.zeros_like(tokens)}
        still = np.zeros((len(tokens), 11))
        still[:, 5] = 50.0
        return dict.fromkeys(("tx", "ty", "yaw"), still)


@pytest.fixture(autouse=True)
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model runs on the fake engine."""
    monkeypatch.setattr(
        pipeline, "create_engine", lambda spec, device, heads, **_: FakeEngine(heads)
    )


class InOrder(BagWriter):
    """Logs messages in the order in which they are written, whatever their stamps."""

    step_ns = 1_000_000
    _log_time_ns = START_NS

    def raw(self, topic: str, type_name: str, log_time_ns: int, cdr: bytes) -> None:
        self._log_time_ns += self.step_ns
        super().raw(topic, type_name, self._log_time_ns, cdr)


def stamp(index: int) -> int:
    return START_NS + index * PERIOD_NS


def picture(level: int) -> np.ndarray:
    return np.full(IMAGE_SHAPE, level, np.uint8)


def level(index: int) -> int:
    return BACKGROUND + index


def force_n(index: int) -> np.ndarray:
    """What the fake engine says of a frame of a DIGIT, x and z."""
    return np.array([4 * level(index) / 255, 0.0, 5 * BACKGROUND / 255])


def write(
    path: Path,
    labels: Sequence[str] = ("force", "slip", "pose"),
    prefixes: Sequence[str] = ("/left",),
    indices: Sequence[int] = range(COUNT),
    background: bool = True,
    custom: dict[str, str] | None = None,
) -> Path:
    """A bag of sensors whose images get brighter, with labels for the first of them."""
    with InOrder(path, custom=DIGIT if custom is None else custom) as bag:
        for number, index in enumerate(indices):
            for prefix in prefixes:
                if background and number == 0:
                    bag.image(f"{prefix}/background", stamp(0), picture(BACKGROUND), "camera")
                bag.image(f"{prefix}/image_raw", stamp(index), picture(level(index)), "camera")
            write_labels(bag, prefixes[0], index, labels)
    return path


def write_labels(bag: BagWriter, prefix: str, index: int, labels: Sequence[str]) -> None:
    if "force" in labels:
        bag.wrench(f"{prefix}/ground_truth/force", stamp(index), force_n(index), "gel")
    if "slip" in labels:
        bag.slip(f"{prefix}/ground_truth/slip", stamp(index), level(index) >= 125, True, "gel")
    if "pose" in labels:
        bag.pose(f"{prefix}/ground_truth/pose", stamp(index), np.zeros(3), "gel")


def run(*paths: Path, **source: Any) -> Result:
    return evaluate(paths, MODEL, Source(**source))


def values(result: Result, task: str) -> dict[str, Any]:
    return {key: score["value"] for key, score in result.metrics["scores"][task].items()}


def test_every_frame_has_the_estimate_and_the_label_of_its_stamp(tmp_path: Path) -> None:
    result = run(write(tmp_path / "bag"))
    (sensor,) = result.sensors
    estimates, labels = sensor.estimates, sensor.labels
    assert estimates.stamp_ns.tolist() == [stamp(index) for index in range(COUNT)]
    # Pairs need a partner 42 ms older, which the fourth frame is the first to have.
    assert estimates.valid.tolist() == [False] * 3 + [True] * (COUNT - 3)
    wanted = np.stack([force_n(index) for index in range(COUNT)])
    np.testing.assert_allclose(estimates.force_n[3:, ::2], wanted[3:, ::2], rtol=1e-6)
    np.testing.assert_allclose(estimates.force_n[5:, 1], 4 * (95 + np.arange(5, 30)) / 255, 1e-6)
    np.testing.assert_allclose(labels.force_n, wanted, rtol=1e-6)
    assert estimates.slipping.tolist() == [UNKNOWN] * 3 + [0] * (COUNT - 3)
    assert (sensor.recording, sensor.sensor, sensor.sensor_type) == ("bag", "left", "digit")
    assert sensor.frames["received"] == COUNT and sensor.frames["missing"] == 0
    assert sensor.notes == ()


def test_scores_by_hand(tmp_path: Path) -> None:
    result = run(write(tmp_path / "bag", indices=range(40)))
    force, slip, pose = (values(result, task) for task in ("force", "slip", "pose"))
    assert force["mae_x_mn"] == pytest.approx(0, abs=1e-3)
    assert force["mae_z_mn"] == pytest.approx(0, abs=1e-3)
    older = [4 * max(level(index - 5), 100) / 255 for index in range(3, 40)]
    assert force["mae_y_mn"] == pytest.approx(1e3 * np.mean(older), rel=1e-5)
    # It slips from frame 25 on, and is said to from frame 30 on.
    assert (slip["precision"], slip["recall"]) == (1, pytest.approx(10 / 15, rel=1e-5))
    assert slip["delay_mean_ms"] == pytest.approx(5 * PERIOD_NS * 1e-6, rel=1e-5)
    assert slip["missed_onsets"] == 0 and slip["false_alarms_per_minute"] == 0
    assert pose["accuracy"] == 1 and pose["accuracy_yaw"] is None  # the model does not tell yaw
    assert pose["labelled"] == 37 and pose["coverage"] < 1  # contact must have lasted


def test_the_same_bags_give_the_same_scores(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, indices=range(n)) for name, n in (("a", 25), ("b", 30))]
    texts = []
    for order in (paths, paths[::-1], [tmp_path]):
        metrics = dict(run(*order).metrics)
        metrics.pop("runtime")
        texts.append(json.dumps(metrics))
    assert texts[0] == texts[1] == texts[2]


def test_the_background_may_be_a_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "bare.png"), picture(51))
    bag = write(tmp_path / "bag", background=False)
    (sensor,) = run(bag, background=(tmp_path / "bare.png",)).sensors
    assert sensor.estimates.force_n[3:, 2] == pytest.approx(1.0)
    assert sensor.background == "file bare.png"


def test_without_one_the_background_is_the_first_half_second_that_is_still(tmp_path: Path) -> None:
    indices = range(45)
    with BagWriter(tmp_path / "bag", custom=DIGIT) as bag:
        for index in indices:
            bag.image("/left/image_raw", stamp(index), picture(51), "camera")
            bag.wrench("/left/ground_truth/force", stamp(index), np.zeros(3), "gel")
    (sensor,) = run(tmp_path / "bag").sensors
    assert sensor.background == "the first half second without motion"
    valid = sensor.estimates.valid
    assert not valid[:30].any() and valid[32:].all()
    assert sensor.estimates.force_n[32:, 2] == pytest.approx(1.0)
    assert sensor.estimates.reasons == ("no background",)


def test_a_gel_that_is_never_still_has_no_background(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", background=False, indices=range(0, 120, 3))
    with pytest.raises(RecordingError, match=r"no background \(40 frames\).*still.*--background"):
        run(bag)


def test_files_of_backgrounds_must_be_as_many_as_sensors(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag")
    with pytest.raises(RecordingError, match="wanted one file for each of 1 sensors"):
        run(bag, background=(tmp_path / "a.png", tmp_path / "b.png"))


def test_two_sensors_are_told_apart(tmp_path: Path) -> None:
    custom = DIGIT | {"sensor_profile:/right": "gelsight_2017"}
    bag = write(tmp_path / "bag", prefixes=("/left", "/right"), custom=custom)
    left, right = run(bag).sensors
    assert (left.sensor_type, right.sensor_type) == ("digit", "gelsight_2017")
    np.testing.assert_allclose(left.estimates.force_n[3:, 2], 5 * 100 / 255, rtol=1e-6)
    # This kind sees plain images, its background is grey 127, and its scale is another.
    np.testing.assert_allclose(right.estimates.force_n[3:, 2], 2 * 127 / 255, rtol=1e-6)
    assert np.isnan(right.labels.force_n).all()
    assert "force: no label topic, so it is not scored" in right.notes


def test_two_sensors_with_one_label_give_it_to_neither(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", custom=DIGIT | {"sensor_profile:/right": "digit"}) as bag:
        for index in range(COUNT):
            for prefix in ("/left", "/right"):
                bag.image(f"{prefix}/image_raw", stamp(index), picture(level(index)), "camera")
                bag.image(f"{prefix}/background", stamp(index), picture(BACKGROUND), "camera")
            bag.wrench("/ft", stamp(index), force_n(index), "gel")
    notes = " ".join(run(tmp_path / "bag").sensors[0].notes)
    assert "/ft may belong to any of" in notes and "--image-topics and --force-topics" in notes
    assert "force: no label topic" not in notes
    (sensor,) = run(tmp_path / "bag", image=("/right/image_raw",), force=("/ft",)).sensors
    assert np.isfinite(sensor.labels.force_n).all()


def test_a_missing_label_topic_costs_its_task_alone(tmp_path: Path) -> None:
    result = run(write(tmp_path / "bag", labels=["slip"]))
    assert list(result.metrics["scores"]) == ["contact", "slip"]
    notes = result.metrics["recordings"][0]["notes"]
    assert "force: no label topic, so it is not scored" in notes


def test_a_model_without_a_head_gets_no_score_of_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pipeline, "create_engine", lambda spec, device, heads, **_: FakeEngine(["force"])
    )
    result = run(write(tmp_path / "bag", labels=["force", "slip"]))
    slip = values(result, "slip")
    assert (slip["labelled"], slip["coverage"]) == (COUNT, 0)
    unknown = ("precision", "recall", "f1", "published_f1", "average_precision")
    assert [slip[name] for name in unknown] == [None] * 5
    assert result.metrics["threshold_sweep"] == {}


def test_without_any_label_there_are_estimates_and_no_scores(tmp_path: Path) -> None:
    result = run(write(tmp_path / "bag", labels=[]))
    assert result.metrics["scores"] == {}
    assert np.isfinite(result.sensors[0].estimates.force_n[5:]).all()
    assert "force: no label topic, so it is not scored" in result.sensors[0].notes


def test_clocks_that_never_meet_are_named_with_both_spans(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", custom=DIGIT) as bag:
        bag.image("/left/background", stamp(0), picture(BACKGROUND), "camera")
        for index in range(COUNT):
            bag.image("/left/image_raw", stamp(index), picture(level(index)), "camera")
            bag.wrench("/left/ground_truth/force", 5_000_000_000 + index, np.zeros(3), "gel")
    (note,) = (n for n in run(tmp_path / "bag").sensors[0].notes if "clocks" in n)
    assert "from 1700000000.0 s to 1700000000.5 s, the labels of" in note and "from 5.0 s" in note


def test_images_without_stamps_take_the_times_of_the_log(tmp_path: Path) -> None:
    with InOrder(tmp_path / "bag", custom=DIGIT) as bag:
        bag.step_ns = PERIOD_NS
        bag.image("/left/background", stamp(0), picture(BACKGROUND), "camera")
        for index in range(COUNT):
            bag.image("/left/image_raw", 0, picture(level(index)), "camera")
    (sensor,) = run(tmp_path / "bag").sensors
    assert len(sensor.estimates) == COUNT
    assert (np.diff(sensor.estimates.stamp_ns) == PERIOD_NS).all()
    assert f"/left/image_raw: {COUNT} messages have no stamp" in " ".join(sensor.notes)


def test_labels_of_another_time_are_told(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", custom=DIGIT) as bag:
        bag.image("/left/background", stamp(0), picture(BACKGROUND), "camera")
        for index in range(COUNT):
            bag.image("/left/image_raw", stamp(index), picture(level(index)), "camera")
            write_labels(bag, "/left", index + 1000 * (index >= 20), ["force"])
    result = run(tmp_path / "bag")
    assert result.metrics["recordings"][0]["unaligned"]["force"] != {}
    assert 0 < values(result, "force")["labelled"] < COUNT


def test_a_bag_without_images_is_skipped_with_a_sentence(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "none") as bag:
        bag.wrench("/left/ground_truth/force", stamp(0), np.zeros(3), "gel")
    with pytest.raises(RecordingError, match="none: bag: wanted images"):
        run(tmp_path / "none")
    write(tmp_path / "whole")
    result = run(tmp_path)
    assert list(result.skipped) == ["none"]
    assert values(result, "force")["labelled"] == COUNT


def test_a_bag_of_an_unknown_kind_costs_no_other_its_result(tmp_path: Path) -> None:
    write(tmp_path / "odd", custom={"sensor_profile:/left": "thumb"})
    write(tmp_path / "whole")
    result = run(tmp_path)
    assert "none of digit" in result.skipped["odd"] and "thumb" in result.skipped["odd"]
    assert [sensor.recording for sensor in result.sensors] == ["whole"]


def test_a_truncated_bag_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = next(write(tmp_path / "whole", indices=range(120)).glob("*.mcap"))
    whole.with_name("metadata.yaml").unlink()
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) * 2 // 3])
    (sensor,) = run(tmp_path / "whole", sensor_type="digit").sensors
    assert 10 < len(sensor.estimates) < 120
    assert np.isfinite(sensor.labels.force_n[3:-1]).all()
    assert any("ended" in note or "damaged" in note for note in sensor.notes)


def test_after_a_clock_that_steps_back_frames_meet_their_own_labels(tmp_path: Path) -> None:
    result = run(write(tmp_path / "bag", indices=[*range(10, 40), *range(0, 30)]))
    (sensor,) = result.sensors
    assert sensor.frames["clock_steps"] == 1
    assert len(sensor.estimates) == 60
    assert values(result, "force")["mae_x_mn"] == pytest.approx(0, abs=1e-3)
    assert any("step back" in note for note in sensor.notes)
    assert int((~sensor.estimates.valid).sum()) == 6  # three of each stretch have no partner


def test_labels_that_begin_after_the_clock_stepped_back_are_not_those_of_before(
    tmp_path: Path,
) -> None:
    with InOrder(tmp_path / "bag", custom=DIGIT) as bag:
        bag.image("/left/background", stamp(0), picture(BACKGROUND), "camera")
        for number, index in enumerate([*range(30), *range(30)]):
            bag.image("/left/image_raw", stamp(index), picture(level(index)), "camera")
            if number >= 30:
                write_labels(bag, "/left", index, ["force", "slip"])
    (sensor,) = run(tmp_path / "bag").sensors
    for known in (np.isfinite(sensor.labels.force_n[:, 0]), sensor.labels.slipping != UNKNOWN):
        assert known.tolist() == [False] * 30 + [True] * 30


def test_frames_that_are_lacking_late_or_twice_are_counted(tmp_path: Path) -> None:
    indices = [*range(10), *range(13, 20), 21, 20, 22, 22, 23]
    (sensor,) = run(write(tmp_path / "bag", indices=indices)).sensors
    frames = sensor.frames
    assert (frames["missing"], frames["late"], frames["duplicates"]) == (4, 1, 1)
    # The late frame and the one that came twice have no estimate of their own.
    assert len(sensor.estimates) == len(indices) - 2


def test_the_worst_frames_come_with_their_images(tmp_path: Path) -> None:
    still_n = np.array([4, 4, 5]) * BACKGROUND / 255
    with BagWriter(tmp_path / "bag", custom=DIGIT) as bag:
        bag.image("/left/background", stamp(0), picture(BACKGROUND), "camera")
        for index in range(200):
            bag.image("/left/image_raw", stamp(index), picture(BACKGROUND), "camera")
            error = 3.0 if index == 123 else 0.5 if index == 20 else 0.0
            bag.wrench("/left/ground_truth/force", stamp(index), still_n + error, "gel")
    path = tmp_path / "bag"
    (sensor,) = with_worst_frames(run(path), {"bag": path}).sensors
    worst = [frame for frame in sensor.shown_frames if frame.task == "force"]
    assert [frame.row for frame in worst[:2]] == [123, 20]
    assert worst[0].stamp_ns == stamp(123)
    expected = sensor.estimates.force_n[123] - sensor.labels.force_n[123]
    assert worst[0].error == pytest.approx(1e3 * np.linalg.norm(expected), rel=1e-5)
    decoded = cv2.imdecode(np.frombuffer(worst[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == IMAGE_SHAPE and abs(int(decoded[0, 0, 0]) - BACKGROUND) < 3
    rows = sorted(frame.row for frame in worst)
    assert np.diff(rows).min() * PERIOD_NS >= 990_000_000  # a second from each other
    evenly = [frame.row for frame in sensor.shown_frames if frame.task == ""]
    assert len(evenly) == 24 and (evenly[0], evenly[-1]) == (0, 199)


def test_progress_is_told_with_the_number_of_frames(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    evaluate([write(tmp_path / "bag")], MODEL, progress=lambda *step: told.append(step))
    assert told[0] == ("bag", 1, COUNT) and told[-1] == ("bag", COUNT, COUNT)


def test_a_kind_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", custom={})
    with pytest.raises(RecordingError, match="do not tell which type.*--sensor digit or"):
        run(bag)
    assert run(bag, sensor_type="digit").sensors[0].sensor_type_source == "given"
