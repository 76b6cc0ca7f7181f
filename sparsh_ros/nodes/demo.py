# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros demo`: the real graph in processes of its own, watched from outside for a while.

The sensor and the perception process talk over the middleware exactly as on a robot; this process
only listens. It shows what comes, checks that every frame is accounted for, and writes a report.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.live import Live

from sparsh_ros.errors import ParameterError, SensorError
from sparsh_ros.evaluation.record import Record
from sparsh_ros.evaluation.report import write_report
from sparsh_ros.nodes import demo_table, graph
from sparsh_ros.nodes import run as graph_runner
from sparsh_ros.nodes.observer import Observer
from sparsh_ros.nodes.signals import StopRequest

_STARTUP_S = 60.0
_REDRAW_S = 0.25
_LOG_LINE_S = 5.0
# Messages that are acknowledged but not yet handed to the observer's callbacks.
_LAST_MESSAGES_S = 0.5
_LOG_LINES_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sparsh-ros run`, how long to watch, and where to write."""
    graph_runner.add_arguments(parser)
    parser.set_defaults(touch="demo")
    parser.add_argument(
        "--duration", type=float, default=20.0, help="Seconds to watch. Default: 20."
    )
    parser.add_argument(
        "--report", type=Path, default=Path("demo/report.html"), help="Default: demo/report.html."
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when estimates came and all processes ended well."""
    settings = _settings(options)
    os.environ.update(isolated_environment())
    options.report.parent.mkdir(parents=True, exist_ok=True)
    log_path = options.report.with_suffix(".log")
    console = Console()
    console.print(_introduction(settings), highlight=False, soft_wrap=True)
    stop = StopRequest()
    with log_path.open("w") as log, _listening(settings) as record:
        running = graph_runner.RunningGraph(settings, log)
        try:
            _watch(console, record, running, stop, options.duration)
        finally:
            exit_code = running.stop()
    if exit_code or not len(record.slip):
        raise SensorError(f"demo: {_what_went_wrong(record, exit_code)}\n{_tail(log_path)}")
    for line in demo_table.summary_lines(record):
        console.print(line, highlight=False, soft_wrap=True)
    write_report(record, options.report, _title(settings), _facts(settings, record))
    console.print(f"report:  {options.report}", highlight=False, soft_wrap=True)
    return 0


def isolated_environment() -> dict[str, str]:
    """Environment of a ROS graph that meets no other, on this machine or beyond it."""
    return {
        "ROS_DOMAIN_ID": str(_free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def _free_domain() -> int:
    """A domain in which no participant has taken the first unicast port, by the DDS port rules."""
    for domain in random.sample(range(1, 101), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7400 + 250 * domain + 10))
            except OSError:
                continue
            return domain
    raise SensorError("demo: all ROS domains from 1 to 100 are in use; stop other ROS graphs")


def _settings(options: argparse.Namespace) -> dict[str, graph.Value]:
    # The encoder and the observer: none of them shall miss the beginning.
    settings = graph_runner.settings_from(options) | {"listeners": 2}
    if len(settings["names"]) > 1:
        raise ParameterError(f"demo: wanted one sensor, found {', '.join(settings['names'])}")
    recording = Path(settings["input"])
    if settings["source"] == "video" and recording.exists():
        settings["loop"] = True
        settings["background"] = settings["background"] or _background_beside(recording)
    return settings


def _background_beside(recording: Path) -> str:
    """`background.png` next to the recording, where there is one."""
    found = recording.parent / "background.png"
    return str(found) if found.exists() else ""


@contextmanager
def _listening(settings: Mapping[str, graph.Value]) -> Iterator[Record]:
    """The record of an observer that listens on a thread of its own."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    observer = Observer(settings["namespace"], with_truth=settings["source"] == "simulated")
    executor = SingleThreadedExecutor()
    executor.add_node(observer)
    enough = threading.Event()

    def listen() -> None:
        while not enough.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=listen, name="observer")
    thread.start()
    try:
        yield observer.record
    finally:
        time.sleep(_LAST_MESSAGES_S)
        enough.set()
        thread.join()
        executor.shutdown()
        observer.destroy_node()
        rclpy.try_shutdown()


def _watch(
    console: Console,
    record: Record,
    running: graph_runner.RunningGraph,
    stop: StopRequest,
    duration_s: float,
) -> None:
    """Show what comes until the time is over, a signal comes or a process ends."""
    deadline = time.monotonic() + _STARTUP_S
    while not (len(record.slip) or stop or time.monotonic() > deadline):
        if running.wait(_REDRAW_S):
            return
    deadline = time.monotonic() + duration_s
    show = _live if console.is_terminal else _log
    with show(console) as update:
        while not stop and (left_s := deadline - time.monotonic()) > 0:
            update(record, left_s)
            if running.wait(min(_REDRAW_S, left_s)):
                return


@contextmanager
def _live(console: Console) -> Iterator:
    with Live(console=console, auto_refresh=False) as live:
        yield lambda record, left_s: live.update(
            demo_table.live_view(record, "sparsh_ros", left_s), refresh=True
        )


@contextmanager
def _log(console: Console) -> Iterator:
    due = time.monotonic() + _LOG_LINE_S

    def update(record: Record, _left_s: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due += _LOG_LINE_S
            console.print(demo_table.status_line(record), highlight=False, soft_wrap=True)

    yield update


def _introduction(settings: Mapping[str, graph.Value]) -> str:
    environment = " ".join(f"{key}={os.environ[key]}" for key in isolated_environment())
    return f"{_title(settings)}. To listen from another terminal: {environment}"


def _title(settings: Mapping[str, graph.Value]) -> str:
    source = "simulated touch"
    if settings["source"] == "video":
        source = f"recording {settings['input']}"
    return f"Force, slip and motion from a {settings['sensor']} sensor: {source}"


def _facts(settings: Mapping[str, graph.Value], record: Record) -> dict[str, str]:
    perception = next(
        (values for name, values in record.counters.items() if "perception:" in name), {}
    )
    return {
        "source": f"{settings['source']} {settings['input'] or settings['touch']}",
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
