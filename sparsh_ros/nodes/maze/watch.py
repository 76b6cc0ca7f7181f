# SPDX-License-Identifier: Apache-2.0
"""Watches a run in the simulated bead maze: progress on the screen, and in the end a report.

Hears `bead`, `wire_length`, `controller_state`, `grip_command` and the force that both fingertips
feel. When the bead is at the end of the wire, the run was stopped, its time is over or it does not
begin, it stops the controller and ends, and with it the graph that it was started in. The time of
the run is that since the controller began to drive: a machine that is slow to start loses none.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import Float64
from std_srvs.srv import Trigger

from sparsh_ros.msg import ForceWithCovariance
from sparsh_ros.names import DIAGNOSTICS
from sparsh_ros.nodes.help import node_main
from sparsh_ros.nodes.maze.settings import WATCH
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.clocks import steady_clock
from sparsh_ros.nodes.runtime.diagnostics import Report
from sparsh_ros.nodes.runtime.endpoints import Input
from sparsh_ros.nodes.runtime.lifecycle_node import ManagedNode
from sparsh_ros.nodes.runtime.signals import request_stop
from sparsh_ros.nodes.topics import qos
from sparsh_ros.policies.session import IDLE, STOPPED
from sparsh_ros.policies.touch import SIDES
from sparsh_ros.reports.maze_run import Decided, RunRecord, write_report

REPORT_FILE = "report.html"
_EVERY_S = 1.0


class WatchNode(ManagedNode):
    """Listens to one run."""

    def __init__(self) -> None:
        """Declare the parameters; SparshError where one is not allowed."""
        super().__init__("bead_maze_watch", WATCH)
        self.record = RunRecord()
        self._timer = None
        self._inputs: list[Input] = []
        self._active_s = time.monotonic()
        self._has_ended = False

    def _configure(self) -> None:
        self._inputs = [
            Input(self, Float64, "bead", qos.RELIABLE, partial(self._keep, self.record.bead)),
            Input(self, Float64, "wire_length", qos.LATCHED, self._on_length),
            Input(self, Float64, "grip_command", qos.RELIABLE, self._on_grip),
            Input(self, DiagnosticStatus, "controller_state", qos.RELIABLE, self._on_state),
            Input(self, DiagnosticArray, DIAGNOSTICS, qos.RELIABLE, self._on_diagnostics),
            *(
                Input(
                    self,
                    ForceWithCovariance,
                    f"{side}/force_with_covariance",
                    qos.RELIABLE,
                    partial(self._on_force, side),
                )
                for side in SIDES
            ),
        ]
        self._stop = self.create_client(Trigger, "bead_maze_controller/stop")

    def _activate(self) -> None:
        self._active_s = time.monotonic()
        self._timer = self.create_timer(_EVERY_S, self._look, clock=steady_clock())

    def _deactivate(self) -> None:
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None

    def _cleanup(self) -> None:
        """Write the report of what was heard, once."""
        if not self._inputs:
            return
        self._inputs = []
        out = Path(self._params["out"])
        film = Path(self._params["film"]).name
        write_report(out / REPORT_FILE, self.record, film, self._facts())
        self._print(f"{self._sentence()}\nreport:  {out / REPORT_FILE}")

    def _reports(self) -> Mapping[str, Report]:
        return {"run": Report(values={"bead_m": self.record.bead_m})}

    def _keep(self, pairs: list[tuple[float, float]], message: Float64, *_: object) -> None:
        pairs.append((time.monotonic(), message.data))
        if pairs is self.record.bead and self.record.is_finished:
            self._finish()

    def _on_grip(self, message: Float64, *_: object) -> None:
        self._keep(self.record.grips, message)

    def _on_length(self, message: Float64, *_: object) -> None:
        self.record.length_m = message.data

    def _on_force(self, side: str, message: ForceWithCovariance, *_: object) -> None:
        if message.valid:
            self.record.loads[side].append((time.monotonic(), message.force.z))

    def _on_diagnostics(self, message: DiagnosticArray, *_: object) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            if "bead_maze_world" in status.name and "late" in values:
                self.record.world_late = int(values["late"])

    def _on_state(self, message: DiagnosticStatus, *_: object) -> None:
        values = {item.key: item.value for item in message.values}
        if values["state"] == IDLE or self._has_ended:
            return
        self.record.decided.append(
            Decided(
                time.monotonic(),
                values["state"],
                values["reflex"],
                message.message,
                float(values["age_ms"]),
                int(values["late"]),
                int(values["missed"]),
            )
        )
        if values["state"] == STOPPED:
            self._finish()

    def _look(self) -> None:
        """Say how far it is, and whether it has been long enough."""
        self._print(self._line())
        if self._is_over():
            self._finish()

    def _is_over(self) -> bool:
        now_s, decided = time.monotonic(), self.record.decided
        if not decided:
            return now_s - self._active_s > self._params["start_s"]
        return now_s - decided[0].time_s > self._params["longest_s"]

    def _line(self) -> str:
        record = self.record
        if not record.decided:
            return "waiting for touch"
        last = record.decided[-1]
        doing = f"{last.reflex or 'waits'} {last.reason}".strip()
        grip_n = record.grips[-1][1] if record.grips else 0.0
        figures = record.figures()
        return (
            f"{figures['time_s']:5.1f} s  bead {figures['distance_cm']:5.1f} of "
            f"{figures['length_cm']:.1f} cm  grip {grip_n:4.1f} N  {figures['rate_hz']:5.2f} Hz  "
            f"missed {last.missed}  {doing}"
        )

    def _sentence(self) -> str:
        figures = self.record.figures()
        return (
            f"{self.record.end}: {figures['distance_cm']:.1f} of {figures['length_cm']:.1f} cm in "
            f"{figures['time_s']:.1f} s; control {figures['rate_hz']:.2f} Hz, "
            f"{figures['missed']:.0f} periods missed, {figures['late']:.0f} decisions late, "
            f"{figures['waited']:.0f} periods waited; image to command "
            f"{figures['age_p50_ms']:.0f} ms (p50), {figures['age_p99_ms']:.0f} ms (p99)"
        )

    def _finish(self) -> None:
        """Have the arm stopped; the end of this process is then that of its graph."""
        if not self._has_ended:
            self._has_ended = True
            self._stop.call_async(Trigger.Request())
            request_stop()

    def _facts(self) -> dict[str, str]:
        return {
            "steps of the simulation that took too long": str(self.record.world_late),
            "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
            "Python": platform.python_version(),
            "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        }

    def _print(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


main = node_main(
    "bead_maze_watch", WATCH, lambda arguments: spin.run(lambda: [WatchNode()], arguments)
)


if __name__ == "__main__":
    sys.exit(main())
