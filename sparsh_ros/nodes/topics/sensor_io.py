# SPDX-License-Identifier: Apache-2.0
"""One sensor as the perception node sees it: its topics, its background and its counts."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
from rclpy.node import Node

from sparsh_ros.frames import Frame
from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD
from sparsh_ros.models.head_choice import HeadChoice
from sparsh_ros.nodes.runtime.diagnostics import (
    OK,
    WARN,
    LatencyMeter,
    OverloadMeter,
    RateMeter,
    Report,
    SendTimes,
)
from sparsh_ros.nodes.topics.estimates import EstimatePublisher
from sparsh_ros.nodes.topics.image_input import ImageInput
from sparsh_ros.nodes.topics.pictures import PicturePublisher
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.config import SensorConfig

# Of frames that come without an estimate: something hangs.
_HANG_S = 2.0


class SensorIO:
    """What belongs to one sensor. Frames come in on one thread, estimates go out on another.

    A sensor in this process hands its background over once, so that is kept from then on, whether
    or not anything is inferred at the time.
    """

    def __init__(self, node: Node, config: SensorConfig, prefix: str) -> None:
        """Nothing is heard or published yet; topics will be named below `prefix`."""
        self._node, self._config, self._prefix = node, config, prefix
        self._lock = threading.Lock()
        self._background: np.ndarray | None = None
        self._perception: Perception | None = None
        self._input: ImageInput | None = None
        self._missing = ""
        self._forget()

    def _forget(self) -> None:
        self._newest: Frame | None = None
        self._estimate: Estimate | None = None
        self._published = 0
        self._field_units = ""  # known from the first one on
        self._waiting_since_s: float | None = None  # for the estimate of a frame that came
        self._load, self._field_rate, self._latency = OverloadMeter(), RateMeter(), LatencyMeter()
        self._sent = SendTimes(self._node)
        self._last_report = Report()

    def create_publishers(self, heads: HeadChoice, nan_policy: str = "nan") -> None:
        """Make the topics of the estimates of these heads, and of the pictures."""
        node, prefix, config = self._node, self._prefix, self._config
        self._missing = "; ".join(heads.missing.values())
        self._estimates = EstimatePublisher(
            *(node, prefix, config.gel_frame, heads.wanted), nan_policy=nan_policy
        )
        self._pictures = PicturePublisher(
            *(node, prefix, config, FORCE_FIELD in heads.usable), nan_policy=nan_policy
        )

    def start(self, perception: Perception, listen: bool) -> None:
        """Hand what comes to `perception`; `listen` to the topics if nobody calls `on_frame`."""
        perception.add_sensor(self._config.name, self._config.profile)
        with self._lock:
            self._forget()
            self._perception = perception
            if listen:  # the topic tells it again; what was held may have changed meanwhile
                self._background = None
            self._hand_over_background()
        if listen:
            self._input = ImageInput(
                *(self._node, self._prefix, self._config),
                on_frame=self._on_sent_frame,
                on_background=self.use_background,
            )

    def stop(self) -> None:
        """Let go of the `perception`; the report stays as it is."""
        report = self.report()
        if self._input is not None:
            self._input.destroy()
            self._input = None
        with self._lock:
            self._last_report, self._perception = report, None

    def on_frame(self, frame: Frame) -> None:
        """Take in a frame."""
        with self._lock:
            if self._perception is not None:
                self._newest = frame
                self._load.arrived.count()
                if self._waiting_since_s is None:
                    self._waiting_since_s = time.monotonic()
                self._perception.push(self._config.name, frame)

    def use_background(self, background: np.ndarray | None) -> None:
        """Take this as the no-contact reference, (320, 240, 3) uint8 RGB; None: there is none."""
        with self._lock:
            self._background = background
            self._hand_over_background()

    def publish(self, estimate: Estimate) -> None:
        """Publish an estimate, and pictures of it while somebody looks."""
        self._estimates.publish(estimate)
        # A sensor that went silent is reported with the stamp of its last frame.
        if self._estimate is None or estimate.stamp_ns != self._estimate.stamp_ns:
            self._published += 1
            self._load.finished.count()
            self._latency.add(self._sent.of(estimate.stamp_ns))
        self._estimate, self._waiting_since_s = estimate, None
        with self._lock:
            frame, background = self._newest, self._background
        self._pictures.publish(estimate, frame, background)

    @property
    def wants_field(self) -> bool:
        """Whether somebody looks at the force field or at its picture."""
        return self._pictures.wants_field

    def publish_field(self, field: ForceField) -> None:
        """Publish a force field, and a picture of it, while somebody looks."""
        self._field_rate.count()
        self._field_units = field.units
        self._pictures.publish_field(field)

    def publish_no_field(self, stamp_ns: int) -> None:
        """Say that of the frame of that moment no force field is known."""
        self._pictures.publish_no_field(stamp_ns)

    def report(self) -> Report:
        """How the sensor's frames fare."""
        with self._lock:
            if self._perception is None:
                return self._last_report
            values = self._values()
            slow = self._load.sentence(self._perception.engine.remedy)
        report = self._report_on_frames(values).with_more(Report(WARN if slow else OK, slow))
        if self._input is not None:
            report = report.with_more(self._input.report())
        return report.with_more(Report(WARN if self._missing else OK, self._missing))

    def _report_on_frames(self, values: dict[str, object]) -> Report:
        since_s, estimate = self._waiting_since_s, self._estimate
        if since_s is not None and time.monotonic() - since_s > _HANG_S:
            waited_s = time.monotonic() - since_s
            return Report(WARN, f"frames come, and no estimate for {waited_s:.0f} s", values)
        if estimate is None:
            return Report(WARN, "waiting for images", values)
        return Report(OK if estimate.valid else WARN, estimate.reason or "running", values)

    def _values(self) -> dict[str, object]:
        spec, engine = self._perception.spec, self._perception.engine
        counters = self._perception.counters(self._config.name)
        stamp_ns = math.nan if self._newest is None else self._newest.stamp_ns
        refused = 0 if self._input is None else self._input.refused
        values = {
            "model": spec.name,
            "weights": spec.weights,
            "device": engine.description,
            "rate (Hz)": self._load.finished.rate_hz,
            "frame age (s)": (self._node.get_clock().now().nanoseconds - stamp_ns) * 1e-9,
            "latency p50 (ms)": self._latency.percentile_ms(50),
            "latency p99 (ms)": self._latency.percentile_ms(99),
            "images received": counters.received + refused,
            "images refused": refused,
            "frames replaced": counters.replaced,
            "frames without a pair": counters.unpaired,
            "duplicate stamps": counters.duplicates,
            "clock steps": counters.clock_steps,
            "estimates published": self._published,
        }
        if self._input is not None:
            values |= self._input.values
        if self._pictures.has_field:
            values["force field rate (Hz)"] = self._field_rate.rate_hz
            values["force field units"] = self._field_units
        return values

    def _hand_over_background(self) -> None:
        if self._config.profile.subtract_background and self._perception is not None:
            self._perception.set_background(self._config.name, self._background)

    def _on_sent_frame(self, frame: Frame, sent_ns: int) -> None:
        self._sent.note(frame.stamp_ns, sent_ns)
        self.on_frame(frame)
