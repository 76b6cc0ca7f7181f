# SPDX-License-Identifier: Apache-2.0
"""The sensors that the settings of a node or a graph describe."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.graph.entries import entries, own_entry
from sparsh_ros.nodes.settings import SENSOR

DEFAULTS = {name: setting.value for name, setting in SENSOR.items()}


def _given(**changed: object) -> dict[str, object]:
    return DEFAULTS | changed


def test_the_default_is_a_simulated_digit_named_after_its_kind() -> None:
    (entry,) = entries(_given())
    assert (entry.name, entry.driver, entry.profile.name) == ("digit", "simulated", "digit")
    assert entry.settings == {"seed": 0, "touch": "random", "rate_hz": None}


def test_several_of_a_kind() -> None:
    serials = {"source": "camera", "serial": "D1, D2"}
    rig = entries(_given(names="thumb, index", **serials))
    assert [(entry.name, entry.settings["serial"]) for entry in rig] == [
        ("thumb", "D1"),
        ("index", "D2"),
    ]


def test_a_background_from_a_file() -> None:
    (entry,) = entries(_given(background="bare.png"))
    assert entry.background == Path("bare.png")


def test_simulated_ones_differ() -> None:
    rig = entries(_given(names="a,b", seed=7))
    assert [entry.settings["seed"] for entry in rig] == [7, 8]


def test_a_file_takes_the_place_of_all_other_settings() -> None:
    assert [entry.name for entry in entries(_given(sensors="hand.yaml"))] == [
        *("thumb", "index", "palm")
    ]


def test_a_node_finds_its_own() -> None:
    assert own_entry(_given()).name == "digit"
    assert own_entry(_given(sensors="hand.yaml", name="index")).settings["serial"] == "D20124"
    with pytest.raises(ParameterError, match="wanted one of thumb, index, palm, found 'pinky'"):
        own_entry(_given(sensors="hand.yaml", name="pinky"))
    with pytest.raises(ParameterError, match="wanted one of a, b, found ''"):
        own_entry(_given(names="a,b"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sensors": "hand.yaml", "seed": 3, "serial": "D1"}, r"found both \(serial, seed\)"),
        ({"serial": "D1"}, "serial: has no meaning for source simulated of a digit, found 'D1'"),
        ({"source": "camera", "touch": "demo"}, "touch: has no meaning for source camera"),
        ({"source": "camera", "sensor": "gelsight_mini", "leds": "digit-interface"}, "leds: has"),
        ({"source": "camera", "names": "a,b", "serial": "D1"}, "serial: wanted 2, .* found 1"),
        ({"source": "camera", "names": "a,b"}, "a and b: wanted a camera of its own for each"),
        ({"names": "a,a"}, "name: wanted a different one for each, found a twice"),
        ({"names": "a,b", "background": "bare.png"}, "background: wanted one for each sensor"),
        ({"names": "left thumb"}, "name: wanted a letter"),
    ],
)
def test_what_does_not_go_together(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        entries(_given(**changed))
