# SPDX-License-Identifier: Apache-2.0
"""A gripper reflex: close harder while the object slips, at the rate of the touch sensor.

sparsh-ros run --touch demo &
python examples/grip_on_slip.py --ros-args -p rise_n_per_s:=10.0 -p maximum_n:=20.0

Publishes the wanted grip force on `grip_force` (std_msgs/Float64, N): hand it to your gripper.
"""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import Float64

from sparsh_ros.msg import Slip

SILENCE_S = 0.5  # without a message for so long, nothing is known


class GripReflex(Node):
    """Raises the grip force while the object slips, and never lets go by itself."""

    def __init__(self) -> None:
        super().__init__("grip_reflex")
        self._force_n = self.declare_parameter("start_n", 2.0).value
        self._rise_n_per_s = self.declare_parameter("rise_n_per_s", 10.0).value
        self._maximum_n = self.declare_parameter("maximum_n", 20.0).value
        self._last_s: float | None = None
        self._grip = self.create_publisher(Float64, "grip_force", 10)
        self.create_subscription(Slip, "/tactile/slip", self._on_slip, 10)
        self._watchdog = self.create_timer(SILENCE_S, self._on_silence)

    def _on_silence(self) -> None:
        self.get_logger().warning("no slip messages: the grip is held", throttle_duration_sec=5.0)
        self._last_s = None
        self._grip.publish(Float64(data=self._force_n))

    def _on_slip(self, slip: Slip) -> None:
        self._watchdog.reset()
        now_s = slip.header.stamp.sec + 1e-9 * slip.header.stamp.nanosec
        if not slip.valid:  # unknown is not "no slip": hold what is held
            self._last_s = None
        elif slip.slipping:
            elapsed_s = 0.0 if self._last_s is None else min(now_s - self._last_s, 0.1)
            wanted_n = self._force_n + self._rise_n_per_s * max(elapsed_s, 0.0)
            self._force_n = min(wanted_n, self._maximum_n)
            self._last_s = now_s
        else:
            self._last_s = now_s
        self._grip.publish(Float64(data=self._force_n))


if __name__ == "__main__":
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(GripReflex())
    rclpy.try_shutdown()
