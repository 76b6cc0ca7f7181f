# SPDX-License-Identifier: Apache-2.0
"""Reflexes beside a policy: hold tighter before it slips, let go and grip again where that fails.

They run at the rate of the estimates, and change what the policy wants or take over:

    follow   the policy moves the hand, and it gives way to force across the wire; on a small
             friction margin the grip rises and the pace falls
    open     let go: the bead was lost, has wandered off the fingertips, or does not get on
    return   go where the bead was felt last, turned along the wire as it was felt, and, where that
             was in vain, to places about it
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
from sparsh_ros.policies.observation import bead_offset_m, felt_frame
from sparsh_ros.policies.policy import PolicyCard
from sparsh_ros.policies.touch import Touch

_NOTHING = np.zeros(3)
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
        yield_n: force across the wire beyond which the hand gives way to it.
        yield_m_s_n: how fast it gives way, per newton.
        stuck_s: time without progress at which to grip again.
        progress_m: way of the hand that counts as progress within that time.
        search_m: how far from the place where the bead was felt last to look for it.
        open_s, close_s: time to open and to close the gripper.
        tries: in a row.
        uses_slip: margin and sliding are known.
        uses_force: force is known.
    """

    grip_n: float = 5.0
    highest_grip_n: float = 9.0
    least_margin: float = 0.35
    slide_m_s: float = 3e-3
    wandered_m: float = 3.5e-3
    yield_n: float = 1.0
    yield_m_s_n: float = 2e-3
    stuck_s: float = 2.0
    progress_m: float = 4e-3
    search_m: float = 4e-3
    open_s: float = 0.4
    close_s: float = 0.45
    tries: int = 6
    uses_slip: bool = True
    uses_force: bool = True


def reflexes_for(card: PolicyCard) -> ReflexSettings | None:
    """Reflexes belong to policies by what is felt, as far as they feel anything."""
    if card.observation != "felt" or card.without == "touch":
        return None
    return ReflexSettings(uses_slip=card.without != "slip", uses_force=card.without != "force")


class Action(NamedTuple):
    """What the reflexes make of a moment.

    Attributes:
        state: see above.
        reason: why, in words; empty while nothing is the matter.
        grip_n: force of the gripper.
        pace: factor on what the policy wants, while it follows.
        goal: pose of the hand to go to, in place of what the policy wants; None otherwise.
        yields_m_s: (3,) velocity of the hand, in its own frame, by which it gives way while it
            follows.
    """

    state: str
    reason: str
    grip_n: float
    pace: float = 1.0
    goal: Pose | None = None
    yields_m_s: NDArray[np.float64] = _NOTHING


