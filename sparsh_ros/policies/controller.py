# SPDX-License-Identifier: Apache-2.0
"""The bead maze's controller: touch and joints in, the next joint angles and the grip out.

A policy is asked now and then and gives a chunk of actions; at every control period the next of
them is taken. With reflexes (`reflexes`) these may slow it down or take over. One object, whether a
node calls it or a benchmark does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.kinematics import CarefulDriver
from sparsh_ros.policies import reflexes
from sparsh_ros.policies.observation import CHUNK, Moment, Observer
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reflexes import Action, Reflexes, ReflexSettings
from sparsh_ros.policies.touch import Touch

RETURN_SPEED_M_S, RETURN_SPEED_RAD_S = 0.03, 0.5
PLAIN_GRIP_N = 5.0
"""Grip of a policy that does not command it."""
_CLOSE_S = 0.6


@dataclass(frozen=True)
class Decision:
    """What to do in the next period.

    Attributes:
        state: of the reflexes; "follow" or "close" without them.
        reason: of that state, in words.
        grip_n: force of the gripper.
        joints: (N, 7) joint angles to reach at the end of it and of those after it, as far as they
            are planned.
        twist: (6,) of the hand in this period, m and rad, in the hand's frame.
        planned: the policy was asked just now.
    """

    state: str
    reason: str
    grip_n: float
    joints: NDArray[np.float64]
    twist: NDArray[np.float64]
    planned: bool


class MazeController:
    """Policy and reflexes for one run.

    Attributes:
        policy: what moves the hand.
        reflexes: what may take over; None without.
        grip_n: force of the gripper as decided last.
    """

    def __init__(
        self,
        policy: Policy,
        start: NDArray[np.float64],
        reflex_settings: ReflexSettings | None = None,
        seed: int = 0,
    ) -> None:
        """Start with the open hand about the bead.

        Args:
            policy: what moves the hand.
            start: (7,) joint angles now.
            reflex_settings: of the reflexes; None for none.
            seed: of a diffusion policy's noise.
        """
        self.policy = policy
        self._period_s = 1.0 / policy.card.rate_hz
        self._observer = Observer(policy.card.observation, policy.card.without)
        self.reflexes = None if reflex_settings is None else Reflexes(reflex_settings)
        self._driver = CarefulDriver(start, self._period_s)
        self._rng = np.random.default_rng(seed)
        self._chunk: list[NDArray[np.float64]] = []
        self.grip_n = 0.0
        self._began_s: float | None = None

    def update(
        self, now_s: float, joints: NDArray[np.float64], touches: tuple[Touch, Touch]
    ) -> Decision:
        """Decide what to do next.

        Args:
            now_s: the moment.
            joints: (7,) measured.
            touches: of left and right fingertip, valid.
        """
        action = self._act_by_reflex(now_s, joints, touches)
        self.grip_n = action.grip_n
        observation = self._observer.update(Moment(touches, joints, action.grip_n))
        planned = False
        if action.goal is not None:
            self._chunk.clear()
            twist = self._approach(action.goal, joints)
            future = self._move(twist)[None]
        elif action.state != reflexes.FOLLOW or action.pace == 0.0:
            self._chunk.clear()
            twist, future = np.zeros(6), self._driver.stay()[None]
        else:
            planned = self._plan(observation)
            twist, future = self._follow(action)
        return Decision(action.state, action.reason, action.grip_n, future, twist, planned)

    def hold(self) -> NDArray[np.float64]:
        """Joint angles (7,) at which to stay; whatever was planned is forgotten."""
        self._chunk.clear()
        return self._driver.stay()

    def _act_by_reflex(
        self, now_s: float, joints: NDArray[np.float64], touches: tuple[Touch, Touch]
    ) -> Action:
        if self.reflexes is not None:
            return self.reflexes.update(now_s, joints, touches)
        if self._began_s is None:
            self._began_s = now_s
        if now_s - self._began_s < _CLOSE_S:
            return Action(reflexes.CLOSE, "beginning", PLAIN_GRIP_N, 0.0)
        return Action(reflexes.FOLLOW, "", PLAIN_GRIP_N)

    def _plan(self, observation: NDArray[np.float32]) -> bool:
        """Ask the policy where its last chunk is used up; whether it was asked."""
        if len(self._chunk) > CHUNK - self.policy.card.replan:
            return False
        chunk = self.policy.act(observation, self._rng).astype(float)
        if self.policy.card.actions == "twist":
            frame = self._observer.frame
            chunk = np.concatenate([chunk[:, :3] @ frame.T, chunk[:, 3:] @ frame.T], 1)
        self._chunk = list(chunk)
        return True

    def _follow(self, action: Action) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The twist of this period, and the joint angles after this action and those after it."""
        before = kinematics.forward(self._driver.joints)
        actions = [self._slowed(wanted, action.pace) for wanted in self._chunk]
        self._chunk.pop(0)
        if self.policy.card.actions == "twist":
            actions[0][:3] += self._period_s * action.yields_m_s
        future = [_carry_out(self._driver, actions[0])]
        ahead = self._driver.copy()
        future += [_carry_out(ahead, later) for later in actions[1:]]
        error = kinematics.pose_error(kinematics.forward(future[0]), before)
        back = before.rotation.T
        return np.concatenate([back @ error[:3], back @ error[3:]]), np.stack(future)

    def _slowed(self, action: NDArray[np.float64], pace: float) -> NDArray[np.float64]:
        """Slower along the wire; what goes across it, or turns, corrects errors, and stays."""
        if len(action) == kinematics.JOINTS:
            return pace * action
        wire = self._observer.frame[:, 0]
        along = (1.0 - pace) * (wire @ action[:3]) * wire
        return np.concatenate([action[:3] - along, action[3:]])

    def _move(self, twist: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._driver.move(twist).copy()

    def _approach(self, goal: kinematics.Pose, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """A twist towards a pose, at the pace of careful hands."""
        hand = kinematics.forward(joints)
        error = kinematics.pose_error(goal, hand)
        back = hand.rotation.T
        limits = RETURN_SPEED_M_S * self._period_s, RETURN_SPEED_RAD_S * self._period_s
        parts = [
            part * min(0.5, limit / max(float(np.sqrt(part @ part)), 1e-9))
            for part, limit in zip((back @ error[:3], back @ error[3:]), limits, strict=True)
        ]
        return np.concatenate(parts)


def _carry_out(driver: CarefulDriver, action: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(action) == kinematics.JOINTS:
        moved = driver.joints + action
        driver.joints = np.clip(moved, kinematics.LOWER, kinematics.UPPER)
        return driver.joints.copy()
    return driver.move(action).copy()
