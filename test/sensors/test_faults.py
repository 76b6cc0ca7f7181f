# SPDX-License-Identifier: Apache-2.0
"""The command that times the drivers against each fault."""

from __future__ import annotations

import re

import pytest

from sparsh_ros.cli import main
from sparsh_ros.sensors import faults


def test_every_row_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_START_S", 0.0)
    monkeypatch.setattr(faults, "_WARM_UP_FRAMES", 2)
    monkeypatch.setattr(faults, "_AWAY_S", (0.0, 0.1))
    assert main(["faults", "--tries", "1"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(faults._TRIALS) == 12
    for row in rows:
        median_s, longest_s = re.search(r"\| (\d+\.\d\d) \| (\d+\.\d\d) \|$", row).groups()
        assert 0 < float(median_s) <= float(longest_s)


def test_soak_accounts_for_every_frame(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_START_S", 0.0)
    monkeypatch.setattr(faults, "_SOAK_PERIOD_S", 0.2)
    assert main(["faults", "--soak", "0.03"]) == 0
    said = capsys.readouterr().out
    assert "unaccounted for 0." in said
    before, after = re.search(r"open files \| (\d+) \| (\d+)", said).groups()
    assert after <= before


def test_no_tries_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--tries", "0"]) == 1
    assert "tries: wanted 1 or more, found 0" in capsys.readouterr().err
