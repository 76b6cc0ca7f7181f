# SPDX-License-Identifier: Apache-2.0
"""Listen to /tactile/slip and say when the object begins to slip.

sparsh-ros run --touch demo &
python examples/listen_to_slip.py
"""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from sparsh_ros.msg import Slip

SILENCE_S = 0.5  # without a message for so long, nothing is known


class SlipListener(Node):
    """Where this logs, a gripper would close."""

    def __init__(self) -> None:
        super().__init__("slip_listener")
        self._slipping = False
        self.create_subscription(Slip, "/tactile/slip", self._on_slip, 10)
        self._watchdog = self.create_timer(SILENCE_S, self._on_silence)

    def _on_silence(self) -> None:
        self.get_logger().warning("no slip messages: unknown, not 'no slip'")
        self._slipping = False
        self._watchdog.cancel()  # until the next message

    def _on_slip(self, slip: Slip) -> None:
        self._watchdog.reset()
        slipping = slip.valid and slip.slipping  # not valid means unknown, never "no slip"
        if slipping and not self._slipping:
            self.get_logger().info(f"slip begins, probability {slip.probability:.2f}")
        self._slipping = slipping


if __name__ == "__main__":
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(SlipListener())
    rclpy.try_shutdown()
