# SPDX-License-Identifier: Apache-2.0
"""The command that compares simulated touches with recorded ones."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.cli.data import add_gap
from sparsh_ros.commands.simulation import simulation_gap
from sparsh_ros.errors import RecordingError
from sparsh_ros.sensors.profiles import load_profile

DIGIT = load_profile("digit")


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation_gap, "_FRAMES", 40)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_gap(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Ten frames of a spot that wanders over a grey gel, the first without it."""
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(10):
        image = np.full((320, 240, 3), 110, np.uint8)
        if index:
            cv2.circle(image, (60 + 12 * index, 160), 25, (150, 90, 120), -1)
        noise = rng.integers(0, 3, image.shape, dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index:04d}.png"), image + noise)
    return folder


def test_table_and_picture(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "gap.png"
    arguments = parse(str(recording), "--still", "0", "--count", "6", "--out", str(picture))
    assert simulation_gap.run(arguments) == 0
    printed = capsys.readouterr().out
    assert "peak change, red" in printed and "area of" in printed
    assert cv2.imread(str(picture)).shape[0] > 800


def test_background_is_the_named_frame_the_file_or_the_median(recording: Path) -> None:
    named = simulation_gap.recorded_shots(recording, DIGIT, 5, 0, 0)
    assert np.abs(named[0].background.astype(int) - 111).max() <= 1
    median = simulation_gap.recorded_shots(recording, DIGIT, 5, None, 0)
    assert np.abs(median[0].background.astype(int) - 111).mean() < 10
    cv2.imwrite(str(recording.parent / "background.png"), np.full((320, 240, 3), 105, np.uint8))
    filed = simulation_gap.recorded_shots(recording, DIGIT, 5, None, 0)
    assert (filed[0].background == 105).all()


def test_a_frame_that_is_not_there_and_a_recording_without_contact_are_named(
    recording: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match="10 frames, not frame 12"):
        simulation_gap.recorded_shots(recording, DIGIT, 5, 12, 0)
    still = tmp_path / "still"
    still.mkdir()
    for index in range(3):
        cv2.imwrite(str(still / f"{index}.png"), np.full((320, 240, 3), 90, np.uint8))
    with pytest.raises(RecordingError, match="still.*--still"):
        simulation_gap.recorded_shots(still, DIGIT, 5, None, 0)


def test_shapes_and_seeds_decide_what_is_simulated() -> None:
    first, same, other = (
        simulation_gap.simulated_shots("digit", 2, ["sphere"], seed) for seed in (0, 0, 1)
    )
    assert all(shot.caption.startswith("sphere") for shot in first)
    np.testing.assert_array_equal(first[1].image, same[1].image)
    assert (first[1].image != other[1].image).any()
