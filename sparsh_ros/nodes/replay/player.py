# SPDX-License-Identifier: Apache-2.0
"""The player: a recording as the sensors of a live graph, which it records and then checks.

Images, backgrounds and `/clock` go out as the stamps of the recording say. What the graph answers
is recorded, and at the end compared with what an evaluation of the same recording says: the exit
code is 0 if these are equal, see evaluation/difference.py.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from sparsh_ros.arguments import Value
from sparsh_ros.errors import ParameterError, RecordingError, SparshError
from sparsh_ros.frames import Frame
from sparsh_ros.models.head_choice import choose_heads
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import DIAGNOSTICS
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.alone import OTHER_CLOCK, claim_clock
from sparsh_ros.nodes.graph.graph import prefixes
from sparsh_ros.nodes.graph.recorded import recorded_sensors
from sparsh_ros.nodes.help import wants_help
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.record.recorder import Recorder
from sparsh_ros.nodes.replay.check import INTERRUPTED, check
from sparsh_ros.nodes.replay.played_labels import PlayedLabels
from sparsh_ros.nodes.replay.played_sensor import PlayedSensor
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.clocks import PlayClock, steady_clock
from sparsh_ros.nodes.runtime.endpoints import deserialize
from sparsh_ros.nodes.runtime.parameters import Parameters
from sparsh_ros.nodes.runtime.signals import request_stop
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.estimates import topics_of
from sparsh_ros.recordings.bag_sensor import BagSensor, read_sensor_items
from sparsh_ros.recordings.bags import open_bag
from sparsh_ros.recordings.prefetch import prefetch
from sparsh_ros.recordings.topics import SensorTopics, find_sensors

_TICK_S = 0.01
_POLL_S = 0.05
# Both sides must know each other, or the first frames are missed.
_HANDSHAKE_S = 0.5
# What has not come by then was passed over.
_WAIT_TIMEOUT_S = 2.0
# A new background must be there before the next frame.
_BACKGROUND_DELAY_S = 0.2
_DISCOVERY_PERIOD_S = 0.5
_READ_AHEAD = 32

# How long others are looked for before the start: nodes know of each other within it.
_LOOK_FOR_CLOCKS_S = 1.5
Item = tuple[BagSensor, str, int, object]


class Player(Node):
    """Plays once, as soon as the graph listens, and then asks for the end of the process.

    Attributes:
        recorder: records the estimates; to be run beside this node.
        values: of the parameters.
        sensors: what is played.
        perception: name of the perception node with its namespace.
        finished: whether the recording was played to its end.
        failure: why not, in a sentence, where something went wrong.
    """

    def __init__(self) -> None:
        """Look into the recording.

        Raises:
            SparshError: a parameter is not allowed, or the recording or the model cannot be used.
        """
        super().__init__("player")
        params = Parameters(self, settings.PLAYER)
        self._claim = claim_clock()
        self._refuse_running_player()
        self.values = {name: params[name] for name in settings.PLAYER}
        configs = recorded_sensors(params["bag"], params["image_topics"], params["sensor"])
        names = prefixes([config.name for config in configs])
        self.sensors = {
            config.name: PlayedSensor(self, config, names[config.name]) for config in configs
        }
        self.perception = f"{self.get_namespace()}/perception".lstrip("/")
        self.recorder = Recorder(self._on_message, {"images": "none"})
        self._estimates = _estimate_topics(self.values)
        self.finished = False
        self.failure = ""
        self._play_clock = PlayClock(params["speed"])
        self._clock_topic = self.create_publisher(Clock, "/clock", qos.LATEST)
        self._news = threading.Condition()
        self._estimated_ns: dict[str, int] = {}
        self._diagnosed_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="play")

    def start(self) -> None:
        """Begin to wait for listeners."""
        self.create_timer(_DISCOVERY_PERIOD_S, self._refuse_other_clocks, clock=steady_clock())
        self._thread.start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            self._play()
        except SparshError as error:
            self.failure = str(error)
        except Exception as error:  # whatever it is, the process must not wait for ever
            self.failure = f"bag {self.values['bag']}: {type(error).__name__}: {error}"
        if not self._stop.is_set():
            request_stop()

    def _play(self) -> None:
        values = self.values
        with open_bag(values["bag"]) as bag:
            found = find_sensors(bag.topics, tuple(values["image_topics"]))
            sensors = [
                BagSensor(name, _without_labels(topics), values["sensor"])
                for name, topics in zip(self.sensors, found, strict=True)
            ]
            prefixes = {
                topics.prefix: self.sensors[name].topics
                for name, topics in zip(self.sensors, found, strict=True)
            }
            self._labels = PlayedLabels(self, values["bag"], prefixes)
            with (
                closing(self._labels),
                closing(prefetch(read_sensor_items(bag, sensors), _READ_AHEAD)) as items,
            ):
                self._publish_all(item for item in items if item[1] != "profile")
            for warning in bag.warnings:
                self.get_logger().warning(warning)
        if not self._stop.is_set():
            self._end()

    def _publish_all(self, items: Iterator[Item]) -> None:
        first = next(items, None)
        if first is None:
            raise RecordingError(f"bag {self.values['bag']}: no image that can be read")
        self._play_clock.left_s(first[2])
        self._await_listeners()
        self.get_logger().info(f"playing {self.values['bag']} at speed {self.values['speed']}")
        for sensor, event, stamp_ns, value in chain([first], items):
            if self._stop.is_set():
                return
            if event == "frame":
                self._publish(self.sensors[sensor.key], value)
            else:
                self._change_background(self.sensors[sensor.key], stamp_ns, value)

    def _publish(self, sensor: PlayedSensor, frame: Frame) -> None:
        while (left_s := self._play_clock.left_s(frame.stamp_ns)) > 0 and not self._stop.is_set():
            self._stop.wait(min(left_s, _TICK_S))
            self._publish_time()
        self._publish_time()
        sensor.publish(frame)
        self._labels.publish_until(frame.stamp_ns)

    def _change_background(
        self, sensor: PlayedSensor, stamp_ns: int, image: np.ndarray | None
    ) -> None:
        """Between two frames, as in the recording: time waits until it is in place."""
        self._play_clock.stand_still()
        self._await_estimates([sensor])
        sensor.publish_background(stamp_ns, image)
        self._stop.wait(_BACKGROUND_DELAY_S)

    def _end(self) -> None:
        """Wait for the last estimates, and for what perception says of its frames after that."""
        self._play_clock.stand_still()
        self._await_estimates(self.sensors.values())
        with self._news:
            now_s = time.monotonic()
            self._news.wait_for(lambda: self._diagnosed_s > now_s, _WAIT_TIMEOUT_S)
        self.finished = not self._stop.is_set()

    def _publish_time(self) -> None:
        self._clock_topic.publish(Clock(clock=conversions.stamp_to_msg(self._play_clock.now_ns)))

    def _await_listeners(self) -> None:
        self.get_logger().info("waiting for perception")
        while not (self._has_listeners() or self._stop.is_set()):
            self._publish_time()
            self._stop.wait(_POLL_S)
        self._stop.wait(_HANDSHAKE_S)
        self._play_clock.stand_still()

    def _refuse_running_player(self) -> None:
        """Leave a graph alone in which somebody else, or another host, tells the time already."""
        give_up_s = time.monotonic() + _LOOK_FOR_CLOCKS_S
        while time.monotonic() < give_up_s:
            if self.count_publishers("/clock"):
                raise ParameterError(OTHER_CLOCK)
            time.sleep(_POLL_S)

    def _refuse_other_clocks(self) -> None:
        if self.count_publishers("/clock") > 1 and not self.failure:
            self.failure = OTHER_CLOCK
            request_stop()

    def _has_listeners(self) -> bool:
        return all(
            sensor.has_listeners and all(map(self.recorder.is_connected, self._topics_of(sensor)))
            for sensor in self.sensors.values()
        )

    def _await_estimates(self, sensors: Sequence[PlayedSensor]) -> None:
        wanted = {
            topic: sensor.newest_ns
            for sensor in sensors
            for topic in self._topics_of(sensor)
            if sensor.newest_ns is not None
        }
        with self._news:
            self._news.wait_for(
                lambda: self._stop.is_set() or wanted.items() <= self._estimated_ns.items(),
                _WAIT_TIMEOUT_S,
            )

    def _topics_of(self, sensor: PlayedSensor) -> list[str]:
        return [f"{sensor.topics}/{name}" for name in self._estimates]

    def _on_message(self, topic: str, message_type: type, data: bytes) -> None:
        """Called by the recorder with each message."""
        below, _, name = topic.rpartition("/")
        is_ours = any(sensor.topics == below for sensor in self.sensors.values())
        is_estimate = is_ours and name in self._estimates
        if not (is_estimate or topic == DIAGNOSTICS):
            return
        if (message := deserialize(data, message_type)) is None:
            return
        with self._news:
            if is_estimate:
                self._estimated_ns[topic] = conversions.msg_to_stamp(message.header.stamp)
            elif _is_of_perception(message):
                self._diagnosed_s = time.monotonic()
            self._news.notify_all()


def _without_labels(topics: SensorTopics) -> SensorTopics:
    return SensorTopics(topics.name, topics.prefix, topics.image, topics.background)


def _estimate_topics(values: Mapping[str, Value]) -> list[str]:
    """Names of the topics on which perception will say what it estimates."""
    spec = load_model_spec(values["model"], values["weights_dir"] or None)
    wanted = choose_heads(spec, values["heads"]).wanted
    return topics_of(wanted)


def _is_of_perception(message: DiagnosticArray) -> bool:
    return any("images received" in {v.key for v in status.values} for status in message.status)


def main(arguments: list[str] | None = None) -> int:
    """Play, record, compare; the exit code."""
    if wants_help(arguments, "player", settings.PLAYER):
        return 0
    players: list[Player] = []

    def create() -> Sequence[spin.LiveNode]:
        players.append(Player())
        return [players[0].recorder, players[0]]

    exit_code = spin.run(create, arguments)
    if exit_code or not players:
        return exit_code
    player = players[0]
    if player.failure:
        rclpy.logging.get_logger("sparsh_ros").fatal(player.failure)
        if player.recorder.writer is not None:  # then the folder is of this run
            shutil.rmtree(player.values["out"], ignore_errors=True)
        return 1
    if not player.finished:
        return INTERRUPTED
    topics = {name: sensor.topics for name, sensor in player.sensors.items()}
    return max(player.recorder.exit_code, check(player.values, topics, player.perception))


if __name__ == "__main__":
    sys.exit(main())
