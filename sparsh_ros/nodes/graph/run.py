# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros run`: the graph of the launch files, started without `ros2 launch`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from sparsh_ros.arguments import Value
from sparsh_ros.nodes.graph import graph
from sparsh_ros.nodes.runtime.signals import PARENT, StopRequest, block_signals
from sparsh_ros.sensors.drivers import SENSOR_TYPES

_POLL_S = 0.1
_GRACE_S = 10.0


class RunningGraph:
    """The started processes, in the order of the graph: sources first."""

    def __init__(
        self,
        values: Mapping[str, Value],
        log: IO[str] | None = None,
        processes: Sequence[graph.Process] = (),
    ) -> None:
        """Start the processes.

        Args:
            values: Of all arguments of the graph.
            log: Takes their output, and stays open until `stop`; None: standard error.
            processes: What to start; none: those of `graph.processes`.
        """
        processes = processes or graph.processes(values)
        self._processes = processes
        self._log, self._values = log or sys.stderr, values
        self._monitor = graph.ProcessMonitor(processes, values.get("use_respawn", False))
        self._lock, self._ended, self._stopping = threading.Lock(), threading.Event(), False
        self._wake = threading.Event()
        self._children = [self._start(process) for process in processes]
        for index, process in enumerate(processes):
            threading.Thread(target=self._look_after, args=(index, process), daemon=True).start()

    def _start(
        self, process: graph.Process, extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen:
        environment = os.environ | {PARENT: str(os.getpid())} | (extra or {})
        out = None if self._log is sys.stderr else self._log
        # In a session of their own, Ctrl-C reaches them only through `stop`, in order.
        own = {"stdout": out, "stderr": out, "start_new_session": True, "env": environment}
        with block_signals():  # until the child is ready to be asked to stop
            return subprocess.Popen(command(process, self._values), **own)

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of the processes by name, with the sensor where there are several."""
        return {
            " ".join(filter(None, (process.executable, process.namespace))): child.pid
            for process, child in zip(self._processes, self._children, strict=True)
        }

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of perception or of the last sensor; True if it came."""
        return self._ended.wait(timeout_s)

    def stop(self) -> int:
        """Stop all, each after its sources so that nothing in flight is lost; worst exit code."""
        with self._lock:
            self._stopping = True
            self._wake.set()
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                _wait_or_kill(child)
        return max(abs(child.returncode) for child in self._children)

    def _look_after(self, index: int, process: graph.Process) -> None:
        """Wait for the end of a process, and start it again if it is worth it."""
        while True:
            exit_code = self._children[index].wait()
            with self._lock:
                if self._stopping or self._ended.is_set():
                    return
                self._log.write(f"{self._monitor.on_exit(process, exit_code)}\n")
                self._log.flush()
                delay_s = self._monitor.delay_s(process)
                if not self._monitor.is_viable:
                    self._ended.set()
            if delay_s is None or self._wake.wait(delay_s):
                return
            with self._lock:
                if self._stopping:
                    return
                again = self._start(process, self._monitor.on_restart(process))
                self._children[index] = again


def command(process: graph.Process, values: Mapping[str, Value]) -> list[str]:
    """The command line of one process."""
    namespace = "/".join(part for part in (values["namespace"], process.namespace) if part)
    line = [sys.executable, "-m", process.module, "--ros-args"]
    line += ["--log-level", values["log_level"], "-r", f"__ns:=/{namespace}"]
    if values.get("params_file"):
        line += ["--params-file", graph.absolute(values["params_file"])]
    if process.name:
        line += ["-r", f"__node:={process.name}"]
    for key, value in process.ros_parameters.items():
        # JSON is YAML, and its quotes keep a word like `on` or `12` a string.
        line += ["-p", f"{key}:={json.dumps(value)}"]
    return line


def values_from(options: argparse.Namespace) -> graph.Arguments:
    """Values of all arguments of the graph, from options that `cli.graph.add_run` declared.

    Raises:
        ParameterError: A value is not allowed.
    """
    return graph.parse(vars(options), SENSOR_TYPES)


def run(options: argparse.Namespace) -> int:
    """Start the graph and wait: 0 after Ctrl-C, else the exit code of the process that failed.

    Raises:
        SparshError: Something that it needs is missing; nothing is started.
    """
    values = values_from(options)
    graph.check_files(values)
    return watch(RunningGraph(values))


def watch(running: RunningGraph) -> int:
    """Wait until Ctrl-C, or until the graph has ended; the worst exit code of its processes."""
    stop = StopRequest()
    while not (stop or running.wait(_POLL_S)):
        pass
    return running.stop()


def _wait_or_kill(child: subprocess.Popen) -> None:
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
