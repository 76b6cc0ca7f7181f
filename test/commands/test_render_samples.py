# SPDX-License-Identifier: Apache-2.0
"""The picture of simulated samples."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.cli import data
from sparsh_ros.commands.simulation import render_samples
from sparsh_ros.commands.simulation.render_samples import CELL_HEIGHT, CELL_WIDTH
from sparsh_ros.errors import RecordingError


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_samples, "FRAMES", 40)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    data.add_render_samples(parser)
    return parser.parse_args(arguments)


def test_sheet_shows_every_sensor_touched(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    assert render_samples.run(parse("--out", str(path), "--columns", "1")) == 0
    sheet = cv2.imread(str(path))
    strip = sheet.shape[0] // 3
    assert sheet.shape == (3 * strip, 2 * CELL_WIDTH, 3)
    differences = [sheet[(n + 1) * strip - CELL_HEIGHT : (n + 1) * strip] for n in range(3)]
    for difference in differences:
        assert (difference[:, :CELL_WIDTH] == 127).all(), "the untouched gel"
        assert difference[:, CELL_WIDTH:].std() > 2, "the touch"


def test_real_recordings_are_shown_below(
    tactile_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_samples, "SENSORS", ("gelsight_2017",))
    alone = render_samples.render_samples(0, 2)
    compared = render_samples.render_samples(0, 2, tactile_data)
    strip = alone.shape[0]
    assert compared.shape[0] == 2 * strip
    np.testing.assert_array_equal(compared[:strip], alone[:strip])
    assert compared[2 * strip - CELL_HEIGHT : 2 * strip, CELL_WIDTH:].std() > 2


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="digit_force_shear"):
        render_samples.render_samples(0, 1, tmp_path)


def test_unwritable_sheet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "sheet.png"
    with pytest.raises(RecordingError, match="cannot write"):
        render_samples.run(parse("--out", str(path), "--columns", "1"))
