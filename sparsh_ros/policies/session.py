# SPDX-License-Identifier: Apache-2.0
"""A run of the controller on a robot: started, paused and stopped by people, stopped by safety.

    idle --start--> running --pause--> paused --start--> running
                       |  trouble, or stop
                       v
                    stopped --reset--> idle

What comes in is kept as it comes; `tick`, once a control period, looks at the newest of it, and
gives commands only where all of it is well. A stop is a command too: the arm is told to stay. It is
told so at once where touch, joint states or a decision are late, as a busy machine will have it now
and then, and goes on when they are back in time; where they are not back soon, the run is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.errors import WeightsError
from sparsh_ros.policies import reflexes
from sparsh_ros.policies.controller import Decision, MazeController
from sparsh_ros.policies.safety import Safety, SafetySettings
from sparsh_ros.policies.touch import SIDES, Touch

IDLE, RUNNING, PAUSED, STOPPED = "idle", "running", "paused", "stopped"

MakeController = Callable[[NDArray[np.float64]], MazeController]


@dataclass(frozen=True)
class Order:
    """What to tell the robot in this period.

    Attributes:
        state: of the session.
        reason: why it is in that state, or what the reflexes do about what.
        stop: the arm is to stay where it is; the grip stays as it was.
        decision: what to do otherwise; None where nothing is to be sent.
        age_s: of the touch that it was decided by; NaN where nothing was.
    """

    state: str
    reason: str = ""
    stop: bool = False
    decision: Decision | None = None
    age_s: float = math.nan


class Session:
    """State of a run, and the newest of what came in.

    Attributes:
        state: see above.
        reason: of that state, in words.
        late: control periods in which deciding took longer than allowed.
    """

    def __init__(
        self,
        make_controller: MakeController,
        period_s: float,
        safety_settings: SafetySettings | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start idle.

        Args:
            make_controller: makes the controller of a run that starts at these joint angles (7,).
            period_s: time between two ticks.
            safety_settings: limits.
            clock: by which deciding is timed, s.
        """
        self._make_controller, self._period_s, self._clock = make_controller, period_s, clock
        self._safety_settings = safety_settings
        self.state, self.reason, self.late = IDLE, "", 0
        self._touches: dict[str, Touch] = {}
        self._joints: tuple[float, NDArray[np.float64]] | None = None
        self._trouble = ""
        self._begin()

    def _begin(self) -> None:
        self._safety = Safety(self._safety_settings)
        self._controller: MazeController | None = None
        self._commanded: NDArray[np.float64] | None = None
        self._trouble = ""
        self._waits_since_s: float | None = None

    def put_touch(self, side: str, touch: Touch) -> None:
        """Take what a fingertip feels."""
        self._touches[side] = touch

    def put_joints(self, stamp_s: float, joints: NDArray[np.float64]) -> None:
        """Take measured joint angles (7,); a jump between any two of them is noticed."""
        self._trouble = self._trouble or self._safety.check_joints(stamp_s, stamp_s, joints)
        self._joints = stamp_s, joints

    def lacks(self, now_s: float) -> str:
        """What a run that began now would miss, or an empty string."""
        if self._joints is None:
            return "no joint states yet"
        return self._trouble or self._gap(now_s)

    def start(self) -> str:
        """Begin, or go on after a pause; why not, or an empty string."""
        if self.state == STOPPED:
            return f"stopped: {self.reason}; reset first"
        if self.state != RUNNING and self._joints is None:
            return "no joint states yet"
        if self.state == IDLE:
            self._begin()
        self._waits_since_s = None
        self._set(RUNNING, "")
        return ""

    def pause(self) -> str:
        """Stay for a while; why not, or an empty string."""
        if self.state != RUNNING:
            return f"nothing runs: {self.state}"
        self._set(PAUSED, "asked for")
        return ""

    def stop(self, reason: str = "asked for") -> None:
        """End the run; what ended it first is the reason."""
        if self.state != STOPPED:
            self._set(STOPPED, reason)

    def reset(self) -> str:
        """Ready for another run; why not, or an empty string."""
        if self.state == RUNNING:
            return "running; stop first"
        self._begin()
        self._set(IDLE, "")
        return ""

    def tick(self, now_s: float) -> Order:
        """Decide what to tell the robot.

        Args:
            now_s: the moment, by the clock of the stamps.
        """
        if self.state != RUNNING:
            return Order(self.state, self.reason, stop=self.state != IDLE)
        if self._trouble:
            return self._end(self._trouble)
        if gap := self._gap(now_s):
            return self._wait(now_s, gap)
        if trouble := self._safety.check_frozen(self._pair()):
            return self._end(trouble)
        return self._decide(now_s)

    def _pair(self) -> tuple[Touch | None, Touch | None]:
        left, right = (self._touches.get(side) for side in SIDES)
        return left, right

    def _gap(self, now_s: float) -> str:
        stamp_s, _ = self._joints
        if now_s - stamp_s > self._safety.settings.joints_stale_s:
            return f"joint states are {now_s - stamp_s:.2f} s old"
        return self._safety.check_touch(now_s, self._pair())

    def _wait(self, now_s: float, gap: str) -> Order:
        """Stay where we are, for a while."""
        if self._waits_since_s is None:
            self._waits_since_s = now_s
        if now_s - self._waits_since_s > self._safety.settings.patience_s:
            return self._end(gap)
        if self._controller is not None:
            self._controller.hold()
        return Order(RUNNING, gap, stop=True)

    def _end(self, trouble: str) -> Order:
        self.stop(trouble)
        return Order(STOPPED, trouble, stop=True)

    def _decide(self, now_s: float) -> Order:
        _, joints = self._joints
        if self._controller is None:
            self._controller, self._commanded = self._make_controller(joints), joints
        began = self._clock()
        try:
            decision = self._controller.update(now_s, joints, self._pair())
        except WeightsError as error:
            return self._end(str(error))
        slow = self._safety.check_time(self._clock() - began)
        beyond = kinematics.beyond_limits(decision.joints[0], self._commanded, self._period_s)
        lost = decision.reason if decision.state == reflexes.LOST else ""
        if trouble := beyond or lost:
            return self._end(trouble)
        self._commanded = decision.joints[0]
        if slow:
            self.late += 1
            return self._wait(now_s, slow)
        self._waits_since_s = None
        oldest_ns = min(touch.stamp_ns for touch in self._pair())
        age_s = now_s - 1e-9 * oldest_ns
        return Order(RUNNING, decision.reason, decision=decision, age_s=age_s)

    def _set(self, state: str, reason: str) -> None:
        self.state, self.reason = state, reason
