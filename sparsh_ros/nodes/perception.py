# SPDX-License-Identifier: Apache-2.0
"""The perception node: images of one or more sensors in, force, slip and pose out.

Images come in on the executor's thread and only fill slots; one worker thread encodes whatever is
new, all sensors in one batch, runs the heads and publishes. A slow model therefore skips frames,
which are counted, and never delays the newest one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from functools import partial

from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from sparsh_ros.background import read_background
from sparsh_ros.errors import FrameError, SparshError
from sparsh_ros.frames import Frame
from sparsh_ros.nodes import qos, settings, spin
from sparsh_ros.nodes.channel import Channel
from sparsh_ros.nodes.diagnostics import OK, WARN, Diagnostics, Report
from sparsh_ros.nodes.features import FeaturesPublisher
from sparsh_ros.nodes.graph import prefixes
from sparsh_ros.nodes.parameters import Parameters
from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.perception import Perception
from sparsh_ros.sensors import load_profile

_PATIENCE_S = 0.1
_QUIET_S = 5.0


class PerceptionNode(Node):
    """Encoder and heads for all sensors of a robot."""

    def __init__(self) -> None:
        """Load and warm up the model; images are taken from `start` on.

        Raises:
            SparshError: a parameter, the model, its weights or the background cannot be used.
        """
        super().__init__("perception")
        self._given = given = Parameters(self, settings.PERCEPTION)
        self._profile = load_profile(given["sensor"])
        self._perception = Perception(
            given["model"],
            given["heads"],
            given["device"],
            threads=given["threads"] or None,
            contact_threshold_n=given["contact_threshold_n"],
            slip_threshold=given["slip_threshold"] or None,
        )
        self.channels = {
            name: Channel(self, name, prefix, self._profile, self._perception.engine.heads)
            for name, prefix in prefixes(given["names"]).items()
        }
        for name in self.channels:
            self._perception.add_sensor(name, self._profile)
        self._features = None
        if given["publish_features"]:
            self._features = FeaturesPublisher(self, given["names"], self._perception.spec)
        if given["background"]:
            self._read_background(given["background"])
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work, name="encoder")
        self._diagnostics = Diagnostics(self, self._reports)

    def start(self) -> None:
        """Begin to infer, and to listen for images unless sensors are hosted here."""
        spec, engine = self._perception.spec, self._perception.engine
        self.get_logger().info(f"{spec.name} (licence {spec.licence}) on {engine.description}")
        if missing := self._perception.missing_heads:
            self.get_logger().warning(f"no weights for {', '.join(missing)}: not estimated")
        self._worker.start()
        for name, prefix in prefixes(self._given["names"]).items():
            channel = self.channels[name]
            self.create_service(
                Trigger, f"{prefix}capture_background", partial(self._capture_background, channel)
            )
            if not self._given["in_process"]:
                take = partial(self._take_message, channel)
                self.create_subscription(Image, f"{prefix}image_raw", take, qos.FRAMES)

    def hosted_sensors(self) -> list[SensorNode]:
        """Nodes of the sensors that live in this process: none unless `in_process` is set."""
        if not self._given["in_process"]:
            return []
        return [
            SensorNode(name, prefix, index, sink=partial(self.take, self.channels[name]))
            for index, (name, prefix) in enumerate(prefixes(self._given["names"]).items())
        ]

    def close(self) -> None:
        """Finish the frame at hand, publish the final counts, join the worker."""
        self._stop.set()
        if self._worker.is_alive():
            self._worker.join()
        for channel in self.channels.values():
            channel.flush()
        self._diagnostics.close()

    def take(self, channel: Channel, frame: Frame) -> None:
        """Take in a frame of a sensor; from any thread."""
        background = channel.take(frame)
        if background is not None:
            self._use_background(channel, background, frame.stamp_ns)
            self.get_logger().info(f"{channel.name}: background from the first still frames")
        self._perception.push(channel.name, frame)

    def _take_message(self, channel: Channel, message: Image) -> None:
        try:
            self.take(channel, channel.frame_from(message))
        except FrameError as error:
            self.get_logger().error(str(error), throttle_duration_sec=_QUIET_S)

    def _capture_background(
        self, channel: Channel, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            background = channel.capture_background()
        except FrameError as error:
            response.message = f"{channel.name}: {error}"
            return response
        self._use_background(channel, background, self.get_clock().now().nanoseconds)
        response.success = True
        response.message = f"{channel.name}: background captured"
        return response

    def _read_background(self, path: str) -> None:
        background = read_background(path, self._profile)
        for channel in self.channels.values():
            self._use_background(channel, background, self.get_clock().now().nanoseconds)

    def _use_background(self, channel: Channel, background, stamp_ns: int) -> None:
        if self._profile.subtract_background:
            self._perception.set_background(channel.name, background)
        channel.use_background(background, stamp_ns)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._perception.wait(_PATIENCE_S)
            try:
                self._infer()
            except SparshError as error:
                self.get_logger().error(str(error), throttle_duration_sec=_QUIET_S)

    def _infer(self) -> None:
        encoded = self._perception.encode()
        for touch in self._perception.interpret(encoded):
            self.channels[touch.sensor].publish(touch)
        if self._features is not None:
            self._features.publish(encoded)

    def _reports(self) -> dict[str, Report]:
        return {name: self._report(channel) for name, channel in self.channels.items()}

    def _report(self, channel: Channel) -> Report:
        counters = self._perception.counters(channel.name)
        values = {
            "model": self._perception.spec.name,
            "weights": self._perception.spec.weights,
            "device": self._perception.engine.description,
            "rate (Hz)": channel.rate.rate_hz,
            "frame age (s)": channel.age_s(),
            "latency p50 (ms)": channel.latency.percentile_ms(50),
            "latency p99 (ms)": channel.latency.percentile_ms(99),
            "images received": counters.received + channel.refused,
            "images refused": channel.refused,
            "frames replaced": counters.replaced,
            "frames without a pair": counters.unpaired,
            "duplicate stamps": counters.duplicates,
            "clock steps": counters.clock_steps,
            "estimates published": channel.published,
        }
        if channel.reason:
            return Report(WARN, channel.reason, values)
        return Report(OK, "running" if channel.published else "waiting for images", values)


def create() -> Sequence[spin.LiveNode]:
    """The perception node and, with `in_process`, a node for each of its sensors."""
    perception = PerceptionNode()
    return [perception, *perception.hosted_sensors()]


def main(arguments: list[str] | None = None) -> int:
    """Run perception until SIGINT; the exit code."""
    return spin.run(create, arguments)


if __name__ == "__main__":
    sys.exit(main())
