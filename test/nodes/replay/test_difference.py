# SPDX-License-Identifier: Apache-2.0
"""Live against offline: what is compared, what is left out, and what counts as a difference."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sparsh_ros.evaluation.result import Estimates
from sparsh_ros.nodes.replay.difference import (
    ReplayDifference,
    compare,
    difference_table,
    remarks,
    unique_rows,
)
from sparsh_ros.nodes.replay.live_estimates import LiveEstimates

COUNT = 40
PERIOD_NS = 16_666_667
PAIR_NS = 5 * PERIOD_NS
REACH_NS = round(1.5 * PAIR_NS)
CONTACT = slice(10, 30)


@pytest.fixture
def offline() -> Estimates:
    """Forty frames, of which twenty are in contact."""
    rng = np.random.default_rng(0)
    contact = np.zeros(COUNT, np.int8)
    contact[CONTACT] = 1
    motion = rng.normal(size=(COUNT, 3)).astype(np.float32) * 1e-4
    motion[contact == 0] = np.nan
    return Estimates(
        stamp_ns=1_000_000_000 + np.arange(COUNT, dtype=np.int64) * PERIOD_NS,
        reason=np.full(COUNT, -1, np.int16),
        reasons=(),
        interval_ns=np.full(COUNT, PAIR_NS, np.int64),
        force_n=rng.normal(size=(COUNT, 3)).astype(np.float32),
        in_contact=contact,
        slip_probability=rng.random(COUNT).astype(np.float32),
        slipping=contact.copy(),
        slide_speed_m_s=np.full(COUNT, np.nan, np.float32),
        slip_share=np.full(COUNT, np.nan, np.float32),
        friction_margin=np.full(COUNT, np.nan, np.float32),
        delta_force_n=rng.normal(size=(COUNT, 3)).astype(np.float32),
        pose_change=motion,
        pose_bins=np.full((COUNT, 3), 5, np.int8),
        pose=np.cumsum(motion, axis=0),
    )


def same(offline: Estimates) -> LiveEstimates:
    """A live graph that says just that."""
    values = {
        "force": offline.force_n,
        "slip probability": offline.slip_probability[:, None],
        "in contact": offline.in_contact[:, None],
        "motion": offline.pose_change,
    }
    return LiveEstimates(
        present=np.ones(len(offline), bool),
        reported={name: np.ones(len(offline), bool) for name in values},
        values={name: found.astype(np.float64) for name, found in values.items()},
        interval_ns=offline.interval_ns.copy(),
        counters={"images received": "40", "frames replaced": "0"},
    )


def passed_over(live: LiveEstimates, *rows: int) -> None:
    live.present[list(rows)] = False
    live.interval_ns[list(rows)] = -1
    for name, found in live.values.items():
        found[list(rows)] = np.nan
        live.reported[name][list(rows)] = False


def difference(
    offline: Estimates, live: LiveEstimates, frames_per_clip: int = 2
) -> ReplayDifference:
    return compare("left", offline, live, REACH_NS, frames_per_clip)


def test_the_same_is_equal(offline: Estimates) -> None:
    found = difference(offline, same(offline))
    assert found.equal and found.passed_over == found.other_pair == found.after_gap == 0
    frames = {name: one.frames for name, one in found.quantities.items()}
    assert frames == dict.fromkeys(("force", "slip probability", "in contact"), COUNT) | {
        "motion": CONTACT.stop - CONTACT.start
    }


def test_a_number_too_far_off_is_different(offline: Estimates) -> None:
    live = same(offline)
    live.values["force"][7, 2] += 0.01
    found = difference(offline, live)
    assert not found.equal
    assert found.quantities["force"].different == 1
    assert found.quantities["force"].largest == pytest.approx(0.01)


@pytest.mark.parametrize("row", [3, 15])
def test_what_only_one_side_knows_is_different(offline: Estimates, row: int) -> None:
    live = same(offline)
    live.values["motion"][row] = 0.0 if row == 3 else np.nan
    assert difference(offline, live).quantities["motion"].different == 1


def test_contact_is_left_out_from_a_gap_to_the_next_moment_without(offline: Estimates) -> None:
    live = same(offline)
    passed_over(live, 15)
    live.values["in contact"][16:20] = 0.0
    live.values["motion"][16:30] += 1.0
    found = difference(offline, live)
    assert found.equal
    assert (found.passed_over, found.after_gap) == (1, 14)
    assert found.quantities["motion"].frames == 5
    assert found.quantities["force"].frames == COUNT - 1


def test_a_gap_excuses_no_force(offline: Estimates) -> None:
    live = same(offline)
    passed_over(live, 15)
    live.values["force"][16] += 1.0
    assert not difference(offline, live).equal


def test_another_partner_is_excused_where_a_frame_may_be_lost(offline: Estimates) -> None:
    live = same(offline)
    passed_over(live, 15)
    live.interval_ns[20] -= PERIOD_NS
    live.values["force"][20] += 1.0
    found = difference(offline, live)
    assert found.equal and found.other_pair == 1


@pytest.mark.parametrize("row", [5, 35])
def test_another_partner_is_no_excuse_where_none_is(offline: Estimates, row: int) -> None:
    live = same(offline)
    passed_over(live, 15)
    live.interval_ns[row] = 0
    live.values["force"][row] = np.nan
    assert not difference(offline, live).equal


def test_models_of_many_frames_are_excused_by_any_loss_within_reach(offline: Estimates) -> None:
    live = same(offline)
    passed_over(live, 15)
    live.values["force"][16] += 1.0
    found = difference(offline, live, frames_per_clip=4)
    assert found.equal and found.other_pair == 7


def test_a_message_that_was_lost_after_all_is_no_difference(offline: Estimates) -> None:
    live = same(offline)
    live.values["force"][5], live.reported["force"][5] = np.nan, False
    found = difference(offline, live)
    assert found.equal
    assert found.quantities["force"].frames == COUNT - 1
    assert found.quantities["motion"].frames == CONTACT.stop - CONTACT.start


def test_nothing_compared_is_not_equal(offline: Estimates) -> None:
    live = same(offline)
    passed_over(live, *range(COUNT))
    assert not difference(offline, live).equal


def test_frames_that_share_a_stamp_are_left_out(offline: Estimates) -> None:
    stamps_ns = offline.stamp_ns.copy()
    stamps_ns[4] = stamps_ns[3]
    offline = replace(offline, stamp_ns=stamps_ns)
    rows = unique_rows(stamps_ns)
    assert 3 not in rows and 4 not in rows and len(rows) == COUNT - 2
    live = same(offline)
    live = LiveEstimates(
        live.present[rows],
        {name: found[rows] for name, found in live.reported.items()},
        {name: found[rows] for name, found in live.values.items()},
        live.interval_ns[rows],
        {},
    )
    found = difference(offline, live)
    assert found.equal and found.repeated == 2


def test_table_and_sentences_tell_all_of_it(offline: Estimates) -> None:
    live = same(offline)
    passed_over(live, 15)
    live.interval_ns[20] -= PERIOD_NS
    found = difference(offline, live)
    assert difference_table([found]).row_count == len(found.quantities)
    text = " ".join(remarks(found))
    assert "40 frames played, 1 without an estimate (perception received 40" in text
    assert "1 frame left out: the partner" in text and "contact and motion of 1" in text
    document = json.loads(json.dumps(found.document()))
    assert document["quantities"]["force"]["tolerance"] == 1e-4
    assert document["passed_over"] == 1


def test_frames_of_which_nobody_says_anything_are_not_compared(offline: Estimates) -> None:
    unknown = replace(offline, pose_change=np.full_like(offline.pose_change, np.nan))
    found = difference(unknown, same(unknown))
    assert found.quantities["motion"].frames == found.quantities["motion"].different == 0
    assert found.equal


@pytest.mark.parametrize(("lost", "equal"), [(COUNT // 2, True), (COUNT // 2 + 1, False)])
def test_what_was_mostly_passed_over_is_not_equal(offline, lost: int, equal: bool) -> None:
    live = same(offline)
    passed_over(live, *range(lost))
    found = difference(offline, live)
    assert found.equal is found.is_covered is equal
    assert not any(one.different for one in found.quantities.values())
