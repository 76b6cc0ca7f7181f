# SPDX-License-Identifier: Apache-2.0
"""Error of a policy along recorded runs, as Sparsh reports it (Higuera et al., 2024, table 12).

The policy sees what was recorded; from the start of each piece of 3 cm its actions are added up,
and so are those of the demonstrator: the error is how far the two places of the hand are apart at
the end of the piece.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.kinematics import HandDriver
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.observation import Moment, Observer
from sparsh_ros.policies.policy import Policy

PIECE_M = 0.03


def piece_errors_mm(policy: Policy, demonstrations: Sequence[Demonstration]) -> list[float]:
    """Error of each piece, mm, of which a run has one for each 3 cm without a regrasp."""
    return [error for demonstration in demonstrations for error in _errors(policy, demonstration)]


def _errors(policy: Policy, demonstration: Demonstration) -> list[float]:
    columns = demonstration.columns
    wanted = columns["wanted_joints"] - columns["commanded"]
    acted = _actions(policy, demonstration)
    errors = []
    for begin, end in _pieces(demonstration):
        start = columns["joints"][begin]
        there = start + wanted[begin:end].sum(0)
        errors.append(_apart_mm(there, _carry_out(policy, start, acted[begin:end])))
    return errors


def _actions(policy: Policy, demonstration: Demonstration) -> NDArray[np.float64]:
    """(T, A) the action that the policy takes at each row, asked again as often as live."""
    columns, card = demonstration.columns, policy.card
    observer, rng = Observer(card.observation, card.without), np.random.default_rng(0)
    taken, chunk = [], None
    for index in range(len(demonstration)):
        grip_n = columns["grip_n"][index - 1] if index else 0.0
        moment = Moment(demonstration.touches(index), columns["joints"][index], grip_n)
        observation = observer.update(moment)
        if index % card.replan == 0:
            chunk = policy.act(observation, rng).astype(float)
            if card.actions == "twist":
                frame = observer.frame
                chunk = np.concatenate([chunk[:, :3] @ frame.T, chunk[:, 3:] @ frame.T], 1)
        taken.append(chunk[index % card.replan])
    return np.stack(taken)


def _pieces(demonstration: Demonstration) -> list[tuple[int, int]]:
    """First row, and the row after the last, of pieces during which the hand held the bead."""
    columns = demonstration.columns
    good = columns["held"] & (columns["grip_n"] > 0.0)
    pieces, begin = [], None
    for index in range(len(demonstration)):
        if not good[index]:
            begin = None
            continue
        begin = index if begin is None else begin
        if columns["bead_m"][index] - columns["bead_m"][begin] >= PIECE_M:
            pieces.append((begin, index))
            begin = index
    return pieces


def _carry_out(
    policy: Policy, start: NDArray[np.float64], actions: NDArray[np.float64]
) -> NDArray[np.float64]:
    if policy.card.actions == "joints":
        return start + actions.sum(0)
    driver = HandDriver(start)
    for action in actions:
        driver.move(action)
    return driver.joints


def _apart_mm(joints: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    way = kinematics.forward(joints).position - kinematics.forward(others).position
    return 1e3 * float(np.linalg.norm(way))
