# SPDX-License-Identifier: Apache-2.0
"""The graph under the clock: what is started, what is counted, and one real run of each part."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest

from sparsh_ros.bench.results import Row
from sparsh_ros.cli import main
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.nodes.bench import graph, plain, startup
from sparsh_ros.nodes.bench.graph import Case
from sparsh_ros.nodes.graph.graph import processes
from sparsh_ros.reports.graph_log import Record

MS = 1_000_000
OPTIONS = argparse.Namespace(
    model=DEFAULT_MODEL, engine="float32", seconds=0.5, realtime_priority=0
)


def record(sensor: str, frames: int, missed: int, latency_ms: float) -> Record:
    """What is heard of a sensor at 50 frames/s whose last frames had no slip message."""
    made = Record()
    for index in range(frames - missed):
        stamp_ns = index * 20 * MS
        made.slip.append(stamp_ns, stamp_ns + round(latency_ms * MS), 1, 1, 0, 0.5, 0.5)
    made.counters[f"tactile/{sensor}/sensor: {sensor}"] = {"frames grabbed": str(frames)}
    return made


def test_what_is_counted_is_that_of_all_sensors() -> None:
    records = [record("s1", 100, 0, 10.0), record("s2", 100, 4, 30.0)]
    found = graph.summarise(records, Case(2, 50.0), cores=1.25)
    assert (found["NUM_FRAMES_SENT"], found["NUM_MISSED_FRAMES"]) == (200, 4)
    assert found["MEAN_FRAME_RATE"] == pytest.approx(50.0)
    assert found["LATENCY_P50"] == pytest.approx(10.0) and found["MAX_LATENCY"] == 30.0
    assert found["MAX_JITTER"] == pytest.approx(0.0) and found["CPU_UTILIZATION"] == 1.25


def test_frames_that_a_sensor_had_no_time_to_make_are_missed_too() -> None:
    made = record("s1", 90, 0, 10.0)
    made.counters["tactile/s1/sensor: s1"] |= {"frames skipped": "10"}
    found = graph.summarise([made], Case(1, 50.0), cores=1.0)
    assert (found["NUM_FRAMES_SENT"], found["NUM_MISSED_FRAMES"]) == (100, 10)


@pytest.mark.parametrize(("missed", "best"), [([0, 4, 5], 160), ([0, 6, 0], 90), ([6], None)])
def test_the_highest_rate_loses_less_than_a_twentieth(missed: list[int], best: int | None) -> None:
    left = iter(missed)
    cases = [Case(1, fps) for fps in (90, 120, 160)]

    def measured(_case: Case) -> dict[str, float]:
        return {"NUM_FRAMES_SENT": 100, "NUM_MISSED_FRAMES": next(left)}

    found = graph.find_highest(cases, measured)
    assert [case.fps for case, _ in found] == ([] if best is None else [best])


def test_several_sensors_have_processes_of_their_own() -> None:
    values = Case(3, 30.0).values(OPTIONS)
    assert values["names"] == ["s1", "s2", "s3"] or values["names"] == ("s1", "s2", "s3")
    assert len(list(processes(values))) == 4
    assert Case(1, 60.0).name == "1 sensor at 60 frames/s"


def test_threads_are_ranked_and_those_of_one_repeat_alone_count_as_idle_in_the_others() -> None:
    repeats = [{"THREAD_MS a: main": 2.0, "X": 1.0}, {"THREAD_MS a: main": 4.0, "X": 1.0}]
    repeats[1]["THREAD_MS b: encoder"] = 9.0
    repeats[1]["THREAD_MS b: sleeper"] = 0.001
    found = graph.thread_rows(Row.of("case", repeats))
    assert [(row.name, str(row.quantities[graph.THREAD])) for row in found] == [
        ("b: encoder", "4.50 (0.00 to 9.00)"),
        ("a: main", "3.00 (2.00 to 4.00)"),
    ]


def test_the_command_writes_repeats_and_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = iter([10.0, 30.0, 12.0, 29.0, 11.0, 31.0])

    def measure(case: Case, _options: argparse.Namespace) -> dict[str, float]:
        return dict.fromkeys(graph.COLUMNS, 0.0) | {"MEAN_FRAME_RATE": next(rates)}

    monkeypatch.setattr(graph, "measure", measure)
    monkeypatch.setattr(graph, "isolated_environment", dict)
    path = tmp_path / "graph.json"
    assert main(["bench", "graph", "--fps", "10", "30", "--anyway", "--out", str(path)]) == 0
    cases = json.loads(path.read_text())["cases"]
    assert [case["MEAN_FRAME_RATE"]["median"] for case in cases] == [11.0, 30.0]
    assert [case["name"] for case in cases] == [Case(1, 10).name, Case(1, 30).name]


def test_the_page_draws_what_more_sensors_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(case: Case, _options: argparse.Namespace) -> dict[str, float]:
        return dict.fromkeys(graph.COLUMNS, 4.5) | {"CPU_UTILIZATION": 0.5 * case.sensors}

    monkeypatch.setattr(graph, "measure", measure)
    monkeypatch.setattr(graph, "isolated_environment", dict)
    path = tmp_path / "graph.html"
    asked = ["--sensors", "4", "1", "--fps", "30", "60", "--report", str(path), "--anyway"]
    assert main(["bench", "graph", *asked, "--runs", "1"]) == 0
    page = path.read_text()
    assert page.count("<svg") == len(graph.GROWING)
    assert "4 sensors at 60 frames/s" in page and "2.00 (2.00 to 2.00)" in page
    assert main(["bench", "graph", "--report", str(tmp_path / "none" / "page.html")]) == 1
    cases = [Case(4, 30.0), Case(1, 60.0), Case(1, 30.0)]
    rows = [Row.of(case.name, [measure(case, OPTIONS)]) for case in cases]
    found = graph.growing(cases, rows, "CPU_UTILIZATION")
    assert found == {"60 frames/s": ([1], [0.5]), "30 frames/s": ([1, 4], [0.5, 2.0])}


def test_a_real_graph_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in graph.isolated_environment().items():
        monkeypatch.setitem(os.environ, name, value)
    found = graph.measure(Case(1, 20.0), OPTIONS)
    assert found["NUM_FRAMES_SENT"] >= 1 and found["NUM_MISSED_FRAMES"] >= 0
    assert 0.0 < found["LATENCY_P50"] <= found["LATENCY_P99"] <= found["MAX_LATENCY"]
    assert found["CPU_UTILIZATION"] > 0.0


def test_the_baseline_takes_the_place_of_perception(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    for name, value in graph.isolated_environment().items():
        monkeypatch.setitem(os.environ, name, value)
    case = Case(1, 10.0, "sparsh-sim-micro")
    started = plain.processes(case.values(OPTIONS), case.baseline)
    assert [one.executable for one in started] == ["sensor", plain.EXECUTABLE]
    found = graph.measure(case, OPTIONS)
    assert found["MEAN_FRAME_RATE"] > 0.0 and found["LATENCY_P50"] > 0.0


def test_a_real_start_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in graph.isolated_environment().items():
        monkeypatch.setitem(os.environ, name, value)
    found = startup.measure(Case(1, 60.0), OPTIONS)
    assert 0.0 < found["FIRST_ESTIMATE_MS"] <= found["FIRST_VALID_MS"]
