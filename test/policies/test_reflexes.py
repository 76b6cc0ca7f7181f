# SPDX-License-Identifier: Apache-2.0
"""Reflexes: what makes them act, where they send the hand, when they give up."""

from dataclasses import replace

import numpy as np
import pytest

from sparsh_ros import kinematics
from sparsh_ros.policies import reflexes
from sparsh_ros.policies.reflexes import Reflexes, ReflexSettings
from sparsh_ros.policies.touch import Touch

PERIOD_S = 1 / 12
SETTINGS = ReflexSettings()


def touch(in_contact=True, margin=0.9, slide_m_s=0.0, centre_mm=(0.0, 0.0, 0.0), **more):
    more = {"force_n": np.zeros(3)} | more
    return Touch(
        0,
        True,
        in_contact=in_contact,
        **more,
        margin=margin,
        slide_m_s=slide_m_s,
        centre_m=1e-3 * np.array(centre_mm),
    )


class Run:
    """Reflexes, an arm that obeys them, and time."""

    def __init__(self):
        self.reflexes, self.now_s = Reflexes(SETTINGS), 0.0
        self.driver = kinematics.HandDriver(kinematics.READY)
        self.states = []

    def step(self, felt, forward_mm=2.0, late_s=0.0):
        felt = replace(felt, stamp_ns=round(1e9 * (self.now_s - late_s)))
        action = self.reflexes.update(self.now_s, self.driver.joints, (felt, felt))
        if action.goal is not None:
            hand = kinematics.forward(self.driver.joints)
            error = kinematics.pose_error(action.goal, hand)
            back = hand.rotation.T
            self.driver.move(0.5 * np.concatenate([back @ error[:3], back @ error[3:]]))
        elif action.state == reflexes.FOLLOW:
            self.driver.move(np.array([1e-3 * forward_mm, 0, 0, 0, 0, 0]))
        self.now_s += PERIOD_S
        self.states.append(action.state)
        return action

    def follow(self, count=30):
        for _ in range(count):
            action = self.step(touch())
        assert action.state == reflexes.FOLLOW
        return self

    @property
    def place_m(self):
        return kinematics.forward(self.driver.joints).position


def test_it_begins_by_closing_and_then_follows():
    run = Run().follow()
    assert run.states[0] == reflexes.CLOSE
    assert run.reflexes.regrasps == 0


@pytest.mark.parametrize("felt", [touch(margin=0.2), touch(slide_m_s=6e-3)])
def test_about_to_slip_it_grips_harder_and_slows_down_then_relaxes(felt):
    run = Run().follow()
    before = run.step(touch()).grip_n
    action = [run.step(felt) for _ in range(3)][-1]
    assert action.reason == "about to slip"
    assert before < action.grip_n <= SETTINGS.highest_grip_n
    assert action.pace < 1.0
    for _ in range(60):
        action = run.step(touch())
    assert action.grip_n == pytest.approx(SETTINGS.grip_n, abs=0.3)
    assert action.pace == 1.0


def test_a_lost_bead_is_looked_for_where_it_was_felt_last():
    run = Run().follow()
    felt_at = run.place_m
    while run.step(touch(in_contact=False), forward_mm=2.0).state == reflexes.FOLLOW:
        pass
    assert run.now_s < 30 * PERIOD_S + 4 * PERIOD_S
    while run.step(touch(in_contact=False)).state != reflexes.CLOSE:
        pass
    assert np.linalg.norm(run.place_m - felt_at) < 2.5e-3
    for _ in range(8):
        run.step(touch())
    assert run.states[-1] == reflexes.FOLLOW
    assert run.reflexes.regrasps == 1


def test_a_bead_that_wandered_off_is_gripped_again_in_the_middle():
    run = Run().follow()
    before = run.place_m
    action = run.step(touch(centre_mm=(0.0, 0.0, 4.0)))
    assert action.reason == "the bead wandered off the fingertips"
    while run.step(touch(in_contact=False)).state != reflexes.CLOSE:
        pass
    assert run.place_m[2] - before[2] == pytest.approx(-4e-3, abs=2e-3)


def test_without_progress_it_grips_the_bead_again_turned_along_the_wire():
    run = Run().follow()
    stuck_s, before = run.now_s, kinematics.forward(run.driver.joints)
    bent = touch(axis=np.array([np.cos(0.3), 0.0, -np.sin(0.3)]), elongation=0.6)
    while (action := run.step(bent, forward_mm=0.0)).state == reflexes.FOLLOW:
        pass
    assert action.reason == "no progress"
    assert run.now_s - stuck_s == pytest.approx(SETTINGS.stuck_s, abs=0.5)
    while run.step(touch(in_contact=False)).state != reflexes.CLOSE:
        pass
    after = kinematics.forward(run.driver.joints)
    assert np.linalg.norm(after.position - before.position) < 2e-3
    turned = kinematics.rotation_vector(before.rotation.T @ after.rotation)
    assert turned == pytest.approx([0.0, 0.3, 0.0], abs=0.06)


def test_it_gives_way_to_force_across_the_wire_and_not_along_it():
    run = Run().follow()
    # Of the bead on each gel: the hand presses the bead with 6 N to its own left.
    pressed = touch(force_n=np.array([-2.0, -3.0, 0.0]))
    assert run.step(pressed).yields_m_s == pytest.approx([0.0, -0.01, 0.0])
    assert not run.step(touch(force_n=np.array([-2.0, -0.4, 0.0]))).yields_m_s.any()
    unknown = touch(force_n=np.full(3, np.nan))
    assert not run.step(unknown).yields_m_s.any()


def test_a_late_image_tells_where_the_bead_was_when_it_was_taken():
    run = Run().follow()
    felt_at = run.place_m
    for _ in range(2):  # the hand springs away, and the images of the bead come late
        run.step(touch(), forward_mm=10.0, late_s=2 * PERIOD_S)
    while run.step(touch(in_contact=False), forward_mm=0.0).state != reflexes.CLOSE:
        pass
    assert np.linalg.norm(run.place_m - felt_at) < 3e-3


def test_places_about_the_bead_are_tried_one_after_another():
    run = Run().follow()
    felt_at = run.place_m
    places = []
    while len(places) < 4:
        state = run.step(touch(in_contact=False)).state
        if state == reflexes.CLOSE and run.states[-2] != reflexes.CLOSE:
            places.append(run.place_m - felt_at)
    assert np.linalg.norm(places[0]) < 2.5e-3
    assert places[1][0] - places[0][0] == pytest.approx(-4e-3, abs=2e-3)
    assert places[2][0] - places[0][0] == pytest.approx(4e-3, abs=2e-3)


def test_what_is_gripped_in_vain_again_and_again_is_lost():
    run = Run().follow()
    for _ in range(600):
        action = run.step(touch(in_contact=False))
    assert action.state == reflexes.LOST
    assert "in vain" in action.reason
    assert action.grip_n == 0.0
