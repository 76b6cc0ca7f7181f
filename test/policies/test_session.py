# SPDX-License-Identifier: Apache-2.0
"""A run on a robot: trouble of any kind stops it within two control periods, and says why."""

import numpy as np
import pytest

from sparsh_ros import kinematics
from sparsh_ros.policies import session
from sparsh_ros.policies.controller import Decision
from sparsh_ros.policies.session import Session
from sparsh_ros.policies.touch import POOLED, SIDES, Touch

PERIOD_S = 1 / 12


class StubPolicyController:
    """Stands in for policy and reflexes: moves one joint a little each period."""

    def __init__(self, start):
        self.joints, self.step, self.state = start.copy(), 0.01, "follow"

    def hold(self):
        return self.joints

    def update(self, _now_s, _joints, _touches):
        self.joints = self.joints + self.step * np.eye(7)[6]
        return Decision(self.state, "gripped in vain", 5.0, self.joints[None], np.zeros(6), True)


class Robot:
    """A session with all that it needs coming in, until a test takes something away."""

    def __init__(self):
        self.controller, self.took_s, self.now_s = None, 0.0, 50.0
        self.count, self.without, self.invalid, self.frozen = 0, "", False, False
        self.jump = 0.0
        self.session = Session(self.make, PERIOD_S, clock=self.clock)
        self.times = iter(())

    def make(self, start):
        self.controller = StubPolicyController(start)
        return self.controller

    def clock(self):
        self.ticks = getattr(self, "ticks", 0) + 1
        return self.took_s * self.ticks

    def period(self):
        self.now_s += PERIOD_S
        self.count += not self.frozen
        for side in SIDES:
            if self.without != side:
                pooled = np.full(POOLED, self.count, np.float32)
                reason = "no background" if self.invalid else ""
                stamp_ns = round(1e9 * (self.now_s - 0.01))
                self.session.put_touch(
                    side, Touch(stamp_ns, not self.invalid, reason, pooled=pooled)
                )
        if self.without != "joints":
            self.session.put_joints(self.now_s - 0.005, kinematics.READY + self.jump)
        return self.session.tick(self.now_s)

    def running(self):
        self.period()
        assert self.session.start() == ""
        for _ in range(5):
            order = self.period()
        assert order.state == session.RUNNING
        assert order.decision is not None
        return self


def set_to(**values):
    return lambda robot: vars(robot).update(values)


def controller(**values):
    return lambda robot: vars(robot.controller).update(values)


GAPS = {
    "left stops": (set_to(without="left"), "left fingertip: touch is"),
    "right stops": (set_to(without="right"), "right fingertip: touch is"),
    "invalid": (set_to(invalid=True), "left fingertip: invalid: no background"),
    "joints stop": (set_to(without="joints"), "joint states are"),
    "slow": (set_to(took_s=0.3), "policy: took 0.300 s"),
}
TROUBLES = {
    "frozen": (set_to(frozen=True), "left fingertip: the image is frozen"),
    "joints jump": (set_to(jump=0.5), "panda_joint1: jumped by 0.500 rad"),
    "too fast": (controller(step=1.0), "panda_joint7: wanted at most 2.61 rad/s"),
    "beyond": (controller(joints=kinematics.READY + 9.0), "panda_joint1: wanted within"),
    "no number": (controller(step=np.nan), "not a number"),
    "lost": (controller(state="lost"), "gripped in vain"),
}
ALL = GAPS | TROUBLES


@pytest.mark.parametrize("name", ALL)
def test_trouble_stops_the_arm_within_two_periods_and_says_why(name):
    cause, sentence = ALL[name]
    robot = Robot().running()
    cause(robot)
    orders = [robot.period(), robot.period()]
    assert orders[-1].stop and orders[-1].decision is None
    assert sentence in orders[-1].reason
    for _ in range(round(1.1 / PERIOD_S)):
        order = robot.period()
        assert order.stop  # and it stays so, whatever comes
    assert order.state == session.STOPPED
    assert "reset first" in robot.session.start()


@pytest.mark.parametrize("name", TROUBLES)
def test_what_a_busy_machine_does_not_explain_ends_the_run_at_once(name):
    robot = Robot().running()
    TROUBLES[name][0](robot)
    assert [robot.period(), robot.period()][-1].state == session.STOPPED


@pytest.mark.parametrize("name", GAPS)
def test_after_a_short_gap_it_goes_on_and_after_another_one_too(name):
    robot = Robot().running()
    for _ in range(2):
        GAPS[name][0](robot)
        for _ in range(round(0.7 / PERIOD_S)):
            order = robot.period()
        assert order.stop and order.state == session.RUNNING
        vars(robot).update(without="", invalid=False, took_s=0.0)
        for _ in range(8):
            order = robot.period()
        assert order.decision is not None
        assert order.age_s == pytest.approx(0.01, abs=1e-6)


def test_what_ended_a_run_first_is_its_reason():
    robot = Robot().running()
    TROUBLES["joints jump"][0](robot)
    robot.period()
    robot.session.stop()
    assert "jumped" in robot.session.reason


def test_it_starts_only_with_joint_states_and_says_so():
    assert Session(StubPolicyController, PERIOD_S).start() == "no joint states yet"


def test_before_start_nothing_is_sent():
    order = Robot().period()
    assert (order.state, order.stop, order.decision) == (session.IDLE, False, None)


def test_paused_it_stays_and_goes_on_where_it_was():
    robot = Robot().running()
    assert robot.session.pause() == ""
    assert robot.period().stop
    first = robot.controller
    assert robot.session.start() == ""
    assert robot.period().decision is not None
    assert robot.controller is first


def test_after_stop_and_reset_another_run_begins():
    robot = Robot().running()
    robot.session.stop()
    assert robot.period().reason == "asked for"
    assert robot.session.reset() == ""
    first = robot.controller
    robot.running()
    assert robot.controller is not first
    assert robot.session.reset() == "running; stop first"


def test_late_decisions_are_counted():
    robot = Robot().running()
    robot.took_s = 0.3
    robot.period()
    assert robot.session.late == 1
