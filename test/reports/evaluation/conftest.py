# SPDX-License-Identifier: Apache-2.0
"""Made-up touches of which everything is known, and pages of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from fixtures.made_up_results import PERIOD_NS, make_result, make_sensor

from sparsh_ros.evaluation.metrics_file import build_document
from sparsh_ros.evaluation.result import Result, SensorResult, ShownFrame
from sparsh_ros.sensors.images import encode_jpeg

VOID = {"meta", "img", "br", "line", "path", "rect"}
JPEG = encode_jpeg(np.full((32, 24, 3), 90, np.uint8), 85).tobytes()


@dataclass
class Page(HTMLParser):
    """What a page holds; fails on tags that do not match."""

    html: str
    text: str = ""
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside == "script" and self.tags[-1][1].get("type") == "application/json":
            self.data.append(data)
        elif inside not in ("script", "style"):
            self.text += f" {data.strip()}" if data.strip() else ""

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


def _touch(recording: str, error_n: float = 0.1, count: int = 400, late: int = 3) -> SensorResult:
    rows = np.arange(count)
    slipping = (rows % 100 >= 40) & (rows % 100 < 70)
    said = slipping & (rows % 100 >= 40 + late)
    motion = np.stack([np.sin(rows / 30) * 1e-3, np.cos(rows / 30) * 1e-3, rows * 0], axis=1)
    motion = motion.astype(np.float32)
    bins = np.stack([rows % 11, rows % 7, rows * 0 - 1], axis=1).astype(np.int8)
    unknown_rotation = np.array([0, 0, np.nan], np.float32)
    truth = np.stack([rows * 0, rows * 0, 1 + np.sin(rows / 20)], axis=1).astype(np.float32)
    estimates = {
        "force_n": truth + np.array([error_n, 0, 0], np.float32),
        "slip_probability": np.where(said, 0.9, 0.1).astype(np.float32),
        "slipping": said.astype(np.int8),
        "pose_change": motion + unknown_rotation,
        "pose_bins": bins,
        "pose": motion + unknown_rotation,
    }
    labels = {
        "force_n": truth,
        "slipping": slipping.astype(np.int8),
        "in_contact": np.ones(count, np.int8),
        "pose_change": motion,
        "pose_bins": np.minimum(bins, 9),
        "pose": motion + np.float32(0.5),
    }
    sensor = make_sensor(recording, error_n, count, estimates=estimates, labels=labels)
    worst = [
        ShownFrame(task, 40 + i, (40 + i) * PERIOD_NS, 1.0, unit, JPEG)
        for i, (task, unit) in enumerate((("force", "mN"), ("slip", "probability"), ("pose", "mm")))
    ]
    evenly = [
        ShownFrame("", row, row * PERIOD_NS, np.nan, "", JPEG) for row in range(0, count, 100)
    ]
    topics = {task: f"/left/ground_truth/{task}" for task in ("force", "slip", "pose")}
    return replace(sensor, label_topics=topics, shown_frames=(*worst, *evenly))


@pytest.fixture
def touch() -> Callable[..., SensorResult]:
    """Makes a sensor with labels of everything but rotation: the force is off by `error_n` along
    x, and every slip is told `late` frames late."""
    return _touch


@pytest.fixture
def evaluated() -> Callable[..., Result]:
    """Makes a result with metrics of sensors."""

    def make(*sensors: SensorResult, **changes) -> Result:
        result = replace(make_result(*sensors), **changes)
        return replace(result, metrics=build_document(result, seed=0))

    return make


@pytest.fixture
def parsed() -> type[Page]:
    """Reads a page."""
    return Page
