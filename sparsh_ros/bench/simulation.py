# SPDX-License-Identifier: Apache-2.0
"""What a simulated frame costs on one core: part of `sparsh-ros bench model`."""

from __future__ import annotations

import statistics
import time

import cv2
import numpy as np

from sparsh_ros.bench.results import Measures, Row
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.simulation.simulation import TouchSimulation

TURNS = 5
COLUMNS = {"FRAME_MS": "frame ms", "OPTICS_MS": "of that optics"}
FRAMES = 120  # per turn: two seconds of touch


def measure() -> list[Row]:
    """Time all types of sensors on one thread, taking turns.

    Returns:
        Of each type FRAME_MS, contact, friction and optics together, and OPTICS_MS, the optics
        alone on the same frames: medians over a turn.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        turns = [[_time_turn(sensor, seed) for sensor in SENSORS] for seed in range(TURNS)]
    finally:
        cv2.setNumThreads(threads)
    return [
        Row.of(sensor, repeats)
        for sensor, repeats in zip(SENSORS, zip(*turns, strict=True), strict=True)
    ]


def _time_turn(sensor: str, seed: int) -> Measures:
    simulation = TouchSimulation(sensor, seed, touch="protocol")
    render, spent = simulation.optics.render, []

    def timed_render(*arguments: object) -> np.ndarray:
        started = time.perf_counter()
        image = render(*arguments)
        spent.append(time.perf_counter() - started)
        return image

    simulation.optics.render = timed_render
    frames = []
    for _ in range(FRAMES):
        started = time.perf_counter()
        simulation.step()
        frames.append(time.perf_counter() - started)
    return {
        "FRAME_MS": 1e3 * statistics.median(frames),
        "OPTICS_MS": 1e3 * statistics.median(spent),
    }
