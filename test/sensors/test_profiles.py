# SPDX-License-Identifier: Apache-2.0
"""Profiles: what ships, canonical images, refusal of what is wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from sparsh_ros.errors import FrameError, ParameterError
from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_SHAPE, IMAGE_WIDTH
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.profiles import list_profiles, load_profile

RED, GREEN = (255, 0, 0), (0, 255, 0)


def landscape(width: int, height: int) -> np.ndarray:
    """Black RGB image with a red bar at the left edge and a green bar at the top."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 10] = GREEN
    image[:, : width // 10] = RED
    return image


def test_profiles_that_ship() -> None:
    assert list_profiles() == ["digit", "gelsight_2017", "gelsight_mini"]


@pytest.mark.parametrize("name", ["digit", "gelsight_2017", "gelsight_mini"])
def test_pixels_are_square(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    across = profile.gel_width_m / IMAGE_WIDTH
    assert profile.metres_per_pixel == pytest.approx(across, rel=0.01)
    assert profile.gel_height_m / IMAGE_HEIGHT == profile.metres_per_pixel
    assert 0.010 < profile.gel_width_m < profile.gel_height_m < 0.025


def test_scales_of_the_official_probes() -> None:
    digit, mini = load_profile("digit"), load_profile("gelsight_mini")
    assert digit.force_scale_n == (4.0, 4.0, 5.0)
    assert mini.force_scale_n == (1.5, 1.5, 2.0)
    assert digit.delta_force_scale_n == (0.40, 0.40, 0.30)
    assert digit.subtract_background and not load_profile("gelsight_2017").subtract_background


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 480), (3280, 2464), (1280, 720)])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_landscape_is_turned_counter_clockwise_for_digit(
    width: int, height: int, order: str
) -> None:
    raw = landscape(width, height)
    raw = raw if order == "rgb" else raw[..., ::-1]
    image = load_profile("digit").to_canonical(raw, order)
    assert image.shape == IMAGE_SHAPE and image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"] and not np.shares_memory(image, raw)
    assert tuple(image[200, 5]) == GREEN
    if (width, height) != (1280, 720):
        assert tuple(image[315, 120]) == RED
    assert tuple(image[100, 200]) == (0, 0, 0)


def test_landscape_is_turned_clockwise_for_gelsight() -> None:
    image = load_profile("gelsight_mini").to_canonical(landscape(640, 480), "rgb")
    assert tuple(image[5, 120]) == RED
    assert tuple(image[200, 235]) == GREEN


def test_wide_frames_lose_their_sides_only() -> None:
    raw = np.zeros((720, 1280, 3), np.uint8)
    raw[:, 160:1120] = 200
    assert (load_profile("digit").to_canonical(raw, "rgb") == 200).all()


def test_portrait_is_upright_already() -> None:
    upright = np.random.default_rng(0).integers(0, 256, IMAGE_SHAPE, np.uint8)
    image = load_profile("digit").to_canonical(upright, "rgb")
    np.testing.assert_array_equal(image, upright)
    assert not np.shares_memory(image, upright)


@pytest.mark.parametrize(
    "recording",
    [
        "digit_force_shear/background.png",
        "digit_backgrounds/tactile_act_digit_index_no_contact.png",
        "digit_backgrounds/tactile_act_digit_thumb_no_contact.png",
        "digit_backgrounds/tacto_bg_digit_240_320.jpg",
    ],
)
def test_light_comes_from_the_same_sides_in_every_recording(
    tactile_data: Path, recording: str
) -> None:
    """The first is landscape, the others were turned by the driver library."""
    raw = cv2.imread(str(tactile_data / recording))
    image = load_profile("digit").to_canonical(raw, "bgr").astype(float)
    red, green, blue = np.moveaxis(image / image.sum(axis=2, keepdims=True), 2, 0)
    assert red[:, :60].mean() > red[:, 180:].mean() + 0.05
    assert green[:, 180:].mean() > green[:, :60].mean() + 0.05
    assert blue[240:, 60:180].mean() > blue[:80, 60:180].mean()


@pytest.mark.parametrize(
    ("raw", "order", "message"),
    [
        (np.zeros((240, 320), np.uint8), "rgb", r"found shape \(240, 320\)"),
        (np.zeros((240, 320, 4), np.uint8), "rgb", "found shape"),
        (np.zeros((0, 320, 3), np.uint8), "rgb", "found shape"),
        (np.zeros((240, 320, 3), np.float32), "rgb", "found shape .* float32"),
        (None, "rgb", "found NoneType"),
        (np.zeros((240, 320, 3), np.uint8), "rgba", "found 'rgba'"),
    ],
)
def test_refuses_what_is_no_camera_frame(raw: object, order: str, message: str) -> None:
    with pytest.raises(FrameError, match=f"digit: wanted .*{message}"):
        load_profile("digit").to_canonical(raw, order)


def test_check_names_sensor_and_found_shape() -> None:
    with pytest.raises(FrameError, match=r"digit.*found shape \(240, 320, 3\)"):
        load_profile("digit").check(np.zeros((240, 320, 3), np.uint8))
    load_profile("digit").check(np.zeros(IMAGE_SHAPE, np.uint8))


def test_unknown_name() -> None:
    with pytest.raises(ParameterError, match="wanted one of digit, .*found 'digitt'"):
        load_profile("digitt")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fps", 0, "fps: wanted a number above 0, found 0"),
        ("fps", True, "fps: wanted a number above 0"),
        ("gel_width_mm", "14", "gel_width_mm: wanted"),
        ("width", 320.5, "width: wanted a whole number"),
        ("turn", "left", "turn: wanted clockwise or counter_clockwise, found 'left'"),
        ("turn", [], "turn: wanted"),
        ("force_scale_n", [1, 2], "three numbers"),
        ("subtract_background", "yes", "true or false"),
        ("colour", "red", r"unknown \['colour'\]"),
        ("name", None, "name: wanted"),
    ],
)
def test_bad_file_is_refused_by_field(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    content = yaml.safe_load(config_path("sensors", "digit.yaml").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    assert load_profile(path) == load_profile("digit")
    path.write_text(yaml.safe_dump(content | {key: value}))
    with pytest.raises(ParameterError, match=message):
        load_profile(path)


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "\x00"])
def test_unreadable_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match="sensor profile"):
        load_profile(path)
    with pytest.raises(ParameterError, match="cannot be read"):
        load_profile(tmp_path / "none.yaml")
