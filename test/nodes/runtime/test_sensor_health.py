# SPDX-License-Identifier: Apache-2.0
"""What is said of a camera that is well, and of one that is not."""

from __future__ import annotations

import math

import pytest

from sparsh_ros.msg import Slip
from sparsh_ros.nodes.runtime.diagnostics import ERROR, OK, WARN
from sparsh_ros.nodes.runtime.sensor_health import sensor_report
from sparsh_ros.sensors import SensorStatus

WELL = {
    "name": "DIGIT D1",
    "running": True,
    "connected": True,
    "finished": False,
    "frames": 600,
    "overwritten": 0,
    "skipped": 2,
    "refused": 3,
    "errors": 1,
    "usb_errors": 4,
    "faults": {"torn": 3, "hang": 1},
    "reopened": 1,
    "rate_hz": 59.9,
    "nominal_hz": 60.0,
    "frame_age_s": 0.01,
    "saturated": 0.001,
    "last_error": "DIGIT D1: torn",
}


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        ({}, OK, "running"),
        ({"nominal_hz": math.nan}, OK, "running"),
        ({"rate_hz": math.nan}, OK, "running"),
        (
            {"rate_hz": math.nan, "saturated": math.nan, "frame_age_s": math.nan},
            *(WARN, "no frame yet"),
        ),
        ({"rate_hz": 30.02}, WARN, "wanted 60 frames/s, found 30.0"),
        ({"frame_age_s": 0.7}, WARN, "no frame for 0.7 s"),
        ({"saturated": 0.31}, WARN, "31% of the image is saturated"),
        ({"connected": False, "last_error": "no DIGIT"}, ERROR, "not connected: no DIGIT"),
        ({"running": False}, OK, "waiting for listeners"),
        ({"running": False, "finished": True}, WARN, "the recording is at its end"),
    ],
)
def test_the_level_and_the_sentence(found: dict, level: bytes, words: str) -> None:
    report = sensor_report(SensorStatus(**WELL | found), "D1")
    assert report.level == level
    assert report.message.startswith(words)


def test_the_numbers() -> None:
    values = sensor_report(SensorStatus(**WELL), "D1").values
    assert values["faults"] == "3 torn, 1 hang"
    assert (values["serial"], values["USB errors"], values["reopened"]) == ("D1", 4, 1)
    assert (values["rate (Hz)"], values["nominal rate (Hz)"]) == (59.9, 60.0)
    assert values["saturated (%)"] == pytest.approx(0.1)


def test_two_troubles_make_two_sentences() -> None:
    report = sensor_report(SensorStatus(**WELL | {"rate_hz": 15.0, "saturated": 0.5}), "")
    assert "found 15.0; 50% of the image" in report.message
    assert report.values["serial"] == "unknown"


def test_estimates_end_with_each_fault_and_come_back(outsider, start_graph, cameras) -> None:
    cameras.plug("digit", "D7", "1-1")
    slips = outsider.listen(Slip, "/frail/slip", 100)
    graph = start_graph(namespace="frail", source="camera", serial="D7")

    def wait_until(valid: bool, what: str) -> None:
        outsider.wait_for(lambda: slips and slips[-1].valid == valid, what)

    def wait_for_health(words: str) -> None:
        def told() -> bool:
            health = outsider.diagnostics.get("frail/sensor: digit", {})
            return words in health.get("message", "") + health.get("faults", "")

        outsider.wait_for(told, f"{words} on /diagnostics")

    wait_until(True, "valid estimates")
    for fault in ("frozen", "hang", "torn"):
        cameras.misbehave("D7", fault)
        wait_until(False, f"the end of estimates: {fault}")
        wait_for_health(fault)
        cameras.misbehave("D7", "")
        wait_until(True, f"valid estimates after {fault}")
    cameras.unplug("D7")
    wait_until(False, "the end of estimates: unplugged")
    wait_for_health("not connected")
    cameras.plug("digit", "D7", "2-4")
    wait_until(True, "valid estimates from another port")
    health = outsider.diagnostics["frail/sensor: digit"]
    assert health["serial"] == health["hardware_id"] == "D7"
    # After it hung and after it was unplugged; single broken frames cost no more than themselves.
    assert int(outsider.diagnostics["frail/sensor: digit"]["reopened"]) >= 2
    assert graph.stop() == 0
    assert "Traceback" not in graph.log


@pytest.mark.parametrize(("found_hz", "advice"), [(31.0, 30), (23.9, 20), (2.0, 5)])
def test_a_gel_that_cannot_be_simulated_in_time_is_no_fault_of_a_camera(found_hz, advice) -> None:
    report = sensor_report(SensorStatus(**WELL | {"rate_hz": found_hz}), "", simulated=True)
    assert report.message == (
        f"machine too slow to simulate the gel: wanted 60 frames/s, found {found_hz}; "
        f"try fps:={advice}"
    )
