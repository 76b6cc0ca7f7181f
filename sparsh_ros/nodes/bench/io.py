# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench io`: where the time of one frame goes, from pixels to messages.

Each step is done by itself on one thread: what the sensor's process does, the way over the
middleware, and what the process of perception does. Milliseconds of the thread's own computing time
stand beside those on the clock, because only they mean much on a machine that is shared. A pass of
its own, which is not timed, counts what each step allocates.
"""

from __future__ import annotations

import argparse
import math
import os
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from sparsh_ros.bench.conditions import refuse_loaded, watching
from sparsh_ros.bench.results import Measures, Row, show, write
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.names import HEADS
from sparsh_ros.nodes.messages.conversions import image_to_msg, msg_to_stamp
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime.isolation import isolated_environment
from sparsh_ros.nodes.runtime.spin import spinning
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.estimates import TOPICS
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.simulation import TouchSimulation

COLUMNS = {
    "CPU_MS": "computing ms",
    "MEDIAN_MS": "on the clock ms",
    "WORST_MS": "99 of 100 below",
    "NEW_KB": "new memory at most, kB",
}

_RATE_HZ = 60.0
_DISCOVERY_S = 5.0
_PAIR_FRAMES = 10  # before the first pair, and a warm-up
_IMAGES = 60
_COUNTED = 20  # frames of the pass that counts memory


def run(options: argparse.Namespace) -> int:
    """Time each step, print a table, write the numbers if asked.

    Raises:
        SparshError: The machine is busy with something else.
    """
    if not options.anyway:
        refuse_loaded()
    os.environ.update(isolated_environment())
    repeats: dict[str, list[Measures]] = {}
    with watching() as conditions:
        for _ in range(options.runs):
            found = time_sensor(options.frames) | time_middleware(options.frames)
            found |= time_perception(options.model, options.frames)
            memory = count_memory(options.model)
            for name, times in found.items():
                summary = times.summary() | {"NEW_KB": memory.get(name, math.nan)}
                repeats.setdefault(name, []).append(summary)
            conditions.time_unit()
    rows = [Row.of(name, found) for name, found in repeats.items()]
    show(f"The way of one frame; {options.model}, one thread", rows, COLUMNS, conditions)
    if options.out:
        settings = {"model": options.model, "frames": options.frames}
        write(options.out, "io", rows, conditions, **settings)
    return 0


@dataclass
class Times:
    """Milliseconds that a step took each time: on the clock, and of its thread's computing.

    While `tracemalloc` traces, also the most memory that it held beyond what there was before, kB,
    of what Python, NumPy and OpenCV allocate.
    """

    clock_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    new_kb: list[float] = field(default_factory=list)

    def run(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Do the step and time it; what it gives."""
        before_bytes = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        started, worked = time.perf_counter(), time.thread_time()
        result = step(*arguments)
        self.cpu_ms.append(1e3 * (time.thread_time() - worked))
        self.clock_ms.append(1e3 * (time.perf_counter() - started))
        self.new_kb.append(1e-3 * (tracemalloc.get_traced_memory()[1] - before_bytes))
        return result

    def summary(self) -> Measures:
        """Medians, and the highest but for one of 100. Computing is NaN where it is elsewhere."""
        median, worst = np.percentile(self.clock_ms, (50, 99))
        cpu = float(np.median(self.cpu_ms)) if self.cpu_ms else math.nan
        return {"CPU_MS": cpu, "MEDIAN_MS": float(median), "WORST_MS": float(worst)}


def time_sensor(frames: int) -> dict[str, Times]:
    """What a process does that simulates a DIGIT."""
    simulation = TouchSimulation("digit", 0, "protocol")
    found = defaultdict(Times)
    for stamp_ns in range(frames):
        image = found["sensor: simulate the frame"].run(simulation.step).image
        message = found["sensor: make the message"].run(image_to_msg, image, stamp_ns, "frame")
        found["sensor: make its bytes"].run(serialize_message, message)
    return found


