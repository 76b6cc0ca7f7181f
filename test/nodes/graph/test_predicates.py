# SPDX-License-Identifier: Apache-2.0
"""The live graph tells what a simulated hand finds true, on a topic and to a planner that asks."""

from __future__ import annotations

import math

import pytest
from std_srvs.srv import Trigger

from sparsh_ros.msg import Predicates
from sparsh_ros.nodes.predicates.printer import describe
from sparsh_ros.simulation.hand.simulation import PREDICATES

HAND = {"names": "left,right", "source": "simulated", "touch": "hand", "in_process": "true"}


@pytest.fixture(scope="module")
def heard(outsider, start_graph) -> list[Predicates]:
    """What comes on the topic of two fingers at work."""
    start_graph(**HAND, fps="15", predicates="auto")
    return outsider.listen(Predicates, "/tactile/predicates", 300)


def values(message: Predicates) -> dict[str, bool]:
    return {one.name: one.value for one in message.predicates if one.valid}


def test_contact_and_grasp_come_and_go(heard, outsider) -> None:
    outsider.wait_for(
        lambda: any(values(m).get("is_in_contact") is False for m in heard), "no contact"
    )
    outsider.wait_for(lambda: any(values(m).get("is_grasped") for m in heard), "a grasp")
    held = next(message for message in heard if values(message).get("is_grasped"))
    assert [one.name for one in held.predicates] == sorted(PREDICATES)
    assert all(one.valid and 0 <= one.probability <= 1 for one in held.predicates)
    assert values(held)["is_in_contact"] and "is_grasped" in describe(held)


def test_what_is_unknown_says_why(heard, outsider) -> None:
    unknown = [m for m in heard if m.predicates and not m.predicates[0].valid]
    assert unknown  # until there is a background
    assert all(math.isnan(one.probability) and one.reason for one in unknown[0].predicates)
    assert not any(one.value for one in unknown[0].predicates)
    assert describe(unknown[0]).startswith("unknown: ")


def test_a_planner_asks(heard, outsider) -> None:
    outsider.wait_for(lambda: any(values(m) for m in heard), "predicates that are known")
    for name in PREDICATES:
        answer = outsider.call(Trigger, f"/tactile/predicates/{name}", Trigger.Request())
        assert answer.message.startswith("true" if answer.success else ("false", "unknown"))
