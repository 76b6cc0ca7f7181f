# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench io`: what it costs to take an image in and to send estimates out."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from sparsh_ros.bench.conditions import refuse_loaded, watching
from sparsh_ros.bench.results import Measures, Row, show, write
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.names import HEADS
from sparsh_ros.nodes.messages.conversions import image_to_msg, msg_to_stamp
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime.isolation import isolated_environment
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.estimates import TOPICS
from sparsh_ros.perception.postprocess import Estimate

COLUMNS = {"MEDIAN_MS": "median ms", "WORST_MS": "99 of 100 below, ms"}

_RATE_HZ = 60.0
_DISCOVERY_S = 5.0


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
            for name, step in steps().items():
                repeats.setdefault(name, []).append(_summary(_timed(step, options.frames)))
            sent = f"image over the middleware, {_RATE_HZ:g} Hz"
            repeats.setdefault(sent, []).append(_summary(send_images(options.frames)))
            conditions.time_unit()
    rows = [Row.of(name, found) for name, found in repeats.items()]
    show("Image in, messages out; one thread", rows, COLUMNS, conditions)
    if options.out:
        write(options.out, "io", rows, conditions, frames=options.frames)
    return 0


def steps() -> dict[str, Callable[[], object]]:
    """What happens to a frame beside the model, step by step."""
    pixels = np.random.default_rng(0).integers(0, 256, IMAGE_SHAPE, dtype=np.uint8)
    image = image_to_msg(pixels, 1, "frame")
    image_bytes = serialize_message(image)
    estimate = Estimate("digit", 1, valid=True, in_contact=True, force_n=np.ones(3))
    topics = [topic for topic in TOPICS if topic.head in HEADS[:3]]
    messages = [topic.to_msg(estimate, "frame") for topic in topics]
    return {
        "pixels to image message": lambda: image_to_msg(pixels, 1, "frame"),
        "image message to bytes": lambda: serialize_message(image),
        "bytes to image message": lambda: deserialize_message(image_bytes, Image),
        "image message to pixels": lambda: decode_image(image),
        f"estimate to {len(messages)} messages": lambda: [
            topic.to_msg(estimate, "frame") for topic in topics
        ],
        f"{len(messages)} messages to bytes": lambda: [serialize_message(m) for m in messages],
    }


def _timed(step: Callable[[], object], runs: int) -> list[float]:
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        step()
        taken.append(1e3 * (time.perf_counter() - started))
    return taken


def _summary(taken_ms: list[float]) -> Measures:
    median, worst = np.percentile(taken_ms, (50, 99))
    return {"MEDIAN_MS": float(median), "WORST_MS": float(worst)}


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
    enough = threading.Event()

    def listen() -> None:
        while not enough.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=listen, name="receiver")
    thread.start()
    try:
        yield nodes[0], nodes[1]
    finally:
        enough.set()
        thread.join()
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        context.try_shutdown()
