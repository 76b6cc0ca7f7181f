# SPDX-License-Identifier: Apache-2.0
"""When the watch ends a run: by the time that the hand is driven, not by the time of starting."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from fixtures.program import PATIENCE_S, program
from fixtures.waiting import until

from sparsh_ros.nodes.topics import qos

VALUES = {"state": "running", "reflex": "follow", "late": "0", "missed": "0", "age_ms": "40.0"}
DRIVING = DiagnosticStatus(values=[KeyValue(key=key, value=VALUES[key]) for key in VALUES])


def watch(folder, **limits: float):
    """A watch in a process of its own, with its report in this folder."""
    parameters = {"out": folder, **limits}.items()
    options = [word for name, value in parameters for word in ("-p", f"{name}:={value}")]
    return program("sparsh_ros.nodes.maze.watch", "--ros-args", *options)


def test_only_the_time_in_which_the_hand_is_driven_counts(outsider, tmp_path):
    controller = outsider.node.create_publisher(DiagnosticStatus, "controller_state", qos.RELIABLE)
    with watch(tmp_path, longest_s=1.0, start_s=1000.0) as running:
        running.wait_for(lambda said: said.count("waiting for touch") > 2, "a line a second")

        def drive_until_it_ends() -> bool:
            controller.publish(DRIVING)
            return not running.is_running

        until(drive_until_it_ends, PATIENCE_S)
        assert running.wait() == 0
    outsider.destroy(controller)
    assert "not finished: running" in running.said and "Traceback" not in running.said
    assert "not finished: running" in (tmp_path / "report.html").read_text()


def test_a_run_that_does_not_begin_is_ended(tmp_path):
    with watch(tmp_path, longest_s=1000.0, start_s=1.0) as running:
        assert running.wait() == 0
    assert "it never began" in running.said and "Traceback" not in running.said
    assert "it never began" in (tmp_path / "report.html").read_text()
