# SPDX-License-Identifier: Apache-2.0
"""Where the background comes from, and when it is doubted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from background.clips import RATE_HZ, frames, push

from sparsh_ros.background import BackgroundKeeper, BackgroundStore, read_background
from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.simulated import REST_S
from sparsh_ros.simulation.simulation import TouchSimulation

DIGIT = load_profile("digit")
SERIAL = "D20123"


def test_first_background_of_a_sensor_is_stored(gel: dict, store: BackgroundStore) -> None:
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert keeper.image is None and "no frame yet" in keeper.reason
    assert push(keeper, gel["free"]) == [30]
    assert (keeper.reason, keeper.warnings, keeper.origin) == ("", {}, "captured at start")
    assert keeper.stamp_ns == 500_000_000
    np.testing.assert_array_equal(store.load("digit", SERIAL), keeper.image)
    assert store.load("digit", "D2") is store.load("gelsight_mini", SERIAL) is None


def test_same_gel_is_captured_anew(gel: dict, store: BackgroundStore) -> None:
    store.save("digit", SERIAL, cv2.add(gel["free"][0], np.full(IMAGE_SHAPE, 4, np.uint8)))
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert push(keeper, gel["free"]) == [30] and keeper.warnings == {}
    assert np.abs(keeper.image.astype(int) - gel["free"][0]).mean() < 3
    np.testing.assert_array_equal(store.load("digit", SERIAL), keeper.image)


def test_touched_at_start_uses_the_stored_one_until_the_gel_is_free(
    gel: dict, store: BackgroundStore
) -> None:
    store.save("digit", SERIAL, gel["free"][0])
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert push(keeper, gel["pressed"]) == [30]
    assert "touched at start, or the gel was changed" in keeper.warnings["start"]
    assert keeper.reason == "" and keeper.origin == "stored in an earlier run"
    np.testing.assert_array_equal(keeper.image, gel["free"][0])
    assert len(push(keeper, gel["free"] * 2, start_s=40 / RATE_HZ)) == 1
    assert keeper.warnings == {} and keeper.origin == "captured at start"


def test_a_light_touch_at_start_is_told_from_the_noise(gel: dict, store: BackgroundStore) -> None:
    """A block that differs by 20 levels: the gel itself changes by less than 9 between two runs."""
    other = gel["free"][0].copy()
    other[100:160, 80:140] = cv2.add(other[100:160, 80:140], np.full((60, 60, 3), 20, np.uint8))
    store.save("digit", SERIAL, other)
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert push(keeper, gel["free"]) == [30]
    assert "touched at start, or the gel was changed" in keeper.warnings["start"]
    assert keeper.origin == "stored in an earlier run"


def test_touched_at_the_first_start_ever_cannot_be_told(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    assert push(keeper, gel["pressed"]) == [30] and keeper.warnings == {}


def test_no_stillness_means_no_background(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT, SERIAL)
    assert push(keeper, gel["tapped"][:170]) == [] and keeper.warnings == {}
    assert "of a still image, found it to vary by" in keeper.reason
    assert push(keeper, gel["tapped"][170:], start_s=170 / RATE_HZ) == []
    assert "no stillness in the first 3 s" in keeper.warnings["start"]
    assert len(push(keeper, gel["free"], start_s=256 / RATE_HZ)) == 1
    assert keeper.reason == "" and keeper.warnings == {}


def test_no_stillness_for_3_s_uses_the_stored_one(gel: dict, store: BackgroundStore) -> None:
    store.save("digit", SERIAL, gel["free"][0])
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert push(keeper, gel["tapped"]) == [180]
    assert "the stored background is used" in keeper.warnings["start"]
    np.testing.assert_array_equal(keeper.image, gel["free"][0])


def test_capture_takes_what_is_seen_and_stores_it(gel: dict, store: BackgroundStore) -> None:
    store.save("digit", SERIAL, gel["free"][0])
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    with pytest.raises(FrameError):
        keeper.capture()
    push(keeper, gel["pressed"])
    keeper.capture()
    assert push(keeper, gel["pressed"][:1], start_s=40 / RATE_HZ) == [0]
    assert keeper.warnings == {} and keeper.origin == "captured on request"
    np.testing.assert_array_equal(store.load("digit", SERIAL), keeper.image)


def test_capture_of_a_moving_gel_changes_nothing(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    push(keeper, gel["free"])
    before = keeper.image
    push(keeper, gel["tapped"][:40], start_s=40 / RATE_HZ)
    with pytest.raises(FrameError, match="keep the gel free of contact"):
        keeper.capture()
    assert keeper.image is before and keeper.reason == ""


def test_a_file_wins(gel: dict, store: BackgroundStore, tmp_path: Path) -> None:
    store.save("digit", SERIAL, gel["free"][0])
    file = tmp_path / "mine.png"
    cv2.imwrite(str(file), np.full(IMAGE_SHAPE, 50, np.uint8))
    keeper = BackgroundKeeper(DIGIT, SERIAL, store, file)
    assert keeper.origin == f"from {file}" and keeper.reason == ""
    assert push(keeper, gel["free"]) == [0] and (keeper.image == 50).all()
    keeper.capture()
    np.testing.assert_array_equal(store.load("digit", SERIAL), gel["free"][0])
    with pytest.raises(RecordingError, match="nowhere.png"):
        BackgroundKeeper(DIGIT, file=tmp_path / "nowhere.png")


def test_another_sensor_gets_another_background(gel: dict, store: BackgroundStore) -> None:
    store.save("digit", "D2", gel["free"][0])
    keeper = BackgroundKeeper(DIGIT, store=store)
    assert push(keeper, gel["free"]) == [30] and not keeper.check_serial("")
    assert keeper.check_serial(SERIAL) and keeper.image is None
    assert push(keeper, gel["free"], start_s=1) == [30] and not keeper.check_serial(SERIAL)
    np.testing.assert_array_equal(store.load("digit", SERIAL), keeper.image)
    assert keeper.check_serial("D2")
    push(keeper, gel["pressed"], start_s=2)
    assert keeper.origin == "stored in an earlier run"


def test_drift_of_the_light_is_told_after_10_s_and_taken_back(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    dim = [cv2.convertScaleAbs(image, alpha=0.9) for image in gel["free"][:6]]
    for frame in frames(gel["free"][:6], rate_hz=10):
        keeper.update(frame)
    for second in range(1, 12):
        for frame in frames(dim * 2, start_s=second, rate_hz=12):
            keeper.update(frame)
        assert ("drift" in keeper.warnings) == (second == 11)
    assert "grey levels darker" in keeper.warnings["drift"]
    for frame in frames(gel["free"][:6], start_s=12, rate_hz=10):
        keeper.update(frame)
    assert keeper.warnings == {}


def test_a_touch_held_for_long_is_no_drift(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    for frame in frames(gel["free"][:6] + gel["pressed"] * 3, rate_hz=10):
        keeper.update(frame)
    assert keeper.stamp_ns == 500_000_000 and keeper.warnings == {}


def test_on_a_recording_of_a_mini_only_the_free_gel_is_taken(tactile_data: Path) -> None:
    """The gripper closes at frame 16 of this recording; frames 125 to 164 show the free gel."""
    path = tactile_data / "gelsight_mini_grasp" / "tactile_left_panel.mp4"
    profile = load_profile("gelsight_mini")
    video = cv2.VideoCapture(str(path))
    images = [profile.to_canonical(video.read()[1], "bgr") for _ in range(160)]
    video.release()
    keeper = BackgroundKeeper(profile)
    taken = [frame for frame in frames(images, rate_hz=30) if keeper.update(frame)]
    assert len(taken) == 1
    difference = keeper.image.astype(float) - images[0]
    assert np.abs(cv2.resize(difference, (15, 20), interpolation=cv2.INTER_AREA)).max() < 5


@pytest.mark.parametrize("touch", ["random", "demo", "protocol"])
def test_simulated_sensors_begin_with_a_free_gel(touch: str) -> None:
    simulation = TouchSimulation("digit", seed=3, touch=touch, rest_s=REST_S)
    keeper = BackgroundKeeper(DIGIT)
    samples = (simulation.step() for _ in range(60))
    contacts = [
        sample.in_contact
        for index, sample in enumerate(samples)
        if keeper.update(Frame(round(index * 1e9 / 60), sample.image))
    ]
    assert contacts == [False]


def test_an_image_file_is_turned_upright(tmp_path: Path) -> None:
    raw = np.zeros((240, 320, 3), np.uint8)
    raw[:, 200:] = (255, 0, 0)  # BGR: blue at the right of the landscape frame
    path = tmp_path / "background.png"
    cv2.imwrite(str(path), raw)
    image = read_background(path, DIGIT)
    assert image.shape == IMAGE_SHAPE
    assert image[0, 120].tolist() == [0, 0, 255]  # turned counter-clockwise: at the top, RGB
    assert image[-1, 120].tolist() == [0, 0, 0]


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere.png"):
        read_background(tmp_path / "nowhere.png", DIGIT)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(FrameError, match="broken.png"):
        read_background(broken, DIGIT)