class Reflexes:
    """State of the reflexes.

    Attributes:
        regrasps: how often it let go.
    """

    _KEPT_S = 4.0
    _REACHED_M = 1.5e-3
    _RETURN_S = 1.2
    _LOST_S = 0.15
    # Along the wire backwards and forwards, then across it: what a bead does that is lost.
    _SEARCH = np.array([[0, 0, 0], [-1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, -1], [-2, 0, 0]])

    def __init__(self, settings: ReflexSettings | None = None) -> None:
        """Start with an open hand about the bead; the first thing is to close it."""
        self.settings = settings or ReflexSettings()
        self.regrasps = 0
        self._state, self._since_s = CLOSE, None
        self._reason = "beginning"
        self._grip_n = self.settings.grip_n
        self._way: deque[tuple[float, Pose]] = deque()
        self._tries = self._vain = 0
        self._felt_s: float | None = None
        self._offset, self._frame = np.zeros(3), np.eye(3)
        self._bead: Pose | None = None
        self._goal: Pose | None = None

    def update(
        self, now_s: float, joints: NDArray[np.float64], touches: tuple[Touch, Touch]
    ) -> Action:
        """Take a moment: its time, the (7,) measured joints, valid touches of left and right."""
        hand = kinematics.forward(joints)
        self._remember(now_s, hand)
        if self._since_s is None:
            self._since_s = self._felt_s = now_s
            self._bead = hand
        if all(touch.in_contact for touch in touches):
            self._feel(now_s, hand, touches)
        step = {
            FOLLOW: self._follow,
            OPEN: self._open,
            RETURN: self._return,
            CLOSE: self._close,
            LOST: lambda *_: Action(LOST, self._reason, 0.0, 0.0),
        }[self._state]
        return step(now_s, hand, touches)

    def _feel(self, now_s: float, hand: Pose, touches: tuple[Touch, Touch]) -> None:
        """Keep where the bead is, and how the wire lies there: by the place of the hand when the
        image was taken, since a hand that loses the bead springs away."""
        self._felt_s = now_s
        hand = self._pose_at(1e-9 * min(touch.stamp_ns for touch in touches), hand)
        offset, frame = bead_offset_m(touches), felt_frame(touches)
        self._offset = self._offset if offset is None else offset
        self._frame = self._frame if frame is None else frame
        place = hand.position + hand.rotation @ self._offset
        self._bead = Pose(place, hand.rotation @ self._frame)

    def _follow(self, now_s: float, hand: Pose, touches: tuple[Touch, Touch]) -> Action:
        settings, offset = self.settings, self._offset
        if now_s - self._felt_s > self._LOST_S:
            return self._let_go(now_s, "the bead was lost")
        if np.hypot(offset[0], offset[2]) > settings.wandered_m:
            return self._let_go(now_s, "the bead wandered off the fingertips")
        if self._is_stuck(now_s):
            return self._let_go(now_s, "no progress")
        return self._hold(touches)

    def _hold(self, touches: tuple[Touch, Touch]) -> Action:
        """Grip and pace by how near the contact is to slipping; give way to the wire."""
        settings, yields = self.settings, self._give_way(touches)
        if not settings.uses_slip:
            return Action(FOLLOW, "", settings.grip_n, yields_m_s=yields)
        margins = [touch.margin for touch in touches if np.isfinite(touch.margin)]
        slide = max((touch.slide_m_s for touch in touches if touch.in_contact), default=0.0)
        margin = min(margins, default=1.0)
        if margin < settings.least_margin or slide > settings.slide_m_s:
            self._grip_n = min(1.15 * self._grip_n, settings.highest_grip_n)
            return Action(FOLLOW, "about to slip", self._grip_n, 0.5, yields_m_s=yields)
        self._grip_n += 0.05 * (settings.grip_n - self._grip_n)
        return Action(FOLLOW, "", self._grip_n, yields_m_s=yields)

    def _give_way(self, touches: tuple[Touch, Touch]) -> NDArray[np.float64]:
        """(3,) velocity, hand's frame, that takes back what presses the bead against its wire."""
        settings, wire = self.settings, self._frame[:, 0]
        force_n = -(touches[0].force_n + touches[1].force_n)
        across = force_n - (wire @ force_n) * wire
        size = float(np.sqrt(across @ across))
        if not settings.uses_force or not size > settings.yield_n:  # NaN too
            return _NOTHING
        return -settings.yield_m_s_n * (1.0 - settings.yield_n / size) * across

    def _let_go(self, now_s: float, reason: str) -> Action:
        self.regrasps += 1
        self._tries += 1
        self._reason = reason
        if self._tries > self.settings.tries:
            self._state = LOST
            return Action(LOST, f"{reason}, and gripped {self.settings.tries} times in vain", 0.0)
        aside = self.settings.search_m * self._SEARCH[self._vain % len(self._SEARCH)]
        bead = self._bead
        self._goal = Pose(bead.position + bead.rotation @ aside, bead.rotation)
        self._enter(OPEN, now_s)
        return Action(OPEN, reason, 0.0, 0.0)

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

    def _close(self, now_s: float, _hand: Pose, touches: tuple[Touch, Touch]) -> Action:
        if now_s - self._since_s < self.settings.close_s:
            return Action(CLOSE, self._reason, self.settings.grip_n, 0.0)
        if not all(touch.in_contact for touch in touches):
            self._vain += 1
            return self._let_go(now_s, "gripped in vain")
        self._vain = 0
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
        older = [pose for s, pose in self._way if s <= moment_s + 1e-3]
        return older[-1] if older else hand
