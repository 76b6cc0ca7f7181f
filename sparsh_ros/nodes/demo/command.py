# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros demo`: the real graph in processes of its own, watched from outside for a while.

The sensor and the perception process talk over the middleware exactly as on a robot; this process
only listens. It shows what comes, checks that every frame is accounted for, and writes a report.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rich.console import Console

from sparsh_ros.arguments import Value
from sparsh_ros.errors import ParameterError, SensorError
from sparsh_ros.nodes.demo import table
from sparsh_ros.nodes.demo.observer import listening
from sparsh_ros.nodes.graph import run as graph_runner
from sparsh_ros.nodes.graph.graph import Arguments
from sparsh_ros.nodes.graph.sensors import find_source
from sparsh_ros.nodes.runtime.isolation import isolated_environment
from sparsh_ros.nodes.runtime.signals import StopRequest
from sparsh_ros.nodes.settings import SENSORS
from sparsh_ros.reports.demo import write_report
from sparsh_ros.reports.graph_log import Record
from sparsh_ros.sensors.cameras.v4l2 import Host
from sparsh_ros.sensors.drivers import hide_password

_STARTUP_S = 60.0
_REDRAW_S = 0.25
_LOG_LINES_SHOWN = 12


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when estimates came and all processes ended well."""
    values = _values(options)
    isolation = isolated_environment()
    os.environ.update(isolation)
    options.out.mkdir(parents=True, exist_ok=True)
    report, log_path = options.out / "report.html", options.out / "report.log"
    console = Console()
    hint = " ".join(f"{name}={value}" for name, value in isolation.items())
    introduction = f"{_title(values)}. To listen from another terminal: {hint}"
    console.print(introduction, highlight=False, soft_wrap=True)
    stop = StopRequest()
    with_truth = values["source"] == "simulated"
    with log_path.open("w") as log, listening(values["namespace"], with_truth) as [record]:
        running = graph_runner.RunningGraph(values, log)
        try:
            _watch(console, record, running, stop, options.duration)
        finally:
            exit_code = running.stop()
    if stop and not len(record.slip):
        raise KeyboardInterrupt
    if exit_code or not len(record.slip):
        raise SensorError(f"demo: {_what_went_wrong(record, exit_code)}\n{_tail(log_path)}")
    for line in table.summary_lines(record):
        console.print(line, highlight=False, soft_wrap=True)
    write_report(record, report, _title(values), _facts(values, record))
    console.print(f"report:  {report}", highlight=False, soft_wrap=True)
    return 0


def _values(options: argparse.Namespace) -> Arguments:
    # The encoder and the observer: none of them shall miss the beginning.
    values = graph_runner.values_from(options) | {"listeners": 2}
    if values["sensors"] or len(values["names"]) > 1:
        found = values["sensors"] or values["names"]
        raise ParameterError(f"demo: wanted one sensor, found {found}")
    if values["source"] == "auto":
        unasked = values | {"touch": SENSORS["touch"].value}
        values["source"] = find_source(unasked, Host().cameras)
    if values["source"] != "simulated":
        values["touch"] = SENSORS["touch"].value
    recording = Path(values["input"])
    if values["source"] == "video" and recording.exists():
        values["loop"] = True
        values["background"] = values["background"] or _background_beside(recording)
    return values


def _background_beside(recording: Path) -> str:
    """`background.png` next to the recording, where there is one."""
    found = recording.parent / "background.png"
    return str(found) if found.exists() else ""


def _watch(
    console: Console,
    record: Record,
    running: graph_runner.RunningGraph,
    stop: StopRequest,
    duration_s: float,
) -> None:
    """Show what comes until the time is over, a signal comes or a process ends."""
    give_up = time.monotonic() + _STARTUP_S
    while not len(record.slip):
        if stop or running.wait(_REDRAW_S) or time.monotonic() > give_up:
            return
    end = time.monotonic() + duration_s
    with table.screen(console) as show:
        while not stop and (left_s := end - time.monotonic()) > 0:
            show(record, left_s)
            if running.wait(min(_REDRAW_S, left_s)):
                return


def _title(values: Mapping[str, Value]) -> str:
    source = "simulated touch"
    if values["source"] == "video":
        source = f"recording {hide_password(values['input'])}"
    return f"Force, slip and motion from a {values['sensor']} sensor: {source}"


def _facts(values: Mapping[str, Value], record: Record) -> dict[str, str]:
    perception = next(
        (values for name, values in record.counters.items() if "perception:" in name), {}
    )
    return {
        "source": f"{values['source']} {hide_password(values['input']) or values['touch']}",
        "model": perception.get("model", ""),
        "weights": perception.get("weights", ""),
        "engine": perception.get("device", ""),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "Python": platform.python_version(),
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _what_went_wrong(record: Record, exit_code: int) -> str:
    if exit_code:
        return f"a process ended with code {exit_code}; its last words:"
    return f"wanted slip messages, found none in {_STARTUP_S:.0f} s; what the processes said:"


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:])
