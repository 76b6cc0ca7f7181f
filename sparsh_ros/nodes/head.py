# SPDX-License-Identifier: Apache-2.0
"""The head node: force, slip or pose from tokens that an encoder elsewhere publishes.

Runs in any process on any host that hears the topic `features` of a perception node with
`publish_features`. Contact is known by force: without the force head, `in_contact` is true only
while the object slips.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.node import Node

from sparsh_ros.engines import create_engine
from sparsh_ros.errors import FrameError
from sparsh_ros.models.head_choice import choose_heads
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Features as FeaturesMessage
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.graph import prefixes
from sparsh_ros.nodes.graph.recorded import input_sensors
from sparsh_ros.nodes.help import node_main
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.calibrations import load_calibrations
from sparsh_ros.nodes.runtime.clocks import stale_clock, stamp_clock, steady_clock
from sparsh_ros.nodes.runtime.diagnostics import (
    OK,
    WARN,
    Diagnostics,
    LatencyMeter,
    RateMeter,
    Report,
    SendTimes,
)
from sparsh_ros.nodes.runtime.endpoints import LOG_THROTTLE_S, Input
from sparsh_ros.nodes.runtime.parameters import Parameters
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.estimates import EstimatePublisher
from sparsh_ros.nodes.topics.features import msg_to_features
from sparsh_ros.perception.buffer import stamp_trouble
from sparsh_ros.perception.head_runner import EncodedFrame, Features, HeadRunner
from sparsh_ros.sensors.config import SensorConfig

# Without features for so long, what was estimated last no longer stands. An encoder on a slow
# machine makes two a second.
_STALE_S = 1.0
_CHECK_PERIOD_S = 0.1


class HeadNode(Node):
    """Heads of one model, for all sensors of a robot."""

    def __init__(self) -> None:
        """Load the heads; tokens are taken from `start` on.

        Raises:
            SparshError: A parameter, the model or its weights cannot be used.
        """
        super().__init__("head")
        self._params = params = Parameters(self, settings.HEAD, on_change=self._on_parameters)
        self._spec = load_model_spec(params["model"], params["weights_dir"] or None)
        self._heads = choose_heads(self._spec, params["heads"]).of_tokens()
        self._engine = create_engine(
            self._spec, params["device"], self._heads.usable, encoder=False
        )
        self._engine.warm_up()
        self._head_runner = HeadRunner(
            self._spec,
            self._engine,
            params["contact_threshold_n"],
            params["slip_threshold"] or None,
        )
        configs = input_sensors(params)
        prefixes_by_name = prefixes([config.name for config in configs])
        self._sensors = {
            config.name: _SensorHeads(
                *(self, prefixes_by_name[config.name], config),
                *(self._spec, self._head_runner, self._heads.wanted, params["nan_policy"]),
            )
            for config in configs
        }
        calibrations = load_calibrations(self, configs, params["calibration"], self._spec.name)
        for name, calibration in calibrations.items():
            self._head_runner.set_calibration(name, calibration)
        self._diagnostics = Diagnostics(self, self._reports)

    def start(self) -> None:
        """Begin to listen for tokens."""
        for sensor in self._sensors.values():
            sensor.start()
        self.create_timer(_CHECK_PERIOD_S, self._check_staleness, clock=steady_clock())

    def close(self) -> None:
        """Publish the final counts."""
        self._diagnostics.publish()

    def _on_parameters(self, names: set[str]) -> None:
        if names & {"contact_threshold_n", "slip_threshold"}:
            self._head_runner.set_thresholds(
                self._params["contact_threshold_n"], self._params["slip_threshold"] or None
            )

    def _check_staleness(self) -> None:
        for sensor in self._sensors.values():
            sensor.check_staleness()

    def _reports(self) -> dict[str, Report]:
        missing = "; ".join(self._heads.missing.values())
        common = {"model": self._spec.name, "device": self._engine.description}
        weights = Report(WARN if missing else OK, missing or "running", common)
        return {name: weights.with_more(one.report()) for name, one in self._sensors.items()}


class _SensorHeads:
    """Features of one sensor in, its estimates out, and how that goes."""

    def __init__(
        self,
        node: Node,
        prefix: str,
        config: SensorConfig,
        spec: ModelSpec,
        head_runner: HeadRunner,
        heads: Sequence[str],
        nan_policy: str,
    ) -> None:
        self._node, self._prefix, self._name = node, prefix, config.name
        self._spec, self._head_runner = spec, head_runner
        head_runner.add_sensor(config.name, config.profile)
        self._publisher = EstimatePublisher(
            *(node, prefix, config.gel_frame, heads), nan_policy=nan_policy
        )
        self._rate, self._latency, self._sent = RateMeter(), LatencyMeter(), SendTimes(node)
        self._trouble = "waiting for features"
        self._clock, self._stamps = stale_clock(node), stamp_clock(node)
        self._fresh_s = self._clock()
        self._last_ns: int | None = None  # stamp of the estimate that stands
        self._refused = 0
        self._input: Input | None = None

    def start(self) -> None:
        self._input = Input(
            self._node, FeaturesMessage, f"{self._prefix}features", qos.LARGE, self._on_features
        )

    def check_staleness(self) -> None:
        """Take back what was estimated last when features stop coming."""
        silent_s = self._clock() - self._fresh_s
        if self._last_ns is None or silent_s < _STALE_S:
            return
        reason = f"stale: no features for {silent_s:.1f} s"
        encoded = EncodedFrame(self._name, self._last_ns, math.nan, reason)
        self._last_ns = None
        self._publish(Features((encoded,), None))

    def report(self) -> Report:
        values = {
            "rate (Hz)": self._rate.rate_hz,
            "latency p50 (ms)": self._latency.percentile_ms(50),
            "latency p99 (ms)": self._latency.percentile_ms(99),
            "features refused": self._refused,
        }
        if self._input is not None:
            values["features lost on the way"] = self._input.lost
        return Report(WARN if self._trouble else OK, self._trouble or "running", values)

    def _on_features(self, message: FeaturesMessage, info: Mapping[str, Any]) -> None:
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        try:
            if (count := self._input.publisher_count) > 1:
                raise FrameError(
                    f"{self._input.topic}: wanted one publisher, found {count}; stop one"
                )
            features = msg_to_features(self._name, self._spec, message)
            features = self._if_in_time(features, stamp_ns)
        except FrameError as error:
            self._refused += 1
            self._trouble = str(error)
            self._node.get_logger().error(str(error), throttle_duration_sec=LOG_THROTTLE_S)
            return
        self._sent.note(stamp_ns, info["source_timestamp"])
        self._publish(features)
        self._fresh_s, self._last_ns = self._clock(), stamp_ns
        self._rate.count()
        self._latency.add(self._sent.of(stamp_ns))

    def _if_in_time(self, features: Features, stamp_ns: int) -> Features:
        """The features; what says why there are none, if their stamp is of another time."""
        reason = "" if self._stamps is None else stamp_trouble(stamp_ns, self._stamps())
        if not reason:
            return features
        return Features((EncodedFrame(self._name, stamp_ns, math.nan, reason),), None)

    def _publish(self, features: Features) -> None:
        for estimate in self._head_runner.run(features):
            self._publisher.publish(estimate)
            self._trouble = estimate.reason


main = node_main("head", settings.HEAD, lambda arguments: spin.run(lambda: [HeadNode()], arguments))

if __name__ == "__main__":
    sys.exit(main())
