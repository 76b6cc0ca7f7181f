# SPDX-License-Identifier: Apache-2.0
"""Help of the installed nodes."""

from __future__ import annotations

from importlib import import_module

import pytest

from sparsh_ros.nodes import settings

PROGRAMS = {
    "sensor": ("sensor", settings.SENSOR),
    "perception": ("perception", settings.PERCEPTION),
    "head": ("head", settings.HEAD),
    "record": ("record.recorder", settings.RECORD),
    "player": ("replay.player", settings.PLAYER),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_parameter_is_explained_and_nothing_starts(name: str, capsys) -> None:
    module, table = PROGRAMS[name]
    assert import_module(f"sparsh_ros.nodes.{module}").main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: ros2 run sparsh_ros {name} ")
    words = " ".join(text.split())
    for parameter, setting in table.items():
        assert f"\n  {parameter} (default: " in text
        assert " ".join(setting.description.split()) in words
