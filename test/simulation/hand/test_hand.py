# SPDX-License-Identifier: Apache-2.0
"""Two simulated fingers: they feel the same, mirrored, and what is said to be true is true."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from sparsh_ros.sensors.drivers import driver_config
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.sensors.simulated import SimulatedSensor
from sparsh_ros.simulation.hand.script import TASKS, HandSampler, finger_stream, mirrored
from sparsh_ros.simulation.hand.simulation import PREDICATES, HandSample, HandSimulation
from sparsh_ros.simulation.trajectories import IndenterState


def frames(task: str, kind: str, seed: int = 0, count: int = 150) -> list[HandSample]:
    hand = HandSimulation("digit", seed, 30.0, (kind,), (task,), downscale=4)
    return [hand.step() for _ in range(count)]


@pytest.fixture(scope="module")
def slips() -> list[HandSample]:
    return frames("slip", "cylinder")


def test_both_fingers_feel_one_motion_mirrored(slips) -> None:
    pressed = [s for s in slips if all(f.in_contact for f in s.fingers)]
    assert len(pressed) > 60
    for sample in pressed:
        left, right = sample.fingers
        assert right.pose == pytest.approx(left.pose * (-1, 1, -1), abs=1e-12)
        assert left.force_n[2] == pytest.approx(right.force_n[2], rel=0.02)
    # Two gels of their own: friction and stiffness differ, and so do the images.
    shear = np.array([[f.force_n[1] for f in s.fingers] for s in pressed])
    assert np.abs(shear[:, 0] - shear[:, 1]).max() > 1e-3
    assert np.corrcoef(shear.T)[0, 1] > 0.9
    state = IndenterState(1.0, 0.5, 0.2, 0.3, 0.01, 0.02)
    assert mirrored(mirrored(state)) == state


def test_truth_follows_from_the_mechanics(slips) -> None:
    for sample in slips:
        touched = any(f.in_contact for f in sample.fingers)
        assert list(sample.truth) == list(PREDICATES)
        assert sample.truth["is_in_contact"] == touched
        assert sample.truth["is_slipping"] == any(f.slipping for f in sample.fingers)
        if sample.truth["is_grasped"]:
            assert min(f.force_n[2] for f in sample.fingers) >= 0.3
            assert not any(f.gross_slip for f in sample.fingers)
        assert not sample.truth["surface_is_rough"]
    assert 5 < sum(sample.truth["is_slipping"] for sample in slips) < 75
    assert not slips[0].truth["is_in_contact"]


def test_a_rough_face_is_rough_only_while_it_is_touched() -> None:
    explored = frames("explore", "knurled", count=60)
    for sample in explored:
        assert sample.truth["surface_is_rough"] == sample.truth["is_in_contact"]
    assert any(sample.truth["surface_is_rough"] for sample in explored)


@pytest.mark.parametrize(
    ("task", "claim", "axis"), [("insert", "is_inserted", 1), ("screw", "is_screwed_tight", 2)]
)
def test_what_the_script_claims_shows_in_the_gel(task: str, claim: str, axis: int) -> None:
    """At the bottom of a hole, and at the torque limit, the object has moved in the hand."""
    seen = frames(task, "flat", seed=4, count=400)
    claimed = [s for s in seen if s.truth[claim]]
    assert claimed and len(claimed) < len(seen) / 2
    assert all(s.truth["is_in_contact"] for s in claimed)
    first = next(i for i, s in enumerate(seen) if s.truth[claim])
    pose = [s.fingers[0].pose[axis] for s in seen[first - 24 : first + 1]]
    moved = np.nanmax(pose) - np.nanmin(pose)
    assert moved > (0.4e-3 if axis == 1 else 0.15)


def test_a_live_sensor_is_a_finger_of_the_hand_that_its_seed_names() -> None:
    profile = load_profile("digit")
    config = driver_config("simulated", touch="hand", seed=7, fps=30.0)
    sensor = SimulatedSensor(profile, config)
    sensor._open()
    samples = [sensor._samples.take() for _ in range(60)]
    sensor._close()
    sampler = HandSampler(7, ("sphere",), 30.0, 8.0)
    assert any(sample.in_contact for sample in samples)
    stream, other = finger_stream(sampler, 1), finger_stream(HandSampler(6, *_rest(sampler)), 0)
    for _ in range(50):
        (_, right), (_, left) = next(stream), next(other)
        assert right == mirrored(left)


def _rest(sampler: HandSampler) -> tuple:
    return sampler.kinds, sampler.rate_hz, sampler.maximum_load_n


def test_every_task_comes() -> None:
    hand = HandSampler(0, ("sphere", "ridged"), 30.0, 8.0)
    loads = [state.load_n for _, state in islice(finger_stream(hand, 0), 2000)]
    handled = sum(before <= 0 < now for before, now in pairwise(loads))
    assert handled >= len(TASKS)
