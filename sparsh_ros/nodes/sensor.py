# SPDX-License-Identifier: Apache-2.0
"""The sensor node: one gel camera, real, recorded or simulated, as ROS topics.

Publishes `image_raw` (the standard image, stamped when it was grabbed) and, while somebody
listens, `image_raw/compressed`. A simulated sensor also publishes what is really happening:
`truth/force`, `truth/slip` and `truth/pose` mean what `force`, `slip` and `pose` estimate.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sparsh_ros.frames import Frame
from sparsh_ros.nodes import conversions, qos, settings, spin
from sparsh_ros.nodes.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from sparsh_ros.nodes.entries import own_entry
from sparsh_ros.nodes.parameters import Parameters
from sparsh_ros.nodes.truth import TruthPublisher
from sparsh_ros.sensors.rig import SensorEntry

# Between seeing the listeners and sending: both sides must know each other by then, or the first
# frames are missed, which are those without contact.
_HANDSHAKE_S = 0.5
_POLL_S = 0.05


class SensorNode(Node):
    """Publishes the frames of one sensor."""

    def __init__(
        self,
        entry: SensorEntry | None = None,
        prefix: str = "",
        sink: Callable[[Frame], None] | None = None,
    ) -> None:
        """Declare parameters and topics; nothing is captured before `start`.

        Args:
            entry: the sensor, in place of the parameters, where one process hosts several.
            prefix: of the topics in that case, such as "left/".
            sink: takes each frame within this process, so that images need not be published.

        Raises:
            SparshError: a parameter is not allowed.
        """
        super().__init__(f"{entry.name}_sensor" if entry and prefix else "sensor")
        self._given = Parameters(self, settings.SENSOR)
        self._entry = entry or own_entry(self._given)
        self._name = self._entry.name
        self._sink = sink
        self._sensor = self._entry.open()
        self._optical_frame = self._entry.optical_frame
        self._image = self.create_publisher(Image, f"{prefix}image_raw", qos.LATEST)
        self._compressed = self.create_publisher(
            CompressedImage, f"{prefix}image_raw/compressed", qos.LATEST
        )
        self._truth = None
        if self._entry.driver == "simulated":
            self._truth = TruthPublisher(self, prefix, self._entry.gel_frame)
        self._published = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"publish {self._name}")
        self._diagnostics = Diagnostics(self, lambda: {self._name: self._report()})

    def start(self) -> None:
        """Open the sensor and begin to publish.

        What has a beginning, a recording or a simulated touch, is only tried out here and begins
        once `listeners` listen, so that they do not miss the first frames, which show the bare gel.

        Raises:
            SparshError: the sensor cannot be opened.
        """
        self._sensor.start()
        if self._has_beginning():
            self._sensor.stop()
            self._sensor = self._entry.open()
            self.get_logger().info(f"{self._sensor.name}: waiting for listeners")
        self._thread.start()

    def close(self) -> None:
        """Stop capturing, publish the final counts, join the threads."""
        self._stop.set()
        self._sensor.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._diagnostics.publish()

    def _has_beginning(self) -> bool:
        driver, path = self._entry.driver, Path(str(self._entry.settings.get("input", "")))
        is_recording = driver == "video" and (path.is_file() or path.is_dir())
        return driver == "simulated" or is_recording

    def _is_awaited(self) -> bool:
        listeners = self._image.get_subscription_count() + (self._sink is not None)
        return listeners >= self._given["listeners"]

    def _work(self) -> None:
        if self._has_beginning():
            while not (self._is_awaited() or self._stop.wait(_POLL_S)):
                pass
            if self._stop.wait(_HANDSHAKE_S):
                return
            self._sensor.start()
        frame = self._sensor.wait()
        while frame is not None:
            self._publish(frame)
            frame = self._sensor.wait(frame.sequence)

    def _publish(self, frame: Frame) -> None:
        if self._sink is not None:
            self._sink(frame)
        where = (frame.stamp_ns, self._optical_frame)
        if self._image.get_subscription_count() or self._sink is None:
            self._image.publish(conversions.image_to_msg(frame.image, *where))
        if self._truth is not None:
            self._truth.publish(frame.stamp_ns, frame.truth)
        if self._compressed.get_subscription_count():
            quality = self._given["jpeg_quality"]
            self._compressed.publish(conversions.image_to_jpeg_msg(frame.image, *where, quality))
        self._published += 1

    def _report(self) -> Report:
        status = self._sensor.status()
        values = {
            "driver": self._entry.driver,
            "rate (Hz)": status.rate_hz,
            "frame age (s)": status.frame_age_s,
            "frames grabbed": status.frames,
            "frames replaced": status.overwritten,
            "frames skipped": status.skipped,
            "frames refused": status.refused,
            "images published": self._published,
            "errors": status.errors,
            "reopened": status.reopened,
            "faults": ", ".join(f"{n} {kind}" for kind, n in status.faults.items()) or "none",
            "last error": status.last_error or "none",
        }
        if status.finished:
            return Report(WARN, "the recording is at its end", values)
        if self._stop.is_set():
            return Report(OK, "stopped", values)
        if not status.running:
            return Report(OK, "waiting for listeners", values)
        if not status.connected:
            return Report(ERROR, f"not connected: {status.last_error}", values)
        return Report(OK, "running", values)


def main(arguments: list[str] | None = None) -> int:
    """Run one sensor node until SIGINT; the exit code."""
    return spin.run(lambda: [SensorNode()], arguments)


if __name__ == "__main__":
    sys.exit(main())
