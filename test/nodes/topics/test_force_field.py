# SPDX-License-Identifier: Apache-2.0
"""Force fields on their own thread: only while somebody looks, the newest, whatever goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.nodes.topics.force_field import FieldWorker
from sparsh_ros.perception.force_field import ForceField

LONG_S = 30.0
VALUES = np.zeros((320, 240, 3), np.float32)


class Slow:
    """Stands for perception: works on a field until it is told to finish."""

    def __init__(self) -> None:
        self.stamp_ns = 0
        self.asked: list[str] = []
        self.begun, self.finish = threading.Semaphore(0), threading.Semaphore(0)
        self.trouble: Exception | None = None

    def force_field(self, sensor: str) -> ForceField | None:
        self.asked.append(sensor)
        stamp_ns = self.stamp_ns
        self.begun.release()
        assert self.finish.acquire(timeout=LONG_S)
        if self.trouble is not None:
            raise self.trouble
        if stamp_ns < 0:
            return None
        return ForceField(Frame(stamp_ns, np.zeros(IMAGE_SHAPE, np.uint8)), VALUES)


class Viewer:
    def __init__(self) -> None:
        self.wants_field = True
        self.stamps: list[int] = []
        self.unknown: list[int] = []
        self.came = threading.Semaphore(0)

    def publish_field(self, field: ForceField) -> None:
        self.stamps.append(field.frame.stamp_ns)
        self.came.release()

    def publish_no_field(self, stamp_ns: int) -> None:
        self.unknown.append(stamp_ns)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def viewers() -> dict[str, Viewer]:
    return {"left": Viewer(), "right": Viewer()}


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def worker(slow: Slow, viewers: dict[str, Viewer], errors: list[str]) -> Iterator[FieldWorker]:
    running = FieldWorker(slow, viewers, errors.append)
    yield running
    slow.finish.release(100)
    running.stop()


def test_frames_that_come_meanwhile_are_skipped_but_for_the_newest(worker, slow, viewers) -> None:
    worker.request("left", 3)
    assert slow.begun.acquire(timeout=LONG_S)
    for slow.stamp_ns in range(1, 6):
        worker.request("left", 3)
    slow.finish.release(2)
    for _ in range(2):
        assert viewers["left"].came.acquire(timeout=LONG_S)
    assert viewers["left"].stamps == [0, 5] and slow.asked == ["left", "left"]


def test_sensors_take_turns(worker, slow, viewers) -> None:
    worker.request("left", 3)
    assert slow.begun.acquire(timeout=LONG_S)
    worker.request("right", 3)
    worker.request("left", 3)
    slow.finish.release(3)
    assert viewers["right"].came.acquire(timeout=LONG_S)
    for _ in range(2):
        assert viewers["left"].came.acquire(timeout=LONG_S)
    assert slow.asked == ["left", "right", "left"]


def test_nothing_is_computed_while_nobody_looks(worker, slow, viewers) -> None:
    viewers["left"].wants_field = False
    worker.request("left", 3)
    worker.request("right", 3)
    slow.finish.release()
    assert viewers["right"].came.acquire(timeout=LONG_S)
    assert slow.asked == ["right"]


def test_trouble_costs_one_field(worker, slow, viewers, errors) -> None:
    slow.trouble = RuntimeError("out of memory")
    worker.request("left", 3)
    assert slow.begun.acquire(timeout=LONG_S)
    worker.request("right", 3)
    slow.finish.release()
    assert slow.begun.acquire(timeout=LONG_S)
    slow.trouble = None
    slow.finish.release()
    assert viewers["right"].came.acquire(timeout=LONG_S)
    assert errors == ["sensor left: this force field is lost: out of memory"]
    assert not viewers["left"].stamps


def test_a_frame_without_a_field_says_so(worker, slow, viewers) -> None:
    slow.stamp_ns = -1
    worker.request("left", 3)
    assert slow.begun.acquire(timeout=LONG_S)
    slow.finish.release()
    slow.stamp_ns = 7
    worker.request("right", 3)
    slow.finish.release()
    assert viewers["right"].came.acquire(timeout=LONG_S)
    assert viewers["right"].stamps == [7] and not viewers["left"].stamps
    assert viewers["left"].unknown == [3] and not viewers["right"].unknown


def test_stopping_finishes_the_field_at_hand(slow, viewers, errors) -> None:
    worker = FieldWorker(slow, viewers, errors.append)
    worker.request("left", 3)
    assert slow.begun.acquire(timeout=LONG_S)
    slow.finish.release()
    worker.stop()
    assert viewers["left"].stamps == [0]
    worker.request("right", 3)
    assert slow.asked == ["left"]
