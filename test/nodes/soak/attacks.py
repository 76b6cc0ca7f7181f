# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a soak: cameras that fail, processes that die, publishers that lie.

Two graphs run. `soak` has a camera that fails on demand, perception, and a head elsewhere.
`foreign` is perception alone: its sensor is the attacker, who sends good images between attacks.
"""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nodes.soak.watch import graph_processes
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.msg import Features
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.topics import qos
from sparsh_ros.sensors import watchdog

SOAK, HEAD, FOREIGN = "/soak", "/soak_head", "/foreign"
SERIAL = "D1"
LONG_S = 3.0  # of an attack
PERIOD_S = 0.1  # of the foreign sensor
GRACE_S = 2.0  # until an estimate has to say that nothing is known

_HOUR_NS = 3600 * 10**9
_CAMERA_FAULTS = (
    *(watchdog.HANG, watchdog.EMPTY, watchdog.TORN, watchdog.GREEN),
    *(watchdog.FROZEN, watchdog.USB, watchdog.WRONG_SIZE),
)


@dataclass(frozen=True)
class Attack:
    """One thing that goes wrong for a while.

    Attributes:
        name: In words.
        begin, end: Let it happen, and let it be over.
        silences: Namespaces whose estimates must be invalid while it lasts, but for `GRACE_S`.
        keeps: Those whose estimates must be valid all the same.
    """

    name: str
    begin: Callable[[], object]
    end: Callable[[], object] = lambda: None
    silences: Sequence[str] = ()
    keeps: Sequence[str] = ()


class ForeignSensor:
    """The only publisher of images of `foreign`: well behaved until it is told otherwise."""

    def __init__(self, node: Node, random: np.random.Generator) -> None:
        """Publish from the executor's thread that spins the node."""
        self._images = node.create_publisher(Image, f"{FOREIGN}/image_raw", qos.IMAGE)
        self._backgrounds = node.create_publisher(Image, f"{FOREIGN}/background", qos.LATCHED)
        self._random, self._lie = random, None
        coarse = random.integers(70, 150, (16, 12, 3)).repeat(20, 0).repeat(20, 1)
        self._gel = coarse.astype(np.uint8)
        self._background = self._image(self._gel)
        self._backgrounds.publish(self._background)
        node.create_timer(PERIOD_S, self._tick)

    def lie(self, how: Callable[[Image], Any | None] | None) -> None:
        """From now on send what this makes of each good image: message, bytes, nothing."""
        self._lie = how

    def accuse(self, background: Image) -> None:
        """Send another background than the own one."""
        self._backgrounds.publish(background)

    def repent(self) -> None:
        """Send good images, and the own background, again."""
        self._lie = None
        self._backgrounds.publish(self._background)

    def _tick(self) -> None:
        noise = self._random.integers(0, 4, IMAGE_SHAPE, np.uint8)
        message = self._image(self._gel + noise)
        lie = message if self._lie is None else self._lie(message)
        if lie is not None:
            self._images.publish(lie)

    @staticmethod
    def _image(pixels: np.ndarray) -> Image:
        return conversions.image_to_msg(pixels, time.time_ns(), "camera")


