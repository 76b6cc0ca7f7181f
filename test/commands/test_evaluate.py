# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros evaluate` as a command, with the model that ships."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest

from sparsh_ros import cli
from sparsh_ros.cli import evaluate as program
from sparsh_ros.commands.simulation.simulate import record_bag
from sparsh_ros.evaluation.evaluator import Evaluator
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import open_bag, profile_key
from sparsh_ros.training.episodes import SimulatedTouch

SECONDS = 0.5


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two simulated touches as bags."""
    folder = tmp_path_factory.mktemp("bags")
    for index in (0, 3):
        record_bag(folder / f"touch_{index}", SimulatedTouch("test", 0, index), SECONDS)
    return folder


@pytest.fixture(scope="module")
def out(bags: Path) -> Path:
    """Where the first evaluation of them wrote to."""
    folder = bags.with_name(bags.name + "_out")
    assert cli.main(["evaluate", str(bags), "--device", "cpu", "--out", str(folder)]) == 0
    return folder


def read(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_scores_are_those_of_a_second_run_to_the_last_digit(
    bags: Path, out: Path, tmp_path: Path
) -> None:
    arguments = ["evaluate", str(bags), "--device", "cpu", "--out", str(tmp_path)]
    assert cli.main([*arguments, "--workers", "2"]) == 0  # in two other processes
    first, second = read(out), read(tmp_path)
    runtime = second.pop("runtime")
    assert first.pop("runtime").keys() == runtime.keys()
    assert json.dumps(first) == json.dumps(second)


def test_metrics_tell_what_was_evaluated(out: Path) -> None:
    metrics = read(out)
    assert metrics["schema"] == 3
    assert [(e["name"], e["sensor_type"]) for e in metrics["recordings"]] == [
        ("touch_0", "digit"),
        ("touch_3", "gelsight_mini"),
    ]
    assert metrics["scores"]["force"]["labelled"]["value"] == 60
    assert 0 < metrics["scores"]["force"]["mae_z_mn"]["value"] < 5000
    assert metrics["runtime"]["frames"] == 60


def test_the_report_lies_beside_the_metrics(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "touch_3" in page


def test_the_table_says_scores_and_speed(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # As `ros2 run sparsh_ros evaluate` calls it.
    arguments = [str(bags / "touch_0"), "--device", "cpu", "--out", str(tmp_path)]
    assert program.main(arguments) == 0
    text = capsys.readouterr().out
    assert f"{DEFAULT_MODEL} on 1 recording" in text and "RMSE of the norm" in text
    assert "frames/s" in text and "frames without an estimate: 3 no partner frame" in text


def test_a_comparison_is_printed(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(out / "metrics.json")
    assert cli.main(["evaluate", "--compare", path, path]) == 0
    text = capsys.readouterr().out
    assert "B - A" in text and "MAE z" in text and f"A: {DEFAULT_MODEL}, {path}" in text


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command ends, which must exit with 1."""
    assert cli.main(["evaluate", *arguments]) == 1
    return capsys.readouterr().err


def test_nothing_to_evaluate_ends_with_a_sentence(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagWriter(tmp_path / "bare") as bag:
        bag.slip("/left/ground_truth/slip", 1, False, False, "gel")
    cases = {
        "wanted bags, found none": [],
        "bag /nowhere: not found": ["/nowhere"],
        "bare: bag: wanted images": [str(tmp_path / "bare"), "--device", "cpu"],
        "model 'no-such': unknown": [str(tmp_path / "bare"), "--model", "no-such"],
        "cannot be read": ["--compare", str(out / "metrics.json"), "/nowhere.json"],
    }
    for sentence, arguments in cases.items():
        assert sentence in refusal(arguments, capsys)
    assert not (tmp_path / "evaluation").exists()


def test_numbers_that_cannot_be_are_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", str(tmp_path), "--seed", "-1"]) == 1
    assert "--seed: wanted" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["evaluate", str(tmp_path), "--threads", "0"])
    assert "--threads: wanted a whole number above 0" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_said(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    arguments = [str(bags / "touch_0"), "--device", "cpu", "--out", str(blocked)]
    assert "wanted a folder that can be written to" in refusal(arguments, capsys)


def test_one_bad_bag_does_not_lose_the_others(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    bad = tmp_path / "bad\x1b[2J.mcap"
    bad.write_bytes(b"no bag")
    paths = [str(bags / "touch_0"), str(bad), "/nowhere", str(bags / "touch_3")]
    arguments = ["evaluate", *paths, "--device", "cpu", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 1
    text = capsys.readouterr().out
    assert "skipped bad" in text and "skipped nowhere: bag /nowhere: not found" in text
    assert "\x1b[2J" not in text
    metrics = read(tmp_path / "out")
    assert [entry["name"] for entry in metrics["recordings"]] == ["touch_0", "touch_3"]


def test_an_error_that_nobody_expected_costs_one_recording(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    run = Evaluator.run

    def fail_once(self, bag, name, progress):
        if name == "touch_0":
            raise ZeroDivisionError("oops")
        return run(self, bag, name, progress)

    monkeypatch.setattr(Evaluator, "run", fail_once)
    assert cli.main(["evaluate", str(bags), "--device", "cpu", "--out", str(tmp_path)]) == 1
    assert "skipped touch_0: ZeroDivisionError: oops" in capsys.readouterr().out
    assert [entry["name"] for entry in read(tmp_path)["recordings"]] == ["touch_3"]


def test_without_labels_there_are_estimates_and_plots(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_bag(bags / "touch_0") as bag, BagWriter(tmp_path / "bare") as bare:
        images = [topic.name for topic in bag.topics if "image" in topic.name]
        images += [topic.name for topic in bag.topics if "background" in topic.name]
        for message in bag.messages(images):
            bare.raw(message.topic, message.type, message.log_time_ns, message.data)
        bare.note(profile_key("/tactile"), "digit")
    out = tmp_path / "out"
    assert cli.main(["evaluate", str(tmp_path / "bare"), "--device", "cpu", "--out", str(out)]) == 0
    assert read(out)["scores"] == {}
    assert "No recording has a label of force" in (out / "report.html").read_text()
    with (out / "estimates" / "bare_tactile.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and rows[0]["reason"] == "no partner frame"
    with open_bag(out / "estimates" / "bare_tactile.mcap") as bag:
        messages = bag.messages(["/tactile/force"])
        forces = {m.log_time_ns: bag.decode(m).wrench.force.z for m in messages}
    last = rows[-1]
    assert forces[int(last["stamp_ns"])] == pytest.approx(float(last["Fz_N"]), rel=1e-5)


def test_after_ctrl_c_the_report_is_of_what_was_done(
    bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Whoever starts the tests in the background may have let it be ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    run = Evaluator.run

    def interrupted_in_the_second(evaluator, bag, name, progress):
        if name == "touch_3":
            signal.raise_signal(signal.SIGINT)
        return run(evaluator, bag, name, progress)

    monkeypatch.setattr(Evaluator, "run", interrupted_in_the_second)
    arguments = ["evaluate", str(bags), "--device", "cpu", "--out", str(tmp_path)]
    try:
        assert cli.main(arguments) == cli.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped, 1 of 2 evaluated; the report is of these" in capsys.readouterr().err
    assert [entry["name"] for entry in read(tmp_path)["recordings"]][0] == "touch_0"
    assert (tmp_path / "report.html").is_file()
