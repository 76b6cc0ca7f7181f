# SPDX-License-Identifier: Apache-2.0
"""What a simulated frame costs on one core: part of `sparsh-ros bench`."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import cv2
import numpy as np
from rich.table import Table

from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.simulation.simulation import TouchSimulation

TURNS = 5
FRAMES = 120  # per turn: two seconds of touch


@dataclass(frozen=True)
class GelTiming:
    """Milliseconds per frame of one type of sensor: medians over the turns.

    Attributes:
        sensor: type of sensor.
        frame_ms: contact, friction and optics together.
        frame_ms_range: lowest and highest turn.
        optics_ms: the optics alone, on the same frames.
    """

    sensor: str
    frame_ms: float
    frame_ms_range: tuple[float, float]
    optics_ms: float


def measure() -> list[GelTiming]:
    """Time all types of sensors on one thread, taking turns."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        turns = [[_time_turn(sensor, seed) for sensor in SENSORS] for seed in range(TURNS)]
    finally:
        cv2.setNumThreads(threads)
    timings = []
    for sensor, medians in zip(SENSORS, zip(*turns, strict=True), strict=True):
        frame_ms, optics_ms = zip(*medians, strict=True)
        timings.append(
            GelTiming(
                sensor,
                statistics.median(frame_ms),
                (min(frame_ms), max(frame_ms)),
                statistics.median(optics_ms),
            )
        )
    return timings


def _time_turn(sensor: str, seed: int) -> tuple[float, float]:
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
    return 1e3 * statistics.median(frames), 1e3 * statistics.median(spent)


def timings_table(timings: list[GelTiming]) -> Table:
    """One row per type of sensor."""
    table = Table(title="Simulated frames, one core", title_justify="left", box=None)
    table.add_column("sensor")
    for name in ("frame ms", "range ms", "of that optics", "frames per s"):
        table.add_column(name, justify="right", no_wrap=True)
    for timing in timings:
        low, high = timing.frame_ms_range
        table.add_row(
            timing.sensor,
            f"{timing.frame_ms:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{timing.optics_ms:.2f}",
            f"{1e3 / timing.frame_ms:.0f}",
        )
    return table