class Intruder:
    """Publishes beside somebody else for the time of one attack."""

    def __init__(self, outsider: Any, random: np.random.Generator) -> None:
        """Publish from a timer of the outside node."""
        self._outsider, self._random = outsider, random
        self._publisher: Publisher | None = None
        self._timer: Any = None

    def begin(
        self, message_type: type, topic: str, quality: QoSProfile, make: Callable[[], Any]
    ) -> None:
        """Send what `make` makes, twenty times a second."""
        node = self._outsider.node
        self._outsider.between_callbacks(
            lambda: self._start(node, message_type, topic, quality, make)
        )

    def _start(self, node: Node, *what: Any) -> None:
        message_type, topic, quality, make = what
        publisher = self._publisher = node.create_publisher(message_type, topic, quality)
        self._timer = node.create_timer(0.05, lambda: publisher.publish(make()))

    def end(self) -> None:
        """Be gone."""
        node = self._outsider.node
        self._outsider.between_callbacks(
            lambda: (node.destroy_timer(self._timer), node.destroy_publisher(self._publisher))
        )

    def noise(self) -> Image:
        """A good image of another gel."""
        pixels = self._random.integers(0, 256, IMAGE_SHAPE, np.uint8)
        return conversions.image_to_msg(pixels, time.time_ns(), "evil")

    def damaged(self, message: Any) -> bytes:
        """A message as bytes, cut, turned over or with a huge length."""
        data = bytearray(serialize_message(message))
        place = int(self._random.integers(4, min(80, len(data))))
        kind = self._random.integers(4)
        if kind == 0:
            del data[place:]
        elif kind == 1:
            data[place] ^= 255
        elif kind == 2:
            data[place // 4 * 4 : place // 4 * 4 + 4] = struct.pack("<I", 2**32 - 1)
        else:
            data[:] = self._random.bytes(place)
        return bytes(data)


def attacks(cameras: Any, sensor: ForeignSensor, intruder: Intruder) -> list[Attack]:
    """All that may happen."""
    return [
        *(_camera_fault(cameras, fault) for fault in _CAMERA_FAULTS),
        Attack(
            "unplugged",
            lambda: cameras.unplug(SERIAL),
            lambda: cameras.plug("digit", SERIAL, "1-1"),
            (SOAK, HEAD),
        ),
        *_deaths(),
        *_intrusions(intruder),
        *_lies(sensor, intruder),
    ]


def _camera_fault(cameras: Any, fault: str) -> Attack:
    return Attack(
        f"camera: {fault}",
        lambda: cameras.misbehave(SERIAL, fault),
        lambda: cameras.misbehave(SERIAL, ""),
    )


def _deaths() -> list[Attack]:
    def send(number: int, node: str) -> Callable[[], None]:
        return lambda: [os.kill(pid, number) for pid in graph_processes().get(node, ())]

    sensor, perception = f"{SOAK} sensor", f"{SOAK} perception"
    return [
        Attack("sensor killed", send(signal.SIGKILL, sensor)),
        Attack("perception killed", send(signal.SIGKILL, perception)),
        Attack(
            "sensor hangs",
            *(send(number, sensor) for number in (signal.SIGSTOP, signal.SIGCONT)),
            (SOAK, HEAD),
        ),
        Attack(
            "perception hangs",
            *(send(number, perception) for number in (signal.SIGSTOP, signal.SIGCONT)),
            (SOAK, HEAD),
        ),
    ]


def _intrusions(intruder: Intruder) -> list[Attack]:
    def attack(
        name: str,
        what: tuple[type, str, QoSProfile],
        make: Callable[[], Any],
        silences: Sequence[str] = (),
    ) -> Attack:
        keeps = () if silences else (SOAK, HEAD, FOREIGN)
        return Attack(name, lambda: intruder.begin(*what, make), intruder.end, silences, keeps)

    image = (Image, f"{SOAK}/image_raw", qos.IMAGE)
    background = (Image, f"{SOAK}/background", qos.LATCHED)
    features = (Features, f"{SOAK}/features", qos.LARGE)
    reports = (DiagnosticArray, "/diagnostics", qos.RELIABLE)
    black = conversions.image_to_msg(np.zeros(IMAGE_SHAPE, np.uint8), 0, "evil")
    damaged = intruder.damaged
    return [
        attack("second sensor", image, intruder.noise, (SOAK, HEAD)),
        attack("damaged images beside", image, lambda: damaged(intruder.noise()), (SOAK, HEAD)),
        attack("stray background", background, intruder.noise),
        attack("black background", background, lambda: black),
        attack("no background", background, Image),
        attack("damaged background", background, lambda: damaged(black)),
        attack("second encoder", features, Features, (HEAD,)),
        attack("damaged features", features, lambda: damaged(Features(data=[0] * 90)), (HEAD,)),
        attack("damaged diagnostics", reports, lambda: damaged(DiagnosticArray())),
    ]


def _lies(sensor: ForeignSensor, intruder: Intruder) -> list[Attack]:
    def attack(name: str, lie: Callable[[Image], Any]) -> Attack:
        return Attack(name, lambda: sensor.lie(lie), sensor.repent, (FOREIGN,))

    def stamped(change: Callable[[int], int]) -> Callable[[Image], Image]:
        def lie(message: Image) -> Image:
            stamp_ns = change(time.time_ns())
            message.header.stamp = conversions.stamp_to_msg(stamp_ns)
            return message

        return lie

    def with_values(**values: Any) -> Callable[[Image], Image]:
        def lie(message: Image) -> Image:
            for name, value in values.items():
                setattr(message, name, value)
            return message

        return lie

    began_ns = time.time_ns()
    return [
        attack("silence", lambda message: None),
        attack("stamps an hour old", stamped(lambda now_ns: now_ns - _HOUR_NS)),
        attack("stamps an hour ahead", stamped(lambda now_ns: now_ns + _HOUR_NS)),
        attack("no stamps", stamped(lambda now_ns: 0)),
        attack("one stamp for all", stamped(lambda now_ns: began_ns)),
        attack("other size", with_values(height=200, width=384, step=1152)),
        attack("no pixels", with_values(height=0, width=0, step=0, data=b"")),
        attack("wrong step", with_values(step=2**32 - 1)),
        attack("unknown encoding", with_values(encoding="\u202erot13\x1b[2J")),
        attack("another encoding", with_values(encoding="32FC3")),
        # Not every changed byte makes it unusable: this one may stay valid.
        Attack("damaged", lambda: sensor.lie(intruder.damaged), sensor.repent),
        Attack(
            "its own background, of something else",
            lambda: sensor.accuse(intruder.noise()),
            sensor.repent,
            keeps=(FOREIGN,),
        ),
    ]
