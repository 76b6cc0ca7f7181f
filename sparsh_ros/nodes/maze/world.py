# SPDX-License-Identifier: Apache-2.0
"""The simulated bead maze as a robot: images of two fingertips and joint states out, commands in.

Publishes `left/image_raw`, `right/image_raw`, each `background`, `joint_states`, `bead` (m along
the wire) and, once, `wire_length` (m); carries out `joint_trajectory` as a joint trajectory
controller does that may replace trajectories, and `grip_command` (N). Where a step takes longer
than its period the world falls behind; `late` on /diagnostics counts these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from rclpy.duration import Duration
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory

from sparsh_ros import kinematics
from sparsh_ros.names import optical_frame
from sparsh_ros.nodes.help import node_main
from sparsh_ros.nodes.maze.settings import WORLD
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.clocks import steady_clock
from sparsh_ros.nodes.runtime.diagnostics import Report
from sparsh_ros.nodes.runtime.endpoints import Input, create_publisher
from sparsh_ros.nodes.runtime.lifecycle_node import ManagedNode
from sparsh_ros.nodes.topics import qos
from sparsh_ros.policies.reading import enlarge
from sparsh_ros.policies.touch import SIDES
from sparsh_ros.simulation.maze.drawing import FilmWriter, describe, draw_frame
from sparsh_ros.simulation.maze.wire import draw_wire
from sparsh_ros.simulation.maze.world import MazeSample, MazeWorld


class WorldNode(ManagedNode):
    """A maze whose time passes as real time does, as far as the machine keeps up."""

    def __init__(self) -> None:
        """Declare the parameters; SparshError where one is not allowed."""
        super().__init__("bead_maze_world", WORLD)
        self._world: MazeWorld | None = None
        self._film: FilmWriter | None = None
        self._timer = None
        self._late = 0

    def _configure(self) -> None:
        params = self._params
        cv2.setNumThreads(1)
        wire = draw_wire(params["family"], params["seed"])
        self._world = MazeWorld(wire, params["seed"], params["rate_hz"])
        self._plan = _Plan(self._world.start)
        self._time_s = self._grip_n = 0.0
        self._sample: MazeSample | None = None
        self._images = {
            side: create_publisher(self, Image, f"{side}/image_raw", qos.IMAGE) for side in SIDES
        }
        backgrounds = {
            side: create_publisher(self, Image, f"{side}/background", qos.LATCHED) for side in SIDES
        }
        now_ns = self.get_clock().now().nanoseconds
        for side, image in zip(SIDES, self._world.backgrounds(), strict=True):
            message = conversions.image_to_msg(enlarge(image), now_ns, optical_frame(side))
            backgrounds[side].publish(message)
        self._backgrounds = backgrounds
        self._joints = create_publisher(self, JointState, "joint_states", qos.RELIABLE)
        self._bead = create_publisher(self, Float64, "bead", qos.RELIABLE)
        self._length = create_publisher(self, Float64, "wire_length", qos.LATCHED)
        self._length.publish(Float64(data=wire.length_m))
        self._inputs = [
            Input(self, JointTrajectory, "joint_trajectory", qos.RELIABLE, self._on_trajectory),
            Input(self, Float64, "grip_command", qos.RELIABLE, self._on_grip),
        ]
        if params["film"]:
            self._film = FilmWriter(Path(params["film"]), params["rate_hz"])

    def _activate(self) -> None:
        period_s = 1.0 / self._params["rate_hz"]
        self._timer = self.create_timer(period_s, self._step, clock=steady_clock())

    def _deactivate(self) -> None:
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None

    def _cleanup(self) -> None:
        if self._film is not None:
            self._film.close()
            self._film = None
        self._world = None

    def _on_trajectory(self, message: JointTrajectory, *_: object) -> None:
        order = [list(message.joint_names).index(name) for name in kinematics.JOINT_NAMES]
        points = [
            (
                1e-9 * Duration.from_msg(point.time_from_start).nanoseconds,
                np.array(point.positions)[order],
            )
            for point in message.points
        ]
        self._plan.replace(self._time_s, points)

    def _on_grip(self, message: Float64, *_: object) -> None:
        self._grip_n = message.data

    def _step(self) -> None:
        began_s = time.monotonic()
        # In the world's own time: where a machine cannot keep up, the arm is slow and never jumps.
        self._time_s += 1.0 / self._params["rate_hz"]
        sample = self._world.step(self._plan.at(self._time_s), self._grip_n)
        self._sample = sample
        stamp_ns = self.get_clock().now().nanoseconds
        for side, touch in zip(SIDES, sample.touches, strict=True):
            image = enlarge(touch.image)
            message = conversions.image_to_msg(image, stamp_ns, optical_frame(side))
            self._images[side].publish(message)
        joints = JointState(
            name=list(kinematics.JOINT_NAMES), position=np.asarray(sample.joints).tolist()
        )
        joints.header = conversions.header(stamp_ns, "")
        self._joints.publish(joints)
        self._bead.publish(Float64(data=float(sample.bead_m)))
        if self._film is not None:
            wire = self._world.wire
            self._film.add(draw_frame(wire, sample, describe(wire, sample)))
        self._late += time.monotonic() - began_s > 1.0 / self._params["rate_hz"]

    def _reports(self) -> Mapping[str, Report]:
        values: dict[str, object] = {"late": self._late}
        if self._world is not None and self._sample is not None:
            values["bead_m"] = self._sample.bead_m
            values["length_m"] = self._world.wire.length_m
            values["held"] = self._sample.held
            values["finished"] = self._sample.finished
        return {"maze": Report(values=values)}


class _Plan:
    """Where the joints are to be at any moment of the world's time."""

    def __init__(self, start: np.ndarray) -> None:
        self._times, self._places = [0.0], [start.copy()]

    def replace(self, now_s: float, points: list[tuple[float, np.ndarray]]) -> None:
        """From where the joints are to be now, through these points; without any: stay."""
        here = self.at(now_s)
        self._times = [now_s, *(now_s + after_s for after_s, _ in points)]
        self._places = [here, *(place for _, place in points)]

    def at(self, now_s: float) -> np.ndarray:
        """(7,) joint angles at that moment."""
        table = np.stack(self._places)
        return np.array([np.interp(now_s, self._times, column) for column in table.T])


main = node_main(
    "bead_maze_world", WORLD, lambda arguments: spin.run(lambda: [WorldNode()], arguments)
)


if __name__ == "__main__":
    sys.exit(main())