def time_middleware(frames: int) -> dict[str, Times]:
    """The way of an image from one node to another, a little of which is Python's."""
    return {f"middleware, {_RATE_HZ:g} images/s": Times(send_images(frames))}


def time_perception(model: str, frames: int) -> dict[str, Times]:
    """What the process of perception does, once the frames have a pair."""
    simulation = TouchSimulation("digit", 0, "protocol")
    perception = Perception(model, device="cpu", threads=1)
    perception.add_sensor("digit", load_profile("digit"))
    perception.set_background("digit", simulation.background())
    images = [simulation.step().image for _ in range(_IMAGES)]
    found = defaultdict(Times)
    encode = perception.engine.encode
    if not tracemalloc.is_tracing():  # it would forget the peak of the step around it
        perception.engine.encode = lambda *clip: found["perception: encoder"].run(encode, *clip)
    for index in range(_PAIR_FRAMES + frames):
        if index == _PAIR_FRAMES:
            found.clear()
        stamp_ns = round(index * 1e9 / _RATE_HZ)
        data = serialize_message(image_to_msg(images[index % _IMAGES], stamp_ns, "frame"))
        message = found["perception: read the bytes"].run(deserialize_message, data, Image)
        pixels = found["perception: message to pixels"].run(decode_image, message)
        perception.push("digit", Frame(stamp_ns, pixels))
        features = found["perception: pair, background, encoder"].run(perception.encode)
        [estimate] = found["perception: observer and heads"].run(perception.run_heads, features)
        made = found["perception: make the messages"].run(_messages, estimate)
        found["perception: make their bytes"].run(_to_bytes, made)
    return found


def count_memory(model: str) -> dict[str, float]:
    """The most new memory that each step holds, kB, in the median; a pass that takes longer."""
    tracemalloc.start()
    try:
        found = time_sensor(_COUNTED) | time_perception(model, _COUNTED)
    finally:
        tracemalloc.stop()
    return {name: float(np.median(times.new_kb)) for name, times in found.items()}


def _to_bytes(messages: list[Any]) -> list[bytes]:
    return [serialize_message(message) for message in messages]


def _messages(estimate: Estimate) -> list[Any]:
    return [topic.to_msg(estimate, "frame") for topic in TOPICS if topic.head in HEADS[:3]]


def send_images(frames: int) -> list[float]:
    """Milliseconds from before publishing an image until its callback, at a camera's rate."""
    arrived: list[float] = []

    def take(message: Image) -> None:
        arrived.append(1e-6 * (time.time_ns() - msg_to_stamp(message.header.stamp)))

    pixels = np.zeros(IMAGE_SHAPE, np.uint8)
    with _two_nodes() as (sender, receiver):
        publisher = sender.create_publisher(Image, "bench_image", qos.LATEST)
        receiver.create_subscription(Image, "bench_image", take, qos.LATEST)
        give_up = time.monotonic() + _DISCOVERY_S
        while not publisher.get_subscription_count() and time.monotonic() < give_up:
            time.sleep(0.01)
        start = time.monotonic()
        for index in range(frames):
            time.sleep(max(0.0, start + index / _RATE_HZ - time.monotonic()))
            publisher.publish(image_to_msg(pixels, time.time_ns(), "frame"))
        time.sleep(1 / _RATE_HZ)
    return arrived


@contextmanager
def _two_nodes() -> Iterator[tuple[rclpy.node.Node, rclpy.node.Node]]:
    """A node to send, and one whose callbacks run on a thread of their own."""
    context = rclpy.Context()
    context.init()
    nodes = [rclpy.create_node(f"bench_{name}", context=context) for name in ("sender", "receiver")]
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(nodes[1])
    try:
        with spinning(executor, "receiver"):
            yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            node.destroy_node()
        context.try_shutdown()
