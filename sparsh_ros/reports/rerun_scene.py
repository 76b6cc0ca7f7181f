# SPDX-License-Identifier: Apache-2.0
"""Messages of the graph, live or recorded, as what the viewer rerun shows: https://rerun.io."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsh_ros.errors import FrameError, MissingDependencyError
from sparsh_ros.names import DIAGNOSTICS, GROUND_TRUTH
from sparsh_ros.recordings.images import compressed_image, raw_image

if TYPE_CHECKING:
    import rerun

_SERIES = {
    "force": ("x (N)", "y (N)", "z (N)"),
    "slip": ("probability", "threshold", "slipping"),
    "pose": ("x (mm)", "y (mm)"),
}
_TITLES = {"force": "Force of the world on the gel", "slip": "Slip", "pose": "Motion in contact"}
_TYPES = {
    "sensor_msgs/msg/CompressedImage": ("image_raw/compressed",),
    "geometry_msgs/msg/WrenchStamped": ("force",),
    "sparsh_ros/msg/Slip": ("slip",),
    "geometry_msgs/msg/PoseWithCovarianceStamped": ("pose",),
    "sensor_msgs/msg/Image": ("image_raw", "overlay", "background"),
}
_MM = 1e3


def new_recording() -> rerun.RecordingStream:
    """A stream of data for the viewer, which is not open yet.

    Raises:
        MissingDependencyError: rerun is not installed.
    """
    try:
        import rerun
    except ImportError:
        raise MissingDependencyError(
            "view: wanted the Python package rerun, found none; `pip install rerun-sdk`"
        ) from None
    return rerun.RecordingStream("sparsh_ros")


class Scene:
    """Lays out images, plots and events of each sensor, and logs messages to them by their stamps.

    What is not known leaves a gap in the plots.
    """

    def __init__(self, recording: rerun.RecordingStream, namespace: str) -> None:
        """Show what is below `namespace`, such as "tactile", in `recording`."""
        import rerun

        self._rerun, self._recording = rerun, recording
        self._below = f"/{namespace.strip('/')}/"
        self._prefixes: list[str] = []
        self._overlays: set[str] = set()
        self._slipping: dict[str, bool] = {}
        self._loggers = {
            "force": self._force,
            "slip": self._slip,
            "pose": self._pose,
        }

    def accepts(self, topic: str, message_type: str) -> bool:
        """Whether messages of a topic, of which this is the full name, are shown."""
        if topic == DIAGNOSTICS:
            return True
        names = _TYPES.get(message_type, ())
        return topic.startswith(self._below) and topic.endswith(tuple(f"/{n}" for n in names))

    def log(self, topic: str, message_type: str, message: Any) -> None:
        """Show a message: of ROS, or decoded from a bag, which has the same fields."""
        self._recording.set_time("stamp", timestamp=_stamp_s(message))
        if topic == DIAGNOSTICS:
            self._diagnostics(message)
            return
        prefix, name = _split(topic)
        if prefix not in self._prefixes:
            self._add_sensor(prefix)
        if name == "overlay" and prefix not in self._overlays:
            self._overlays.add(prefix)
            self._recording.send_blueprint(self._blueprint())
        if message_type.endswith(("/Image", "/CompressedImage")):
            self._image(topic, message_type, message)
        else:
            self._loggers[name](topic, message)

    def _add_sensor(self, prefix: str) -> None:
        self._prefixes = sorted([*self._prefixes, prefix])
        for name, series in _SERIES.items():
            for truth in ("", f"{GROUND_TRUTH}/"):
                names = [f"{one}, truth" for one in _known(name, series)] if truth else series
                style = self._rerun.SeriesLines(names=names, widths=1.0 if truth else 2.0)
                self._recording.log(f"{prefix}/{truth}{name}", style, static=True)
        self._recording.send_blueprint(self._blueprint())

    def _blueprint(self) -> Any:
        import rerun.blueprint as layout

        def of_sensor(prefix: str) -> Any:
            images = [layout.Spatial2DView(origin=f"{prefix}/image_raw", name="Gel")]
            if prefix in self._overlays:
                shown = layout.Spatial2DView(
                    origin=f"{prefix}/overlay", name="Estimates on the gel"
                )
                images.append(shown)
            plots = layout.Vertical(
                *(
                    layout.TimeSeriesView(
                        origin=prefix,
                        contents=[f"{prefix}/{name}", f"{prefix}/{GROUND_TRUTH}/{name}"],
                        name=title,
                    )
                    for name, title in _TITLES.items()
                )
            )
            return layout.Horizontal(
                layout.Vertical(*images),
                plots,
                column_shares=[1, 2],
                name=prefix.rpartition("/")[2],
            )

        return layout.Blueprint(
            layout.Vertical(
                layout.Tabs(*map(of_sensor, self._prefixes)),
                layout.TextLogView(origin="/", contents="/**", name="Events"),
                row_shares=[4, 1],
            ),
            collapse_panels=True,
        )

    def _image(self, topic: str, message_type: str, message: Any) -> None:
        is_compressed = message_type.endswith("CompressedImage")
        if not len(message.data):  # a background that holds no more
            return
        try:
            image = compressed_image(message) if is_compressed else raw_image(message)
        except FrameError:
            return
        entity = topic.removesuffix("/compressed")
        self._recording.log(entity, self._rerun.Image(image).compress(jpeg_quality=90))

    def _force(self, topic: str, message: Any) -> None:
        force = message.wrench.force
        self._plot(topic, force.x, force.y, force.z)

    def _slip(self, topic: str, message: Any) -> None:
        slipping = bool(message.slipping) if message.valid else None
        known = math.nan if slipping is None else float(slipping)
        values = dict(
            zip(_SERIES["slip"], (message.probability, message.threshold, known), strict=True)
        )
        shown = _known("slip", values) if f"/{GROUND_TRUTH}/" in topic else values
        self._plot(topic, *(values[name] for name in shown))
        if slipping is not None and self._slipping.get(topic, False) != slipping:
            self._slipping[topic] = slipping
            text = "slips" if slipping else "holds"
            level = self._rerun.TextLogLevel.WARN if slipping else self._rerun.TextLogLevel.INFO
            self._recording.log(f"{topic}/events", self._rerun.TextLog(text, level=level))

    def _pose(self, topic: str, message: Any) -> None:
        position = message.pose.pose.position
        self._plot(topic, position.x * _MM, position.y * _MM)

    def _plot(self, topic: str, *values: float) -> None:
        self._recording.log(topic, self._rerun.Scalars(np.array(values, np.float64)))

    def _diagnostics(self, message: Any) -> None:
        levels = {1: self._rerun.TextLogLevel.WARN, 2: self._rerun.TextLogLevel.ERROR}
        for status in message.status:
            number = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            if number in levels:
                text = f"{status.name}: {status.message}"
                entry = self._rerun.TextLog(text, level=levels[number])
                self._recording.log("/diagnostics", entry)


def _known(topic: str, series: Iterable[str]) -> list[str]:
    """What a simulated gel knows of a topic: it slips or not, without a probability."""
    return [name for name in series if topic != "slip" or name == "slipping"]


def _split(topic: str) -> tuple[str, str]:
    """Prefix of the sensor, and name of the topic: "/tactile/left", "force"."""
    prefix, _, name = topic.removesuffix("/compressed").rpartition("/")
    return prefix.removesuffix(f"/{GROUND_TRUTH}"), name


def _stamp_s(message: Any) -> float:
    stamp = message.header.stamp
    return stamp.sec + stamp.nanosec * 1e-9
