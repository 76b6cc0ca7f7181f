# SPDX-License-Identifier: Apache-2.0
"""The sensor node: one gel camera, real, recorded or simulated, as ROS topics.

Publishes `image_raw`, the canonical image, stamped when it was grabbed; `image_raw/compressed` and
`camera_info` while somebody listens; `background`, the image of the untouched gel, which it
captures, keeps and watches. A simulated sensor also publishes what is really happening:
`ground_truth/force`, `ground_truth/slip` and `ground_truth/pose` mean what `force`, `slip` and
`pose` estimate.

Configured, it holds the device; active, it publishes; deactivated, the device is free for others.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sparsh_ros.frames import Frame
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.sensors import config_for_node
from sparsh_ros.nodes.help import node_main
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.diagnostics import WARN, Report
from sparsh_ros.nodes.runtime.endpoints import LOG_THROTTLE_S
from sparsh_ros.nodes.runtime.lifecycle_node import ManagedNode
from sparsh_ros.nodes.runtime.sensor_health import sensor_report
from sparsh_ros.nodes.topic_sensor import TopicSensor
from sparsh_ros.nodes.topics.background import BackgroundTopic
from sparsh_ros.nodes.topics.images import CameraInfoPublisher, ImagePublisher
from sparsh_ros.nodes.topics.static_frames import publish_static_frames
from sparsh_ros.scheduling import go_first, show_name
from sparsh_ros.sensors import Sensor
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import TopicConfig

# Between seeing the listeners and sending: both sides must know each other by then, or the first
# frames are missed, which are those without contact.
_HANDSHAKE_S = 0.5
_POLL_S = 0.05
# A simulated clock that goes back further than this was set back.
_TICK_NS = 100_000_000
_STAND_IN = (
    "SIMULATED: no camera of this sensor was found, so what is published is no touch at all; plug "
    "it in and start again, or ask for source:=simulated"
)


class SensorNode(ManagedNode):
    """Publishes the frames of one sensor."""

    def __init__(
        self,
        config: SensorConfig | None = None,
        prefix: str = "",
        sink: Callable[[Frame], None] | None = None,
        take_background: Callable[[np.ndarray | None], None] | None = None,
    ) -> None:
        """Declare the parameters.

        Args:
            config: the sensor, in place of the parameters, where one process hosts several.
            prefix: of the topics in that case, such as "left/".
            sink: takes each frame within this process, so that images need not be published.
            take_background: takes each new background within this process, None for no more.

        Raises:
            SparshError: a parameter is not allowed.
        """
        super().__init__(
            f"{config.name}_sensor" if config and prefix else "sensor", settings.SENSOR
        )
        self._given_config = config
        self._config = config or config_for_node(self._params)
        self._prefix = prefix
        self._sink, self._take_background = sink, take_background
        self._sensor: Sensor | None = None
        self._background: BackgroundTopic | None = None
        self._published = self._unsent = self._last_stamp_ns = 0
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def _configure(self) -> None:
        """Open the device; a camera that is not there is waited for.

        What has a beginning, a recording or a simulated touch, is only tried out here. It begins
        once `listeners` listen, so that they do not miss the first frames, which show the bare gel.
        """
        if self._params["realtime_priority"]:
            go_first(self._params["realtime_priority"])
        self._config = self._given_config or config_for_node(self._params)
        if self._config.is_stand_in:
            self.get_logger().warning(_STAND_IN)
        self._sensor = self._open()
        self._sensor.start()
        if self._sensor.has_beginning:
            self._sensor.stop()
            self._sensor = self._open()
        config, prefix = self._config, self._prefix
        self._images = ImagePublisher(
            self, prefix, config.optical_frame, lambda: self._params["jpeg_quality"]
        )
        self._camera_info = CameraInfoPublisher(self, prefix, config)
        if self._params["publish_tf"]:
            self._static_frames = publish_static_frames(self, config)
        self._truth = None
        if config.driver.name == "simulated":
            # Here, because a real camera needs no simulation.
            from sparsh_ros.nodes.topics.ground_truth import GroundTruthPublisher

            self._truth = GroundTruthPublisher(self, prefix, config.gel_frame)
        self._background = BackgroundTopic(
            self,
            prefix,
            config,
            lambda: self._sensor.serial,
            self._take_background,
        )

    def _open(self) -> Sensor:
        if isinstance(self._config.driver, TopicConfig):
            return TopicSensor(self, self._config, f"{self._prefix}image_raw")
        return self._config.open()

    def _activate(self) -> None:
        self._stop.clear()
        if self._sensor.has_beginning:
            self.get_logger().info(f"{self._sensor.name}: waiting for listeners")
        else:
            self._sensor.start()
        self._thread = threading.Thread(target=self._work, name=f"publish {self._config.name}")
        self._thread.start()

    def _deactivate(self) -> None:
        with self._starting:
            self._stop.set()
            if self._sensor is not None:
                self._sensor.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _cleanup(self) -> None:
        self._sensor = None

    def _is_awaited(self) -> bool:
        listeners = self._images.listeners + (self._sink is not None)
        return listeners >= self._params["listeners"]

    def _work(self) -> None:
        show_name()
        try:
            if self._sensor.has_beginning:
                self._begin_when_awaited()
            frame = self._sensor.wait()
            while frame is not None:
                self._publish(frame)
                frame = self._sensor.wait(frame.sequence)
        except Exception as error:  # whatever it is: a thread that dies unseen looks well
            self._fail(error)

    def _begin_when_awaited(self) -> None:
        while not (self._is_awaited() or self._stop.wait(_POLL_S)):
            pass
        self._stop.wait(_HANDSHAKE_S)
        with self._starting:
            if not self._stop.is_set():
                self._sensor.start()

    def _on_node_clock(self, frame: Frame) -> Frame | None:
        """The frame with a stamp of the node's clock; None while simulated time has not begun."""
        clock = self.get_clock()
        if not clock.ros_time_is_active or isinstance(self._sensor, TopicSensor):
            return frame
        now_ns = clock.now().nanoseconds
        if now_ns == 0:
            self.get_logger().warning(
                "use_sim_time: waiting for /clock", throttle_duration_sec=LOG_THROTTLE_S
            )
            return None
        # Some time passed since the grab; simulated time is taken to pass as fast.
        stamp_ns = max(0, now_ns - (time.time_ns() - frame.stamp_ns))
        # Simulated time comes in ticks: within one, frames keep their order.
        if 0 <= self._last_stamp_ns - stamp_ns < _TICK_NS:
            stamp_ns = self._last_stamp_ns + 1
        self._last_stamp_ns = stamp_ns
        return replace(frame, stamp_ns=stamp_ns)

    def _publish(self, frame: Frame) -> None:
        frame = self._on_node_clock(frame)
        if frame is None:
            return
        if self._sink is not None:
            self._sink(frame)
        try:
            self._images.publish(frame, for_nobody=self._sink is None)
        except RuntimeError as error:  # of the middleware, as when a slow network fills its queue
            self._unsent += 1
            self.get_logger().error(
                f"image_raw: an image was not sent: {error}",
                throttle_duration_sec=LOG_THROTTLE_S,
            )
            return
        self._published += 1
        self._camera_info.publish(frame.stamp_ns)
        if self._truth is not None:
            self._truth.publish(frame.stamp_ns, frame.truth)
        self._background.on_frame(frame)

    def _reports(self) -> dict[str, Report]:
        values = {
            "driver": self._config.driver.name,
            "sensor type": self._config.profile.name,
            "images": self.resolve_topic_name(f"{self._prefix}image_raw"),
            "images published": self._published,
            "images not sent": self._unsent,
        }
        if self._sensor is None:
            return {self._config.name: Report(values=values)}
        simulated = self._config.driver.name == "simulated"
        report = sensor_report(self._sensor.status(), self._sensor.serial, simulated)
        report = report.with_more(Report(values=values))
        if self._config.is_stand_in:
            report = report.with_more(Report(WARN, _STAND_IN))
        return {self._config.name: report.with_more(self._background.report())}


main = node_main(
    "sensor", settings.SENSOR, lambda arguments: spin.run(lambda: [SensorNode()], arguments)
)

if __name__ == "__main__":
    sys.exit(main())
