# SPDX-License-Identifier: Apache-2.0
"""The recorder: topics as they are sent, into a bag, where `ros2 bag` is not installed.

sparsh-ros record --out touch            images, background, estimates, ground truth of one graph
sparsh-ros record --out all --all        everything
sparsh-ros record --out some /tf /joint_states

Listening and writing are two threads: a slow disk costs memory, then messages, which are counted,
but never holds up those who publish. Topics that appear later are recorded from then on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from sparsh_ros.arguments import Value
from sparsh_ros.errors import ParameterError
from sparsh_ros.names import DIAGNOSTICS
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.help import wants_help
from sparsh_ros.nodes.record.topic_filter import TopicFilter, best_qos, message_class
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.clocks import steady_clock
from sparsh_ros.nodes.runtime.endpoints import LOG_THROTTLE_S, deserialize
from sparsh_ros.nodes.runtime.parameters import Parameters
from sparsh_ros.nodes.runtime.signals import request_stop
from sparsh_ros.recordings.bags import profile_key
from sparsh_ros.recordings.queued_writer import QueuedWriter

_DISCOVERY_PERIOD_S = 0.1
_PROGRESS_S = 0.5
# What others say last, once they were asked to stop.
_SHUTDOWN_GRACE_S = 0.5

OnMessage = Callable[[str, type, bytes], None]
"""Takes topic, type and bytes of a message."""


class Recorder(Node):
    """Records from `start` until it is closed.

    Attributes:
        writer: what writes the bag, and counts; None before `start`.
        lost: topic -> messages that never came, as the middleware tells.
    """

    def __init__(
        self, on_message: OnMessage | None = None, params: Mapping[str, Value] | None = None
    ) -> None:
        """Declare the parameters.

        Args:
            on_message: Takes each message, too.
            params: Values of parameters, in place of those from the command line.

        Raises:
            ParameterError: a parameter is not allowed.
        """
        overrides = [Parameter(name, value=value) for name, value in (params or {}).items()]
        super().__init__("recorder", parameter_overrides=overrides)
        self._params = params = Parameters(self, settings.RECORD)
        self._on_message = on_message
        self._filter = TopicFilter(
            self.get_namespace(), params["topics"], params["all"], params["images"]
        )
        self._subscriptions_by_topic: dict[str, Subscription] = {}
        self._refused_topics: set[str] = set()
        self._sensor_types: dict[str, str] = {}
        self._first_s: float | None = None
        self._before_clock: list[tuple[str, str, bytes]] = []
        self.lost: Counter[str] = Counter()
        self.writer: QueuedWriter | None = None

    def start(self) -> None:
        """Make the bag, and listen.

        Raises:
            ParameterError: no folder is named.
            RecordingError: there is something at its path already, or it cannot be made.
        """
        if not self._params["out"]:
            raise ParameterError("out: wanted a folder to record to, found none")
        path = Path(self._params["out"]).expanduser()
        self.writer = QueuedWriter(path)
        self.get_logger().info(f"recording to {path}")
        self._discover_topics()
        self.create_timer(_DISCOVERY_PERIOD_S, self._discover_topics, clock=steady_clock())
        self.create_timer(_PROGRESS_S, self._check, clock=steady_clock())

    def close(self) -> None:
        """Write what came, end the bag, and say what it holds."""
        if self.writer is None:
            return
        for prefix, sensor_type in self._sensor_types.items():
            self.writer.note(profile_key(prefix), sensor_type)
        self.writer.close()
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        self._log_summary()

    @property
    def exit_code(self) -> int:
        """0 if all that came is in the bag."""
        return int(self.writer is not None and bool(self.writer.error or self.writer.dropped))

    def is_connected(self, topic: str) -> bool:
        """Whether a topic is recorded and connected to a publisher."""
        return (
            topic in self._subscriptions_by_topic
            and self._subscriptions_by_topic[topic].get_publisher_count() > 0
        )

    def _discover_topics(self) -> None:
        for topic, types in self.get_topic_names_and_types():
            if (
                topic in self._subscriptions_by_topic
                or topic in self._refused_topics
                or not self._filter.accepts(topic)
            ):
                continue
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers:
                self._listen(topic, types[0], publishers)

    def _listen(self, topic: str, type_name: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        try:
            message_type = message_class(type_name)
        except ParameterError as error:
            self._refused_topics.add(topic)
            self.get_logger().warning(f"{topic}: not recorded: {error}")
            return
        self._subscriptions_by_topic[topic] = self.create_subscription(
            message_type,
            topic,
            partial(self._on_data, topic, type_name, message_type),
            best_qos(publishers),
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(
                message_lost=partial(self._count_loss, topic), use_default_callbacks=False
            ),
        )

    def _on_data(self, topic: str, type_name: str, message_type: type, data: bytes) -> None:
        if self._first_s is None:
            self._first_s = time.monotonic()
        self._before_clock.append((topic, type_name, data))
        # Simulated time is 0 until somebody tells it.
        if now_ns := self.get_clock().now().nanoseconds:
            for message in self._before_clock:
                self.writer.put(*message[:2], now_ns, message[2])
            self._before_clock.clear()
        if topic == DIAGNOSTICS:
            self._learn_sensor_types(data)
        if self._on_message is not None:
            self._on_message(topic, message_type, data)

    def _learn_sensor_types(self, data: bytes) -> None:
        """Sensors tell on /diagnostics what they are; an evaluation needs to know."""
        if (message := deserialize(data, DiagnosticArray)) is None:
            self.get_logger().warning(
                f"{DIAGNOSTICS}: a message cannot be read; it is recorded as it came",
                throttle_duration_sec=LOG_THROTTLE_S,
            )
            return
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            if {"sensor type", "images"} <= values.keys():
                self._sensor_types[values["images"].rpartition("/")[0]] = values["sensor type"]

    def _count_loss(self, topic: str, info: QoSMessageLostInfo) -> None:
        self.lost[topic] += info.total_count_change

    def _check(self) -> None:
        """Show how it goes; ask for the end when the time is over or nothing more is written."""
        seconds, limit_s = self._seconds(), self._params["duration"]
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{self._progress(seconds)}")
        if self.writer.error or 0 < limit_s <= seconds:
            request_stop()

    def _seconds(self) -> float:
        return 0.0 if self._first_s is None else time.monotonic() - self._first_s

    def _progress(self, seconds: float) -> str:
        megabytes, count = self.writer.bytes * 1e-6, self.writer.counts.total()
        text = f"{seconds:.1f} s  {count:,} messages  {megabytes:,.1f} MB"
        if seconds:
            text += f"  {count / seconds:.0f}/s  {megabytes / seconds:.1f} MB/s"
        drops = self.writer.dropped.total() + self.lost.total()
        return f"{text}  {drops} dropped"

    def _log_summary(self) -> None:
        log, writer = self.get_logger(), self.writer
        for topic, count in sorted(writer.counts.items()):
            log.info(f"{topic}: {count:,} messages")
        log.info(f"recorded {self._progress(self._seconds())}")
        for topic, count in sorted(self.lost.items()):
            log.warning(f"{topic}: {count} messages lost on the way here")
        for topic, count in sorted(writer.dropped.items()):
            log.error(f"{topic}: {count} messages came and could not be written")
        if writer.error:
            log.fatal(writer.error)


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT, or for the parameter `duration`; the exit code."""
    if wants_help(arguments, "record", settings.RECORD):
        return 0
    recorders: list[Recorder] = []

    def create() -> list[Recorder]:
        recorders.append(Recorder())
        return recorders

    exit_code = spin.run(create, arguments, shutdown_grace_s=_SHUTDOWN_GRACE_S)
    return exit_code or recorders[0].exit_code


def run(options: argparse.Namespace) -> int:
    """Run `sparsh-ros record`."""
    values = {name: getattr(options, name) for name in settings.RECORD}
    values["topics"] = list(options.topics)
    line = ["--ros-args", "-r", f"__ns:=/{options.namespace.strip('/')}"]
    for name, value in values.items():
        line += ["-p", f"{name}:={json.dumps(value)}"]
    return main(line)


if __name__ == "__main__":
    sys.exit(main())
