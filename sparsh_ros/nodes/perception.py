# SPDX-License-Identifier: Apache-2.0
"""The perception node: images of one or more sensors in, force, slip and pose out.

Images come in on the executor's thread and only fill slots; one worker thread encodes whatever is
new, all sensors in one batch, runs the heads and publishes. A slow model therefore skips frames,
which are counted, and never delays the newest one.

Configured, the model is loaded; active, it infers; deactivated, its memory is free for others, and
activating loads it again.

A force field is made by a thread of its own, see force_field.py: no estimate waits for it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.graph import prefixes
from sparsh_ros.nodes.graph.recorded import input_sensors
from sparsh_ros.nodes.graph.sensors import sensor_configs
from sparsh_ros.nodes.help import node_main
from sparsh_ros.nodes.predicates.publisher import PredicatesPublisher
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.calibrations import load_calibrations
from sparsh_ros.nodes.runtime.clocks import stale_clock, stamp_clock
from sparsh_ros.nodes.runtime.diagnostics import Report
from sparsh_ros.nodes.runtime.lifecycle_node import ManagedNode
from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.nodes.topics.features import FeaturesPublisher
from sparsh_ros.nodes.topics.force_field import FieldWorker
from sparsh_ros.nodes.topics.sensor_io import SensorIO
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.scheduling import go_first, show_name

_WAIT_TIMEOUT_S = 0.1
_LOG_THROTTLE_S = 5.0


class PerceptionNode(ManagedNode):
    """Encoder and heads for all sensors of a robot."""

    def __init__(self) -> None:
        """Declare the parameters.

        Raises:
            SparshError: a parameter is not allowed.
        """
        super().__init__("perception", settings.PERCEPTION)
        self._perception: Perception | None = None
        if self._params["in_process"]:
            self._params.declare(settings.SENSORS)
        self._make_sensors()
        self._features: FeaturesPublisher | None = None
        self._predicates: PredicatesPublisher | None = None
        self._fields: FieldWorker | None = None
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None

    def _make_sensors(self) -> None:
        find_sensors = sensor_configs if self._params["in_process"] else input_sensors
        self._sensor_configs = find_sensors(self._params)
        self._prefixes = prefixes([config.name for config in self._sensor_configs])
        self._sensor_ios = {
            config.name: SensorIO(self, config, self._prefixes[config.name])
            for config in self._sensor_configs
        }

    def hosted_sensors(self) -> list[SensorNode]:
        """Nodes of the sensors that live in this process: none unless `in_process` is set."""
        if not self._params["in_process"]:
            return []
        return [
            SensorNode(
                config,
                self._prefixes[config.name],
                sink=self._sensor_ios[config.name].on_frame,
                take_background=self._sensor_ios[config.name].use_background,
            )
            for config in self._sensor_configs
        ]

    def _configure(self) -> None:
        if self._params["realtime_priority"]:
            go_first(self._params["realtime_priority"])
        if not self._params["in_process"]:  # hosted sensors are known from the start
            self._make_sensors()
        self._perception = perception = self._load()
        spec, engine = perception.spec, perception.engine
        for sensor_io in self._sensor_ios.values():
            sensor_io.create_publishers(perception.heads, self._params["nan_policy"])
        if self._params["publish_features"]:
            self._features = FeaturesPublisher(self, self._sensor_configs, spec)
        if self._params["predicates"] != "none":
            self._predicates = PredicatesPublisher(
                self, self._params["predicates"], spec, list(self._sensor_ios)
            )
        self.get_logger().info(f"{spec.name} on {engine.description}; {spec.terms}")
        for sentence in (*perception.notes, *perception.heads.missing.values()):
            self.get_logger().warning(sentence)

    def _activate(self) -> None:
        """Begin to infer, and to listen for images unless sensors are hosted here."""
        if self._perception is None:
            self._perception = self._load()
        for name, sensor_io in self._sensor_ios.items():
            sensor_io.start(self._perception, listen=not self._params["in_process"])
            self._perception.set_calibration(name, self._calibrations[name])
        if FORCE_FIELD in self._perception.heads.usable:
            self._fields = FieldWorker(self._perception, self._sensor_ios, self._log_error)
        self._stop.clear()
        self._worker = threading.Thread(target=self._work, name="encoder")
        self._worker.start()

    def _deactivate(self) -> None:
        """Finish the frame at hand, join the worker, drop the engine."""
        self._stop.set()
        if self._worker is not None:
            self._worker.join()
            self._worker = None
        if self._fields is not None:
            self._fields.stop()
            self._fields = None
        for sensor_io in self._sensor_ios.values():
            sensor_io.stop()
        self._perception = None

    def _cleanup(self) -> None:
        self._features = self._predicates = None

    def _on_parameters(self, names: set[str]) -> None:
        if self._perception is not None and names & {"contact_threshold_n", "slip_threshold"}:
            self._perception.set_thresholds(
                self._params["contact_threshold_n"], self._params["slip_threshold"] or None
            )

    def _load(self) -> Perception:
        params = self._params
        perception = Perception(
            params["model"],
            params["heads"],
            params["device"],
            threads=params["threads"] or None,
            contact_threshold_n=params["contact_threshold_n"],
            slip_threshold=params["slip_threshold"] or None,
            weights_dir=params["weights_dir"] or None,
            engine=params["engine"],
            monotonic=stale_clock(self),
            stamp_clock=stamp_clock(self),
        )
        self._calibrations = load_calibrations(
            self, self._sensor_configs, params["calibration"], perception.spec.name
        )
        return perception

    def _work(self) -> None:
        show_name()
        while not self._stop.is_set():
            self._perception.wait(_WAIT_TIMEOUT_S)
            try:
                self._infer()
            except Exception as error:  # an engine may raise anything, and must not end the node
                self._give_up(error)

    def _infer(self) -> None:
        readers = (self._features, self._predicates)
        is_read = any(x is not None for x in readers) or self._perception.reads_tokens
        features = self._perception.encode(tokens=is_read)
        estimates = self._perception.run_heads(features)
        self._publish(estimates)
        if self._predicates is not None:
            self._predicates.publish(features, estimates)
        if self._features is not None:
            self._features.publish(features)
        if self._fields is not None:
            for encoded in features.frames:
                self._fields.request(encoded.sensor, encoded.stamp_ns)

    def _give_up(self, error: Exception) -> None:
        """These frames are lost, and with them whatever was estimated before: it must not stand."""
        reason = f"these frames are lost: {error}"
        self._log_error(reason)
        with suppress(Exception):  # if publishing is what failed, there is nothing left to do
            lost = self._perception.invalidate_last(reason)
            self._publish(lost)
            if self._predicates is not None:
                self._predicates.invalidate(lost)

    def _publish(self, estimates: Sequence[Estimate]) -> None:
        for estimate in estimates:
            self._sensor_ios[estimate.sensor].publish(estimate)

    def _log_error(self, sentence: str) -> None:
        self.get_logger().error(sentence, throttle_duration_sec=_LOG_THROTTLE_S)

    def _reports(self) -> dict[str, Report]:
        return {name: sensor_io.report() for name, sensor_io in self._sensor_ios.items()}


def create() -> Sequence[spin.LiveNode]:
    """The perception node and, with `in_process`, a node for each of its sensors."""
    perception = PerceptionNode()
    return [perception, *perception.hosted_sensors()]


main = node_main("perception", settings.PERCEPTION, lambda arguments: spin.run(create, arguments))

if __name__ == "__main__":
    sys.exit(main())
