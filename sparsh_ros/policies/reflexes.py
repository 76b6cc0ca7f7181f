# SPDX-License-Identifier: Apache-2.0
"""Reflexes beside a policy: hold tighter before it slips, let go and grip again where that fails.

They run at the rate of the estimates, and change what the policy wants or take over:

    follow   the policy moves the hand; on a small friction margin the grip rises and the pace falls
    open     let go: the bead was lost, has wandered off the fingertips, or does not get on
    return   go where the bead was felt last, or back along the way that the hand came
    close    grip
    lost     gripped so often in vain that somebody has to help
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.kinematics import Pose
from sparsh_ros.policies.observation import bead_offset_m
from sparsh_ros.policies.touch import Touch

FOLLOW, OPEN, RETURN, CLOSE, LOST = "follow", "open", "return", "close", "lost"


@dataclass(frozen=True)
class ReflexSettings:
    """When reflexes act, chosen on mazes of the demonstrations' seeds.

    Attributes:
        grip_n: force of the gripper when nothing is the matter.
        highest_grip_n: and at most.
        least_margin: friction margin below which the grip rises and the hand slows down.
        slide_m_s: sliding that is answered alike.
        wandered_m: distance of the bead from the fingertips' middle at which to grip again.
        stuck_s: time without progress at which to grip again.
        progress_m: way of the hand that counts as progress within that time.
        back_off_m: how far to go back.
        open_s, close_s: time to open and to close the gripper.
        tries: in a row.
        uses_slip: margin and sliding are known.
    """

    grip_n: float = 5.0
    highest_grip_n: float = 9.0
    least_margin: float = 0.35
    slide_m_s: float = 3e-3
    wandered_m: float = 3.5e-3
    stuck_s: float = 2.0
    progress_m: float = 4e-3
    back_off_m: float = 5e-3
    open_s: float = 0.4
    close_s: float = 0.45
    tries: int = 6
    uses_slip: bool = True


class Action(NamedTuple):
    """What the reflexes make of a moment.

    Attributes:
        state: see above.
        reason: why, in words; empty while nothing is the matter.
        grip_n: force of the gripper.
        pace: factor on what the policy wants, while it follows.
        goal: pose of the hand to go to, in place of what the policy wants; None otherwise.
    """

    state: str
    reason: str
    grip_n: float
    pace: float = 1.0
    goal: Pose | None = None


class Reflexes:
    """State of the reflexes.

    Attributes:
        regrasps: how often it let go.
    """

    _KEPT_S = 4.0
    _REACHED_M = 1.5e-3
    _RETURN_S = 1.2
    _LOST_S = 0.15

    def __init__(self, settings: ReflexSettings | None = None) -> None:
        """Start with an open hand about the bead; the first thing is to close it."""
        self.settings = settings or ReflexSettings()
        self.regrasps = 0
        self._state, self._since_s = CLOSE, None
        self._reason = "beginning"
        self._grip_n = self.settings.grip_n
        self._way: deque[tuple[float, Pose]] = deque()
        self._tries = 0
        self._felt_s: float | None = None
        self._last_offset = np.zeros(3)
        self._goal: Pose | None = None

    def update(
        self, now_s: float, joints: NDArray[np.float64], touches: tuple[Touch, Touch]
    ) -> Action:
        """Take a moment: its time, the (7,) measured joints, valid touches of left and right."""
        hand = kinematics.forward(joints)
        if self._since_s is None:
            self._since_s = self._felt_s = now_s
        held = all(touch.in_contact for touch in touches)
        if held:
            self._felt_s = now_s
            offset = bead_offset_m(touches)
            self._last_offset = self._last_offset if offset is None else offset
        step = {
            FOLLOW: self._follow,
            OPEN: self._open,
            RETURN: self._return,
            CLOSE: self._close,
            LOST: lambda *_: Action(LOST, self._reason, 0.0, 0.0),
        }[self._state]
        return step(now_s, hand, touches)

    def _follow(self, now_s: float, hand: Pose, touches: tuple[Touch, Touch]) -> Action:
        settings = self.settings
        self._remember(now_s, hand)
        offset = self._last_offset
        if now_s - self._felt_s > self._LOST_S:
            return self._let_go(now_s, hand, "the bead was lost", offset)
        if np.hypot(offset[0], offset[2]) > settings.wandered_m:
            return self._let_go(now_s, hand, "the bead wandered off the fingertips", offset)
        if self._is_stuck(now_s):
            self._felt_s = now_s
            return self._let_go(now_s, hand, "no progress", None)
        return self._hold(touches)

    def _hold(self, touches: tuple[Touch, Touch]) -> Action:
        """Grip and pace by how near the contact is to slipping."""
        settings = self.settings
        if not settings.uses_slip:
            return Action(FOLLOW, "", settings.grip_n)
        margins = [touch.margin for touch in touches if np.isfinite(touch.margin)]
        slide = max((touch.slide_m_s for touch in touches if touch.in_contact), default=0.0)
        margin = min(margins, default=1.0)
        if margin < settings.least_margin or slide > settings.slide_m_s:
            self._grip_n = min(1.15 * self._grip_n, settings.highest_grip_n)
            return Action(FOLLOW, "about to slip", self._grip_n, 0.5)
        self._grip_n += 0.05 * (settings.grip_n - self._grip_n)
        return Action(FOLLOW, "", self._grip_n)

    def _let_go(
        self, now_s: float, hand: Pose, reason: str, offset: NDArray[np.float64] | None
    ) -> Action:
        self.regrasps += 1
        self._tries += 1
        self._reason = reason
        if self._tries > self.settings.tries:
            self._state = LOST
            return Action(LOST, f"{reason}, and gripped {self.settings.tries} times in vain", 0.0)
        self._goal = self._where_to(now_s, hand, offset)
        self._enter(OPEN, now_s)
        return Action(OPEN, reason, 0.0, 0.0)

    def _where_to(self, now_s: float, hand: Pose, offset: NDArray[np.float64] | None) -> Pose:
        """Where the bead was felt last; where that was in vain, further and further back."""
        if offset is not None and self._tries == 1:
            base = hand
            if self._felt_s < now_s:
                base = self._pose_at(self._felt_s, hand)
            return Pose(base.position + base.rotation @ offset, base.rotation)
        return self._backwards(self.settings.back_off_m * max(self._tries - 1, 1), hand)

    def _open(self, now_s: float, _hand: Pose, _touches: tuple[Touch, Touch]) -> Action:
        if now_s - self._since_s >= self.settings.open_s:
            self._enter(RETURN, now_s)
        return Action(self._state, self._reason, 0.0, 0.0)

    def _return(self, now_s: float, hand: Pose, _touches: tuple[Touch, Touch]) -> Action:
        error = kinematics.pose_error(self._goal, hand)
        there = np.sqrt(error[:3] @ error[:3]) < self._REACHED_M and np.abs(error[3:]).max() < 0.05
        if there or now_s - self._since_s > self._RETURN_S:
            self._enter(CLOSE, now_s)
            return Action(CLOSE, self._reason, self.settings.grip_n, 0.0)
        return Action(RETURN, self._reason, 0.0, 0.0, self._goal)

    def _close(self, now_s: float, hand: Pose, touches: tuple[Touch, Touch]) -> Action:
        if now_s - self._since_s < self.settings.close_s:
            return Action(CLOSE, self._reason, self.settings.grip_n, 0.0)
        if not all(touch.in_contact for touch in touches):
            return self._let_go(now_s, hand, "gripped in vain", None)
        self._enter(FOLLOW, now_s)
        self._felt_s, self._grip_n = now_s, self.settings.grip_n
        return Action(FOLLOW, "", self._grip_n)

    def _enter(self, state: str, now_s: float) -> None:
        self._state, self._since_s = state, now_s

    def _remember(self, now_s: float, hand: Pose) -> None:
        self._way.append((now_s, hand))
        while now_s - self._way[0][0] > 3 * self._KEPT_S:
            self._way.popleft()

    def _is_stuck(self, now_s: float) -> bool:
        """Whether the hand has hardly moved for so long while it followed; progress forgives."""
        began = max(self._since_s, now_s - self.settings.stuck_s)
        recent = [pose.position for s, pose in self._way if s >= began]
        way = recent[-1] - recent[0]
        moved = float(np.sqrt(way @ way))
        if moved > self.settings.progress_m:
            self._tries = 0
        waited = now_s - self._since_s >= self.settings.stuck_s
        return waited and moved < self.settings.progress_m

    def _pose_at(self, moment_s: float, hand: Pose) -> Pose:
        older = [pose for s, pose in self._way if s <= moment_s]
        return older[-1] if older else hand

    def _backwards(self, distance_m: float, hand: Pose) -> Pose:
        """The last pose of the way at least so far from here."""
        for _, pose in reversed(self._way):
            way = hand.position - pose.position
            if way @ way >= distance_m**2:
                return pose
        return self._way[0][1] if self._way else hand
