# SPDX-License-Identifier: Apache-2.0
"""The live graph tells what a simulated hand finds true, on a topic and to a planner that asks."""

from __future__ import annotations

import math

import pytest
from std_srvs.srv import Trigger

from sparsh_ros.msg import Predicates
from sparsh_ros.nodes.predicates.printer import describe
from sparsh_ros.simulation.hand.simulation import PREDICATES

HAND = {"names": "left,right", "source": "simulated", "touch": "hand"}


@pytest.fixture(scope="module")
def heard(outsider, start_graph) -> list[Predicates]:
    """What comes on the topic of two fingers at work."""
    messages = outsider.listen(Predicates, "/tactile/predicates", 300)
    start_graph(**HAND, fps="15", predicates="auto")
    return messages


def values(message: Predicates) -> dict[str, bool]:
    return {one.name: one.value for one in message.predicates if one.valid}


def test_a_touch_is_told_by_all_predicates_at_once(heard, outsider) -> None:
    outsider.wait_for(lambda: any(values(m).get("is_in_contact") for m in heard), "a touch")
    touched = next(message for message in heard if values(message).get("is_in_contact"))
    assert [one.name for one in touched.predicates] == sorted(PREDICATES)
    assert all(one.valid and 0 <= one.probability <= 1 for one in touched.predicates)
    assert "is_in_contact" in describe(touched)
    assert touched.header.stamp.sec > 0 and touched.header.frame_id == ""


def test_what_is_unknown_says_why(heard, outsider) -> None:
    outsider.wait_for(lambda: heard and values(heard[-1]), "predicates that are known")
    outsider.change_state(["/tactile/left/sensor"], "deactivate")
    outsider.wait_for(lambda: not values(heard[-1]), "predicates that are unknown")
    unknown = heard[-1]
    outsider.change_state(["/tactile/left/sensor"], "activate")
    assert sorted(PREDICATES) == [one.name for one in unknown.predicates]
    assert all(math.isnan(one.probability) and one.reason for one in unknown.predicates)
    assert not any(one.value for one in unknown.predicates)
    assert describe(unknown).startswith("unknown: left: no frame")
    outsider.wait_for(lambda: values(heard[-1]), "predicates that are known again")


def test_a_planner_asks(heard, outsider) -> None:
    outsider.wait_for(lambda: any(values(m) for m in heard), "predicates that are known")
    for name in PREDICATES:
        answer = outsider.call(Trigger, f"/tactile/predicates/{name}", Trigger.Request())
        assert answer.message.startswith("true" if answer.success else ("false", "unknown"))
