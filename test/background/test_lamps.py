# SPDX-License-Identifier: Apache-2.0
"""Turned images of the untouched gel, told by its colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.background.keeper import BackgroundKeeper
from sparsh_ros.background.lamps import light_directions, turn_warning
from sparsh_ros.frames import Frame
from sparsh_ros.sensors import load_profile

MINI, DIGIT = load_profile("gelsight_mini"), load_profile("digit")


def _lit(lamps: tuple[float, ...]) -> np.ndarray:
    """A canonical image whose colours grow brighter towards these directions, in a dark corner."""
    up, right = np.mgrid[1:-1:320j, -1:1:240j]
    slopes = np.reshape(lamps, (3, 2))
    light = np.stack([90 + 30 * (x * right + y * up) for x, y in slopes], axis=2)
    return (light * (1 - 0.3 * (right**2 + up**2))[..., None]).astype(np.uint8)


@pytest.mark.parametrize("profile", [MINI, DIGIT], ids=lambda profile: profile.name)
def test_an_upright_image_is_fine_and_a_turned_one_is_told(profile) -> None:
    image = _lit(profile.lamps)
    assert turn_warning(image, profile.lamps) == ""
    turned = np.ascontiguousarray(image[::-1, ::-1])
    assert "turned by 180 degrees" in turn_warning(turned, profile.lamps)
    sideways = cv2.resize(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), (240, 320))
    assert "turned by 270 degrees" in turn_warning(sideways, profile.lamps)


def test_where_light_comes_from_is_told_whatever_the_lens_darkens() -> None:
    found = light_directions(_lit((0.5, 0.0, 0.0, 0.5, -0.5, -0.5)))
    signs = np.sign(np.round(found, 2))
    np.testing.assert_array_equal(signs, [1, 0, 0, 1, -1, -1])


def test_even_light_and_unknown_lamps_tell_nothing() -> None:
    grey = np.full((320, 240, 3), 90, np.uint8)
    assert turn_warning(grey, MINI.lamps) == ""
    assert turn_warning(_lit(MINI.lamps)[::-1, ::-1], ()) == ""


def test_the_keeper_warns_until_the_image_is_turned_back() -> None:
    keeper = BackgroundKeeper(MINI)
    upright = _lit(MINI.lamps)
    for index, image in enumerate([upright[::-1, ::-1].copy()] * 40):
        keeper.update(Frame(index * 25_000_000, image))
    assert keeper.image is not None and "turn:=180" in keeper.warnings["turn"]
    for index, image in enumerate([upright] * 40, start=40):
        keeper.update(Frame(index * 25_000_000, image))
    keeper.capture()
    assert not keeper.warnings
    simulated = BackgroundKeeper(MINI, is_real=False)
    for index in range(40):
        simulated.update(Frame(index * 25_000_000, upright[::-1, ::-1].copy()))
    assert simulated.image is not None and not simulated.warnings


@pytest.mark.parametrize(
    ("name", "recording"),
    [
        ("digit", "digit_force_shear/background.png"),
        ("digit", "digit_backgrounds/tactile_act_digit_index_no_contact.png"),
        ("digit", "digit_backgrounds/tacto_bg_digit_240_320.jpg"),
        ("gelsight_mini", "gelsight_mini_ball_presses/background.png"),
    ],
)
def test_real_sensors_are_lit_as_their_profiles_say(
    tactile_data: Path, name: str, recording: str
) -> None:
    profile = load_profile(name)
    image = profile.to_canonical(cv2.imread(str(tactile_data / recording)), "bgr")
    assert turn_warning(image, profile.lamps) == ""
    found, wanted = light_directions(image), np.array(profile.lamps)
    assert found @ wanted > 0.5 * np.linalg.norm(found) * np.linalg.norm(wanted)
