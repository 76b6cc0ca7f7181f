# SPDX-License-Identifier: Apache-2.0
"""The bead maze's controller: what two fingertips feel in, commands to arm and gripper out.

Hears `features`, `slip`, `pose` and `force_with_covariance` of both fingertips and `joint_states`;
publishes `joint_trajectory` (chunks as ros2_controllers' joint trajectory controller takes them; an
empty one stops the arm) or `twist` (for a servo; zero stops it), `grip_command` (N) and
`controller_state`, which says what the reflexes do and why, how old the touch was that was decided
by, and how many periods were missed. The services `~/start`, `~/pause`,
`~/stop` and `~/reset` are for people. Whatever goes wrong stops the arm within two control periods,
see `sparsh_ros.policies.session`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from sparsh_ros import kinematics
from sparsh_ros.errors import ParameterError
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.nodes.help import node_main
from sparsh_ros.nodes.maze.fingertip import FingertipInput
from sparsh_ros.nodes.maze.settings import CONTROLLER
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.clocks import steady_clock
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN, Report
from sparsh_ros.nodes.runtime.endpoints import Input, create_publisher
from sparsh_ros.nodes.runtime.lifecycle_node import ManagedNode
from sparsh_ros.nodes.topics import qos
from sparsh_ros.policies.controller import Decision, MazeController
from sparsh_ros.policies.policy import SHIPPED, Policy
from sparsh_ros.policies.reflexes import reflexes_for
from sparsh_ros.policies.safety import SafetySettings
from sparsh_ros.policies.session import IDLE, RUNNING, STOPPED, Order, Session
from sparsh_ros.policies.touch import SIDES, Touch

_EARLY, _LATE = 0.75, 1.25  # of a period since the last decision: when touch, or a timer, ticks
_MISSED = 1.75


class ControllerNode(ManagedNode):
    """Drives arm and gripper by touch."""

    def __init__(self) -> None:
        """Declare the parameters; SparshError where one is not allowed."""
        super().__init__("bead_maze_controller", CONTROLLER)
        self._session: Session | None = None
        self._timer = None
        self._state: tuple[str, str] = ("", "")
        self._ticked_s = math.nan
        self._missed = 0
        self._stamps: dict[str, int] = {}
        self._is_to_begin = False

    def _configure(self) -> None:
        params = self._params
        policy = Policy(params["policy"] or SHIPPED)
        if policy.card.observation == "images":
            raise ParameterError(
                f"policy {params['policy']}: wanted one by features or what is felt, found one "
                "with an encoder of its own; train one with `--encoder frozen`"
            )
        spec = load_model_spec(params["model"])
        self._period_s = 1.0 / policy.card.rate_hz
        safety = SafetySettings(
            params["stale_s"],
            params["stale_s"],
            slow_s=params["slow_s"],
            patience_s=params["patience_s"],
        )
        reflexes = reflexes_for(policy.card)
        self._session = Session(
            lambda joints: MazeController(policy, joints, reflexes), self._period_s, safety
        )
        self._fingertips = [
            FingertipInput(self, side, params[side], spec, self._on_touch) for side in SIDES
        ]
        self._joint_input = Input(self, JointState, "joint_states", qos.RELIABLE, self._on_joints)
        is_twist = params["command"] == "twist"
        kind, topic = (TwistStamped, "twist") if is_twist else (JointTrajectory, "joint_trajectory")
        self._commands = create_publisher(self, kind, topic, qos.RELIABLE)
        self._grips = create_publisher(self, Float64, "grip_command", qos.RELIABLE)
        self._states = create_publisher(self, DiagnosticStatus, "controller_state", qos.RELIABLE)
        session = self._session
        for name, act in {
            "start": session.start,
            "pause": session.pause,
            "stop": lambda: session.stop() or "",
            "reset": session.reset,
        }.items():
            self.create_service(Trigger, f"~/{name}", _answer(act))

    def _activate(self) -> None:
        self._ticked_s = math.nan
        self._is_to_begin = self._params["begin"]
        self._timer = self.create_timer(self._period_s / 4, self._watch, clock=steady_clock())

    def _deactivate(self) -> None:
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        if self._session is not None and self._session.state == RUNNING:
            self._session.stop("the node was deactivated")
            self._send_stop()

    def _cleanup(self) -> None:
        self._session = None

    def _on_joints(self, message: JointState, *_: object) -> None:
        places = dict(zip(message.name, message.position, strict=False))
        if self._session is None or not set(kinematics.JOINT_NAMES) <= set(places):
            return  # of the gripper, say
        stamp_s = 1e-9 * conversions.msg_to_stamp(message.header.stamp)
        joints = np.array([places[name] for name in kinematics.JOINT_NAMES])
        self._session.put_joints(stamp_s, joints)

    def _on_touch(self, side: str, touch: Touch) -> None:
        """Decide as soon as both fingertips have felt the same image, as often as the policy is to:
        touch is then as young as can be."""
        if self._session is None:
            return
        self._session.put_touch(side, touch)
        self._stamps[side] = touch.stamp_ns
        is_pair = len(set(self._stamps.values())) == 1 and len(self._stamps) == len(SIDES)
        waited_s = time.monotonic() - self._ticked_s
        if self._timer is not None and is_pair and not waited_s < _EARLY * self._period_s:
            self._tick()

    def _watch(self) -> None:
        """Decide without new touch, where none comes in time: that it is late stops the arm."""
        if not time.monotonic() - self._ticked_s < _LATE * self._period_s:
            self._tick()

    def _tick(self) -> None:
        self._count_missed(time.monotonic())
        now_s = 1e-9 * self.get_clock().now().nanoseconds
        if self._is_to_begin and not self._session.lacks(now_s):
            self._is_to_begin = False
            if self._session.state == IDLE:
                self._session.start()
        order = self._session.tick(now_s)
        if order.stop:
            self._send_stop()
        elif order.decision is not None:
            self._send(order.decision)
        self._say(order)

    def _count_missed(self, now_s: float) -> None:
        """Periods in which nothing was decided since the process was held up."""
        if self._session.state == RUNNING and now_s - self._ticked_s > _MISSED * self._period_s:
            self._missed += round((now_s - self._ticked_s) / self._period_s) - 1
        self._ticked_s = now_s

    def _send(self, decision: Decision) -> None:
        self._grips.publish(Float64(data=float(decision.grip_n)))
        if self._params["command"] == "twist":
            self._commands.publish(self._twist(decision.twist / self._period_s))
            return
        message = self._trajectory()
        before = None
        for index, joints in enumerate(decision.joints):
            point = JointTrajectoryPoint(positions=joints.tolist())
            if before is not None:
                point.velocities = ((joints - before) / self._period_s).tolist()
            after = Duration(seconds=(index + 1) * self._period_s)
            point.time_from_start = after.to_msg()
            message.points.append(point)
            before = joints
        if len(message.points) > 1:  # all points have velocities, or none
            message.points[0].velocities = message.points[1].velocities
        # Past the last point the arm stays.
        message.points[-1].velocities = [0.0] * kinematics.JOINTS
        self._commands.publish(message)

    def _send_stop(self) -> None:
        is_twist = self._params["command"] == "twist"
        self._commands.publish(self._twist(np.zeros(6)) if is_twist else self._trajectory())

    def _trajectory(self) -> JointTrajectory:
        """Without points; the time 0 in its header means: at once."""
        return JointTrajectory(joint_names=list(kinematics.JOINT_NAMES))

    def _twist(self, speed: np.ndarray) -> TwistStamped:
        message = TwistStamped()
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self._params["hand_frame"]
        message.twist.linear = conversions.vector_to_msg(speed[:3])
        message.twist.angular = conversions.vector_to_msg(speed[3:])
        return message

    def _say(self, order: Order) -> None:
        reflex = order.decision.state if order.decision is not None else ""
        self._state = (reflex or order.state, order.reason)
        self._states.publish(
            DiagnosticStatus(
                level=WARN if order.state == STOPPED else OK,
                name=self.get_fully_qualified_name().lstrip("/"),
                message=order.reason,
                values=[
                    KeyValue(key="state", value=order.state),
                    KeyValue(key="reflex", value=reflex),
                    KeyValue(key="late", value=str(self._session.late)),
                    KeyValue(key="missed", value=str(self._missed)),
                    KeyValue(key="age_ms", value=f"{1e3 * order.age_s:.1f}"),
                ],
            )
        )

    def _reports(self) -> Mapping[str, Report]:
        if self._session is None:
            return {"controller": Report()}
        state, reason = self._state
        level = WARN if self._session.state == STOPPED else OK
        values = {"session": self._session.state, "reflex": state, "late": self._session.late}
        values["missed"] = self._missed
        return {"controller": Report(level, reason or self._session.state, values)}


def _answer(act: Callable[[], str]) -> Callable[[Trigger.Request, Trigger.Response], object]:
    def answer(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        objection = act()
        response.success, response.message = not objection, objection
        return response

    return answer


main = node_main(
    "bead_maze_controller",
    CONTROLLER,
    lambda arguments: spin.run(lambda: [ControllerNode()], arguments),
)


if __name__ == "__main__":
    sys.exit(main())
