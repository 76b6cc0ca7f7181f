# SPDX-License-Identifier: Apache-2.0
"""The head node: force, slip or pose from tokens that an encoder elsewhere publishes.

Runs in any process on any host that hears the topic `features` of a perception node with
`publish_features`. Contact is known by force: without the force head, `in_contact` is true only
while the object slips.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial

from rclpy.node import Node

from sparsh_ros.engines import create_engine
from sparsh_ros.errors import SparshError
from sparsh_ros.models.head_choice import choose_heads
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Features
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.graph import prefixes
from sparsh_ros.nodes.graph.recorded import input_sensors
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.calibrations import load_calibrations
from sparsh_ros.nodes.runtime.diagnostics import (
    OK,
    WARN,
    Diagnostics,
    LatencyMeter,
    RateMeter,
    Report,
    SendTimes,
)
from sparsh_ros.nodes.runtime.parameters import Parameters
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.estimates import EstimatePublisher
from sparsh_ros.nodes.topics.features import msg_to_features
from sparsh_ros.perception.head_runner import HeadRunner

_LOG_THROTTLE_S = 5.0


class HeadNode(Node):
    """Heads of one model, for all sensors of a robot."""

    def __init__(self) -> None:
        """Load the heads; tokens are taken from `start` on.

        Raises:
            SparshError: a parameter, the model or its weights cannot be used.
        """
        super().__init__("head")
        params = Parameters(self, settings.HEAD)
        self._spec = load_model_spec(params["model"], params["weights_dir"] or None)
        heads = choose_heads(self._spec, params["heads"]).of_tokens()
        self._missing = "; ".join(heads.missing.values())
        self._engine = create_engine(self._spec, params["device"], heads.usable, encoder=False)
        self._engine.warm_up()
        self._head_runner = HeadRunner(
            self._spec,
            self._engine,
            params["contact_threshold_n"],
            params["slip_threshold"] or None,
        )
        configs = input_sensors(params)
        self._prefixes = prefixes([config.name for config in configs])
        self._estimates, self._rates, self._latencies, self._trouble = {}, {}, {}, {}
        calibrations = load_calibrations(self, configs, params["calibration"], self._spec.name)
        for config in configs:
            name = config.name
            self._head_runner.add_sensor(name, config.profile)
            self._head_runner.set_calibration(name, calibrations[name])
            self._estimates[name] = EstimatePublisher(
                self, self._prefixes[name], config.gel_frame, heads.wanted
            )
            self._rates[name], self._latencies[name] = RateMeter(), LatencyMeter()
            self._trouble[name] = "waiting for features"
        self._sent = SendTimes(self)
        self._diagnostics = Diagnostics(self, self._reports)

    def start(self) -> None:
        """Begin to listen for tokens."""
        for name, prefix in self._prefixes.items():
            self.create_subscription(
                Features, f"{prefix}features", partial(self._take, name), qos.LATEST
            )

    def close(self) -> None:
        """Publish the final counts."""
        self._diagnostics.publish()

    def _take(self, name: str, message: Features, info: Mapping[str, int]) -> None:
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        self._sent.note(stamp_ns, info["source_timestamp"])
        try:
            estimates = self._head_runner.run(msg_to_features(name, self._spec, message))
        except SparshError as error:
            self._trouble[name] = str(error)
            self.get_logger().error(str(error), throttle_duration_sec=_LOG_THROTTLE_S)
            return
        for estimate in estimates:
            self._estimates[name].publish(estimate)
            self._trouble[name] = estimate.reason
            self._rates[name].count()
            self._latencies[name].add(self._sent.of(estimate.stamp_ns))

    def _reports(self) -> dict[str, Report]:
        return {name: self._report(name) for name in self._prefixes}

    def _report(self, name: str) -> Report:
        values = {
            "model": self._spec.name,
            "device": self._engine.description,
            "rate (Hz)": self._rates[name].rate_hz,
            "latency p50 (ms)": self._latencies[name].percentile_ms(50),
            "latency p99 (ms)": self._latencies[name].percentile_ms(99),
        }
        trouble = "; ".join(filter(None, (self._trouble[name], self._missing)))
        return Report(WARN if trouble else OK, trouble or "running", values)


def main(arguments: list[str] | None = None) -> int:
    """Run one head node until SIGINT; the exit code."""
    return spin.run(lambda: [HeadNode()], arguments)


if __name__ == "__main__":
    sys.exit(main())
