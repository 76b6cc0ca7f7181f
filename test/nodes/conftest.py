# SPDX-License-Identifier: Apache-2.0
"""A graph in processes of its own, and an outside node that listens to it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data as SENSOR_DATA
from rclpy.task import Future

from sparsh_ros.cli.graph import add_run
from sparsh_ros.nodes.graph import run
from sparsh_ros.nodes.runtime.services import ask_again_until_answered

GIVE_UP_S = 60.0
LOST_S = 20.0
ROOT = Path(__file__).resolve().parents[2]
GOALS = {"configure": "inactive", "activate": "active", "deactivate": "inactive"}
FAKE_MACHINE = Path(__file__).resolve().parent / "fake_machine"


class Outsider:
    """A node that knows nothing of this package but its topics."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = rclpy.create_node("outsider", context=context)
        self.diagnostics: dict[str, dict[str, str]] = {}
        self._news = threading.Condition()
        self.listen(DiagnosticArray, "/diagnostics", then=self._take_diagnostics)

    def listen(self, message_type: type, topic: str, qos=SENSOR_DATA, then=None) -> list:
        """Subscribes; the list grows with every message."""
        heard: list = []

        def take(message: object) -> None:
            with self._news:
                heard.append(message)
                if then is not None:
                    then(message)
                self._news.notify_all()

        self.node.create_subscription(message_type, topic, take, qos)
        return heard

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Waits until a message makes the condition true; fails the test otherwise."""
        with self._news:
            assert self._news.wait_for(condition, GIVE_UP_S), f"never came: {what}"

    def call(
        self, service_type: type, service: str, request: object, repeatable: bool = True
    ) -> object | None:
        """Calls a service and waits for the answer; asks again if none comes.

        What is not repeatable is asked for once; None if the answer was lost.
        """

        def wait(future: Future, seconds: float) -> None:
            future.add_done_callback(lambda _: answered.set())
            answered.wait(seconds if repeatable else LOST_S)

        answered = threading.Event()
        client = self.node.create_client(service_type, service)
        answer = ask_again_until_answered(
            client, request, GIVE_UP_S if repeatable else LOST_S, wait
        )
        self.between_callbacks(lambda: self.node.destroy_client(client))
        assert answer is not None or not repeatable, service
        return answer

    def change_state(self, nodes: Iterable[str], label: str, expected: bool = True) -> None:
        """Asks managed nodes for a transition, such as "activate"; fails if one refuses."""
        for node in nodes:
            request = ChangeState.Request(transition=Transition(label=label))
            answer = self.call(ChangeState, f"{node}/change_state", request, repeatable=False)
            changed = self.state_of(node) == GOALS[label] if answer is None else answer.success
            assert changed == expected, f"{node}: {label}"

    def state_of(self, node: str) -> str:
        """The state of a managed node, such as "active"."""
        return self.call(GetState, f"{node}/get_state", GetState.Request()).current_state.label

    def destroy(self, *publishers: Publisher) -> None:
        """Destroys publishers of the node."""
        self.between_callbacks(lambda: [self.node.destroy_publisher(one) for one in publishers])

    def between_callbacks(self, action: Callable[[], None]) -> None:
        """Runs an action on the spinning thread: what rclpy waits for must not go."""
        done = threading.Event()
        self.node.executor.create_task(lambda: (action(), done.set()))
        assert done.wait(GIVE_UP_S), action

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self.diagnostics[status.name] = values | {
                "message": status.message,
                "hardware_id": status.hardware_id,
            }


@pytest.fixture(scope="module")
def outsider() -> Iterator[Outsider]:
    """An outside node, spinning on a thread."""
    context = rclpy.Context()
    rclpy.init(context=context)
    listener = Outsider(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener.node)
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    yield listener
    done.set()
    thread.join()
    executor.shutdown()
    listener.node.destroy_node()
    rclpy.shutdown(context=context)


class Graph:
    """A running graph, what it was asked for, and what its processes said."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._log_path = folder / "graph.log"
        parser = argparse.ArgumentParser()
        add_run(parser)
        if not {"sensors", "source"} & settings.keys():
            settings = {"source": "simulated", **settings}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self._log = self._log_path.open("w")
        self._running = run.RunningGraph(run.values_from(parser.parse_args(options)), self._log)

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def wait(self) -> int:
        """Waits until it ends by itself, then stops what is left; the worst exit code."""
        self._running.wait()
        return self.stop()

    def stop(self) -> int:
        """Stops it with SIGINT; the worst exit code."""
        exit_code = self._running.stop()
        self._log.close()
        return exit_code


class FakeCameras:
    """The USB cameras that the processes of a graph see, see fake_machine/sitecustomize.py."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "FAKE_CAMERAS": str(folder / "cameras.json"),
            "PYTHONPATH": os.pathsep.join([str(FAKE_MACHINE), str(ROOT)]),
        }
        self._file = folder / "cameras.json"
        self._cameras: dict[str, dict[str, str]] = {}
        self._write()

    def plug(self, kind: str, serial: str, port: str) -> None:
        """Plugs a camera into a USB port."""
        self._cameras[serial] = {"kind": kind, "port": port, "fault": ""}
        self._write()

    def unplug(self, serial: str) -> None:
        """Pulls a camera's cable."""
        self._cameras[serial]["port"] = ""
        self._write()

    def misbehave(self, serial: str, fault: str) -> None:
        """Makes a camera show a fault (see watchdog.py); empty: no more."""
        self._cameras[serial]["fault"] = fault
        self._write()

    def _write(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(self._cameras))
        draft.replace(self._file)


@pytest.fixture
def cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCameras:
    """Cameras for the graphs that this test starts: none yet."""
    fakes = FakeCameras(tmp_path)
    paths = os.pathsep.join([fakes.environment["PYTHONPATH"], os.environ.get("PYTHONPATH", "")])
    for name, value in (fakes.environment | {"PYTHONPATH": paths}).items():
        monkeypatch.setenv(name, value)
    return fakes


@pytest.fixture(scope="session")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for PYTHONPATH in which `import torch` fails."""
    folder = tmp_path_factory.mktemp("without_torch")
    (folder / "torch.py").write_text("raise ImportError('torch is blocked in this test')\n")
    return str(folder)


@pytest.fixture
def kill_node() -> Callable[[str, str], None]:
    """Kills this run's process of a node in a namespace, such as "/hand/thumb" and "sensor"."""

    def kill(namespace: str, node: str) -> None:
        words = {f"__ns:={namespace}".encode(), f"__node:={node}".encode()}
        ours = f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # processes come and go
                is_ours = ours in (process / "environ").read_bytes().split(b"\0")
                if is_ours and words <= set((process / "cmdline").read_bytes().split(b"\0")):
                    os.kill(int(process.name), signal.SIGKILL)

    return kill


@pytest.fixture(scope="module")
def start_graph(
    tmp_path_factory: pytest.TempPathFactory, without_torch: str
) -> Iterator[Callable[..., Graph]]:
    """Starts graphs without torch; those still running at the end are stopped."""
    started: list[Graph] = []
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", without_torch)

    def start(**settings: str) -> Graph:
        started.append(Graph(tmp_path_factory.mktemp("graph"), settings))
        return started[-1]

    yield start
    patch.undo()
    for graph in started:
        graph.stop()
