# SPDX-License-Identifier: Apache-2.0
"""What the transitions of a managed node do: failures, threads, files, the engine."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from std_msgs.msg import Empty

from sparsh_ros.errors import ModelError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.nodes.perception import PerceptionNode
from sparsh_ros.nodes.runtime.diagnostics import ERROR, OK, WARN, Report
from sparsh_ros.nodes.runtime.lifecycle_node import ManagedNode, Result
from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.nodes.settings import AUTOSTART
from sparsh_ros.nodes.topics.sensor_io import SensorIO
from sparsh_ros.perception import pipeline
from sparsh_ros.perception.postprocess import Estimate


class Probe(ManagedNode):
    """Notes its steps; a step in `broken` raises the error given there, after it was noted."""

    def __init__(self) -> None:
        super().__init__("probe", {"autostart": AUTOSTART})
        self.steps: list[str] = []
        self.broken: dict[str, Exception] = {}

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.broken:
            raise self.broken.pop(name)

    def _configure(self) -> None:
        self.create_publisher(Empty, "made", 1)
        self._step("configure")

    def _activate(self) -> None:
        self._step("activate")

    def _deactivate(self) -> None:
        self._step("deactivate")

    def _cleanup(self) -> None:
        self._step("cleanup")

    def _reports(self) -> dict[str, Report]:
        return {"gel": Report(WARN, "dim", {"light": 3})}

    @property
    def topics(self) -> set[str]:
        return {publisher.topic_name for publisher in self.publishers}

    @property
    def report(self) -> Report:
        return self._state_reports()["gel"]


@pytest.fixture
def ros() -> Iterator[None]:
    rclpy.init()
    yield
    gc.unfreeze()
    rclpy.try_shutdown()


@pytest.fixture
def probe(ros) -> Iterator[Probe]:
    made = Probe()
    yield made
    made.destroy_node()


def test_a_failed_configure_is_undone_and_may_be_tried_again(probe: Probe) -> None:
    probe.broken["configure"] = ModelError("model x: unknown")
    assert probe.trigger_configure() == Result.FAILURE
    assert probe.state == "unconfigured"
    assert probe.steps == ["configure", "deactivate", "cleanup"]
    assert "/made" not in probe.topics
    assert (probe.report.level, probe.report.message) == (ERROR, "unconfigured: model x: unknown")
    assert probe.trigger_configure() == Result.SUCCESS
    assert (probe.report.level, probe.report.message) == (OK, "inactive")
    assert "/made" in probe.topics


def test_a_failed_activate_leaves_the_node_inactive(probe: Probe) -> None:
    probe.trigger_configure()
    probe.broken["activate"] = ModelError("weights: gone")
    assert probe.trigger_activate() == Result.FAILURE
    assert (probe.state, probe.steps[-2:]) == ("inactive", ["activate", "deactivate"])
    assert probe.trigger_activate() == Result.SUCCESS
    assert probe.report == Report(WARN, "dim", {"state": "active", "light": 3})


@pytest.mark.parametrize("step", ["configure", "activate", "deactivate"])
def test_what_nobody_foresaw_releases_everything(probe: Probe, step: str) -> None:
    probe.broken[step] = RuntimeError("out of memory")
    results = [probe.trigger_configure()]
    if step != "configure":
        results.append(probe.trigger_activate())
    if step == "deactivate":
        results.append(probe.trigger_deactivate())
    assert results[-1] == Result.ERROR
    assert (probe.state, probe.steps[-2:]) == ("unconfigured", ["deactivate", "cleanup"])
    assert "/made" not in probe.topics
    assert probe.report.message == "unconfigured: RuntimeError: out of memory"
    assert probe.trigger_configure() == Result.SUCCESS


def test_autostart_raises_what_went_wrong(probe: Probe) -> None:
    probe.broken["activate"] = ModelError("weights: gone")
    with pytest.raises(ModelError, match="weights: gone"):
        probe.start()
    probe.close()
    assert (probe.state, probe.steps[-2:]) == ("finalized", ["deactivate", "cleanup"])


def test_close_may_follow_a_shutdown(probe: Probe) -> None:
    probe.start()
    assert probe.state == "active"
    probe.trigger_shutdown()
    probe.close()
    assert probe.steps == ["configure", "activate", "deactivate", "cleanup"]
    assert (probe.state, probe.report.message) == ("finalized", "finalized")


def activated_twice(threads: int, engines: list[weakref.ref]) -> Iterator[weakref.ref]:
    """The engine of a perception node after each deactivation, noted in `engines` at activation;
    active it has so many threads."""
    before = threading.active_count()
    node = PerceptionNode()
    node.trigger_configure()
    for _ in range(2):
        node.trigger_activate()
        engines.append(weakref.ref(node._perception.engine))
        assert engines[-1]() is not None and threading.active_count() == before + threads
        node.trigger_deactivate()
        assert threading.active_count() == before
        yield engines[-1]
    node.close()
    node.destroy_node()


def test_a_deactivated_perception_holds_no_engine_and_no_thread(ros, monkeypatch) -> None:
    # What torch keeps for later is returned once the engine is gone, not before.
    freed, engines = [], []
    cuda = SimpleNamespace(empty_cache=lambda: freed.append(engines[-1]() is None))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    for engine in activated_twice(1, engines):
        assert engine() is None and freed.pop()


class FieldEngine:
    """Stands for an engine that has a force field and nothing else."""

    description, heads, on_gpu = "none", ("forcefield",), False
    remedy = "a smaller model"

    def warm_up(self) -> None: ...


def test_a_force_field_has_a_thread_while_perception_is_active(ros, monkeypatch) -> None:
    spec = replace(load_model_spec("sparsh-sim-micro"), heads=("forcefield",))
    monkeypatch.setattr(pipeline, "load_model_spec", lambda *_: spec)
    monkeypatch.setattr(pipeline, "create_engine", lambda *_, **__: FieldEngine())
    for engine in activated_twice(2, []):
        assert engine() is None


def fed_until(
    monkeypatch: pytest.MonkeyPatch, wanted: Callable[[Estimate], bool]
) -> tuple[PerceptionNode, SensorIO, list[Estimate]]:
    """An active perception node, its sensor, and the estimates up to one that is wanted."""
    node = PerceptionNode()
    node.trigger_configure()
    node.trigger_activate()
    (sensor_io,) = node._sensor_ios.values()
    told = threading.Event()
    estimates, publish = [], sensor_io.publish

    def note(estimate: Estimate) -> None:
        publish(estimate)
        estimates.append(estimate)
        if wanted(estimate):
            told.set()

    monkeypatch.setattr(sensor_io, "publish", note)
    image = np.full(IMAGE_SHAPE, 100, np.uint8)
    sensor_io.use_background(image)
    for _ in range(3600):
        sensor_io.on_frame(Frame(time.time_ns(), image))
        if told.wait(1 / 60):
            break
    if not told.is_set():
        node.close()  # its threads would keep the tests from ending
        pytest.fail(f"never came, but {estimates[-1:]}")
    return node, sensor_io, estimates


def test_tokens_that_no_head_reads_are_not_made(ros, monkeypatch) -> None:
    spec = replace(load_model_spec("sparsh-sim-micro"), heads=("forcefield",))
    monkeypatch.setattr(pipeline, "load_model_spec", lambda *_: spec)
    monkeypatch.setattr(pipeline, "create_engine", lambda *_, **__: FieldEngine())
    node, _, estimates = fed_until(monkeypatch, lambda estimate: estimate.valid)
    assert not any("lost" in estimate.reason for estimate in estimates)  # by an encoder it lacks
    node.close()
    node.destroy_node()


class FailingEngine(FieldEngine):
    """Stands for an engine whose GPU is gone."""

    heads = ("force",)

    def encode(self, *_images: np.ndarray) -> np.ndarray:
        raise RuntimeError("CUDA error: device lost")


def test_what_was_estimated_does_not_outlive_the_engine(ros, monkeypatch) -> None:
    spec = replace(load_model_spec("sparsh-sim-micro"), heads=("force",))
    monkeypatch.setattr(pipeline, "load_model_spec", lambda *_: spec)
    monkeypatch.setattr(pipeline, "create_engine", lambda *_, **__: FailingEngine())
    node, sensor_io, estimates = fed_until(monkeypatch, lambda e: "device lost" in e.reason)
    assert not any(estimate.valid for estimate in estimates)
    assert (sensor_io.report().level, node._worker.is_alive()) == (WARN, True)
    node.close()
    node.destroy_node()


def test_a_sensor_that_can_no_longer_publish_says_so(ros) -> None:
    def refuse(_frame: Frame) -> None:
        raise RuntimeError("publisher is gone")

    node = SensorNode(sink=refuse)
    node.trigger_configure()
    node.trigger_activate()
    node._thread.join(30)
    (report,) = node._state_reports().values()
    assert (report.level, report.message) == (ERROR, "active: RuntimeError: publisher is gone")
    assert node.trigger_deactivate() == Result.SUCCESS
    node.close()
    node.destroy_node()


def test_a_deactivated_sensor_holds_no_thread_and_no_file(ros, tactile_data) -> None:
    recording = tactile_data / "gelsight_mini_grasp" / "tactile_left_panel.mp4"
    given = {"sensor": "gelsight_mini", "source": "video", "input": str(recording)}
    rclpy.try_shutdown()
    rclpy.init(args=_ros_arguments({**given, "listeners": 0}))
    came = threading.Event()
    node = SensorNode(sink=lambda _: came.set())
    node.trigger_configure()
    held = []
    for _ in range(4):
        came.clear()
        node.trigger_activate()
        assert came.wait(30)
        node.trigger_deactivate()
        held.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
    assert held[0] == held[-1]
    node.close()
    node.destroy_node()


def _ros_arguments(parameters: Mapping[str, object]) -> list[str]:
    words = [("-p", f"{name}:={value}") for name, value in parameters.items()]
    return ["--ros-args", *chain.from_iterable(words)]
