# SPDX-License-Identifier: Apache-2.0
"""The no-contact reference: when one is taken, from where, and when it is doubted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.background import BackgroundKeeper, BackgroundStore, StillFrames, read_background
from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.gel.simulation import TouchSimulation
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.simulated import REST_S

DIGIT = load_profile("digit")
RATE_HZ = 60
SERIAL = "D20123"


def frames(images: list[np.ndarray], start_s: float = 0.0, rate_hz: float = RATE_HZ) -> list[Frame]:
    return [
        Frame(round((start_s + index / rate_hz) * 1e9), image) for index, image in enumerate(images)
    ]


def still_frames(images: list[np.ndarray], rate_hz: float = RATE_HZ) -> StillFrames:
    still = StillFrames()
    for frame in frames(images, rate_hz=rate_hz):
        still.push(frame)
    return still


def push(keeper: BackgroundKeeper, images: list[np.ndarray], start_s: float = 0.0) -> list[int]:
    """Indices of the images that brought a new background."""
    return [index for index, frame in enumerate(frames(images, start_s)) if keeper.push(frame)]


@pytest.fixture(scope="module")
def gel() -> dict[str, list[np.ndarray]]:
    """Images of one simulated DIGIT: free, pressed and held, and tapped all the time."""
    simulation = TouchSimulation("digit", seed=1, touch="demo", kinds=["sphere"])
    free = [simulation.background() for _ in range(40)]
    while (sample := simulation.step()).force_n[2] < 2.4:
        pass
    pressed = [cv2.add(sample.image, noise(seed)) for seed in range(40)]
    return {"free": free, "pressed": pressed, "tapped": [*free[:8], *pressed[:8]] * 16}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, IMAGE_SHAPE).astype(np.uint8)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackgroundStore:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return BackgroundStore()


def test_half_a_second_of_a_still_gel_gives_the_mean_of_its_frames(gel: dict) -> None:
    background = still_frames(gel["free"]).background()
    assert background.shape == IMAGE_SHAPE and background.dtype == np.uint8
    mean = np.mean(gel["free"][-31:], axis=0)
    assert np.abs(background - mean).max() <= 0.51


@pytest.mark.parametrize("kind", ["digit", "gelsight_mini", "gelsight_2017"])
def test_noise_of_a_free_gel_is_stillness(kind: str) -> None:
    for seed in range(4):
        simulation = TouchSimulation(kind, seed=seed)
        still_frames([simulation.background() for _ in range(5)], rate_hz=8).background()


@pytest.mark.parametrize("kind", ["digit", "gelsight_mini"])
def test_a_beginning_touch_is_refused(kind: str) -> None:
    simulation = TouchSimulation(kind, seed=1, touch="protocol", rest_s=0.5)
    images, sample = [], simulation.step()
    while sample.force_n[2] < 0.3:
        sample = simulation.step()
        images.append(sample.image)
    with pytest.raises(FrameError, match=r"vary by \d+\.\d of 255 .* free of contact"):
        still_frames(images).background()


def test_too_little_is_refused(gel: dict) -> None:
    with pytest.raises(FrameError, match=r"found 0 over 0\.00 s"):
        StillFrames().background()
    with pytest.raises(FrameError, match=r"found 30 over 0\.48 s"):
        still_frames(gel["free"][:30]).background()
    with pytest.raises(FrameError, match=r"wanted 5 frames over 0\.5 s, found 4 over 0\.75 s"):
        still_frames(gel["free"][:4], rate_hz=4).background()
    still_frames(gel["free"][:5], rate_hz=4).background()


@pytest.mark.parametrize("step_s", [-3.0, 0.6])
def test_a_gap_and_a_clock_set_back_begin_anew(gel: dict, step_s: float) -> None:
    still = still_frames(gel["free"][:31])
    still.push(Frame(round((0.5 + step_s) * 1e9), gel["free"][0]))
    with pytest.raises(FrameError, match="found 1 over"):
        still.background()


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


@pytest.mark.parametrize("content", [b"no image", None])
def test_a_broken_stored_file_is_ignored_with_a_warning(
    gel: dict, store: BackgroundStore, content: bytes | None
) -> None:
    path = store.path("digit", SERIAL)
    path.parent.mkdir(parents=True)
    path.write_bytes(content or cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes())
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert str(path) in keeper.warnings["store"]
    assert push(keeper, gel["free"]) == [30] and keeper.warnings == {}
    assert store.load("digit", SERIAL) is not None


def test_a_store_that_cannot_be_written_is_a_warning(gel: dict, store: BackgroundStore) -> None:
    folder = store.path("digit", SERIAL).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file in the place of the folder")
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert push(keeper, gel["free"]) == [30]
    assert "cannot be written" in keeper.warnings["store"]


def test_a_user_without_a_home_has_no_store_but_a_background(
    gel: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    keeper = BackgroundKeeper(DIGIT, SERIAL, BackgroundStore())
    assert push(keeper, gel["free"]) == [30]
    assert "set XDG_DATA_HOME" in keeper.warnings["store"]


def test_the_store_is_in_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for unusable in ("", "not/absolute"):
        monkeypatch.setenv("XDG_DATA_HOME", unusable)
        expected = Path.home() / ".local/share/sparsh_ros/backgrounds/digit-D20123.png"
        assert BackgroundStore().path("digit", SERIAL) == expected


def test_serial_numbers_cannot_leave_the_folder(store: BackgroundStore) -> None:
    path = store.path("digit", "../../etc/x y")
    store.save("digit", "../../etc/x y", np.zeros(IMAGE_SHAPE, np.uint8))
    assert path.exists() and path.parent == store.path("digit", SERIAL).parent
    assert list(path.parent.iterdir()) == [path]


def dimmer(images: list[np.ndarray], share: float) -> Iterator[np.ndarray]:
    return (cv2.convertScaleAbs(image, alpha=1 - share) for image in images)


def test_drift_of_the_light_is_told_after_10_s_and_taken_back(gel: dict) -> None:
    keeper, dim = BackgroundKeeper(DIGIT), list(dimmer(gel["free"][:6], 0.1))
    for frame in frames(gel["free"][:6], rate_hz=10):
        keeper.push(frame)
    for second in range(1, 12):
        for frame in frames(dim * 2, start_s=second, rate_hz=12):
            keeper.push(frame)
        assert ("drift" in keeper.warnings) == (second == 11)
    assert "grey levels darker" in keeper.warnings["drift"]
    for frame in frames(gel["free"][:6], start_s=12, rate_hz=10):
        keeper.push(frame)
    assert keeper.warnings == {}


def test_a_touch_held_for_long_is_no_drift(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    for frame in frames(gel["free"][:6] + gel["pressed"] * 3, rate_hz=10):
        keeper.push(frame)
    assert keeper.stamp_ns == 500_000_000 and keeper.warnings == {}


def test_on_a_recording_of_a_mini_only_the_free_gel_is_taken(tactile_data: Path) -> None:
    """The gripper closes at frame 16 of this recording; frames 125 to 164 show the free gel."""
    path = tactile_data / "gelsight_mini_grasp" / "tactile_left_panel.mp4"
    profile = load_profile("gelsight_mini")
    video = cv2.VideoCapture(str(path))
    images = [profile.standardise(video.read()[1], "bgr") for _ in range(160)]
    video.release()
    keeper = BackgroundKeeper(profile)
    taken = [frame for frame in frames(images, rate_hz=30) if keeper.push(frame)]
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
        if keeper.push(Frame(round(index * 1e9 / 60), sample.image))
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
