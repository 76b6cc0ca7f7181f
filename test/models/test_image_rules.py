# SPDX-License-Identifier: Apache-2.0
"""Images as the weights saw them, and answers turned back to the standard image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import ModelError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models import image_rules
from sparsh_ros.models.image_rules import ImageRule, load_image_rules, stretch_contrast
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import list_profiles, load_profile


@pytest.fixture
def images() -> list[np.ndarray]:
    """Two frames and a background."""
    return list(np.random.default_rng(0).integers(0, 256, (3, *IMAGE_SHAPE), dtype=np.uint8))


def test_every_set_that_ships_loads() -> None:
    names = sorted(path.stem for path in config_path("images").glob("*.yaml"))
    assert names == ["sparsh", "sparsh-demo", "sparsh-landscape", "sparsh-pose"]
    for name in names:
        rules = load_image_rules(name)
        assert rules and set(rules) <= set(list_profiles())
        assert ImageRule() not in rules.values()
    assert load_image_rules("") == {}


def test_the_plain_rule_costs_nothing(images: list[np.ndarray]) -> None:
    prepared = ImageRule().prepare(images)
    assert all(np.shares_memory(*pair) for pair in zip(prepared, images, strict=True))
    assert all((a == b).all() for a, b in zip(prepared, images, strict=True))


@pytest.mark.parametrize(("flip", "code"), [("columns", 1), ("rows", 0), ("both", -1)])
def test_flips(images: list[np.ndarray], flip: str, code: int) -> None:
    for found, given in zip(ImageRule(flip).prepare(images), images, strict=True):
        np.testing.assert_array_equal(found, cv2.flip(given, code))


def test_colours_of_frames_and_background_are_exchanged_apart(images: list[np.ndarray]) -> None:
    *frames, background = ImageRule(channels="bgr").prepare(images)
    np.testing.assert_array_equal(frames[1], images[1][:, :, [2, 1, 0]])
    np.testing.assert_array_equal(background, images[2])
    *frames, background = ImageRule(background_channels="bgr").prepare(images)
    np.testing.assert_array_equal(frames[0], images[0])
    np.testing.assert_array_equal(background, images[2][:, :, [2, 1, 0]])


def test_contrast_is_stretched_as_opencv_does(images: list[np.ndarray]) -> None:
    """The demonstration's two calls, on the difference from the background."""
    frame, _, background = images
    difference = np.clip(frame.astype(int) - background + 127, 0, 255).astype(np.uint8)
    wanted = cv2.addWeighted(difference, 0.90196, difference, 0, 25)
    wanted = cv2.addWeighted(wanted, 3.55688, wanted, 0, -324.724)
    found = stretch_contrast(frame, background)
    np.testing.assert_array_equal(found, wanted)
    assert (stretch_contrast(background, background) == 173).all()
    prepared = ImageRule(stretch=True).prepare(images)
    np.testing.assert_array_equal(prepared[0], wanted)
    assert (prepared[2] == 127).all()  # the engine takes nothing more away


@pytest.mark.parametrize("flip", ["none", "columns", "rows", "both"])
def test_answers_come_back_to_the_standard_image(flip: str) -> None:
    """A force is an arrow between two pixels, a motion a displaced dot: flip, read, turn back."""
    rule = ImageRule(flip)
    start, end = np.zeros((2, 320, 240, 1), np.uint8)
    start[100, 80], end[90, 83] = 1, 1
    seen_start, seen_end, _ = rule.prepare([start, end, start])
    arrow = np.subtract(np.argwhere(seen_end)[0], np.argwhere(seen_start)[0])[:2]
    force = np.array([arrow[1], -arrow[0], 5.0], np.float32)  # y is up
    back = rule.outputs_in_gel_frame("force", {"force": force})["force"]
    np.testing.assert_array_equal(back, [3, 10, 5])
    slip = rule.outputs_in_gel_frame("slip", {"slip": np.array([1, 2]), "force": force})
    np.testing.assert_array_equal(slip["force"], back)
    np.testing.assert_array_equal(slip["slip"], [1, 2])


@pytest.mark.parametrize(
    ("flip", "opposite"),
    [("none", ""), ("columns", "tx yaw"), ("rows", "ty yaw"), ("both", "tx ty")],
)
def test_motions_come_back_as_opposite_bins(flip: str, opposite: str) -> None:
    logits = {axis: np.arange(11.0) + index for index, axis in enumerate(("tx", "ty", "yaw"))}
    back = ImageRule(flip).outputs_in_gel_frame("pose", logits)
    for axis, value in logits.items():
        wanted = value[::-1] if axis in opposite.split() else value
        np.testing.assert_array_equal(back[axis], wanted)


def test_force_fields_come_back_with_their_arrows() -> None:
    rng = np.random.default_rng(1)
    normal, shear = rng.random((1, 6, 4), np.float32), rng.random((2, 6, 4), np.float32)
    maps = {"normal": normal, "shear": shear}
    back = ImageRule("columns").outputs_in_gel_frame("forcefield", maps)
    np.testing.assert_array_equal(back["normal"], normal[:, :, ::-1])
    np.testing.assert_array_equal(back["shear"][0], -shear[0, :, ::-1])
    np.testing.assert_array_equal(back["shear"][1], shear[1, :, ::-1])
    turned = ImageRule("both").outputs_in_gel_frame("forcefield", maps)
    np.testing.assert_array_equal(turned["shear"], -shear[:, ::-1, ::-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digit: {flip: sideways}", "digit: flip: wanted one of none, columns, rows, both"),
        ("digit: {channels: rbg}", "channels: wanted one of rgb, bgr"),
        ("digit: {stretch: 3}", "stretch: wanted one of True, False"),
        ("digit: {turn: 90}", r"digit: unknown \['turn'\]; known are"),
        ("digit: 3", "wanted kinds of sensors with their rules"),
    ],
)
def test_rules_that_cannot_be_used(
    tmp_path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr(image_rules, "config_path", lambda *parts: tmp_path.joinpath(*parts[1:]))
    with pytest.raises(ModelError, match=message):
        load_image_rules("mine")
    with pytest.raises(ModelError, match="images: wanted one of mine, found 'yours'"):
        load_image_rules("yours")


# The standard image beside what the official loaders make of the same camera frame.


def loader(image: np.ndarray) -> np.ndarray:
    """Turn and crop of the official loaders: clockwise if landscape, then unless exactly 4:3 three
    quarters of the height from the centre."""
    if image.shape[0] < image.shape[1]:
        image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
    height, width = image.shape[:2]
    if height / width != 4 / 3:
        keep = int(height * 3 / 4)
        top = (height - keep) // 2
        image = image[top : top + keep]
    return image


def test_digit_frames_are_stored_upright_so_the_loaders_keep_them() -> None:
    """`digit-interface` turns a frame before the recorders of YCB-Slide store it."""
    raw = np.random.default_rng(2).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    stored = cv2.flip(cv2.transpose(raw), 0)
    np.testing.assert_array_equal(loader(stored), load_profile("digit").standardise(raw, "rgb"))
    # Stored as the camera gives it, a frame would be seen upside down.
    half_turn = load_image_rules("sparsh-landscape")["digit"].prepare([stored, stored])[0]
    np.testing.assert_array_equal(loader(raw), half_turn)


@pytest.mark.parametrize(
    ("kind", "size"), [("gelsight_2017", (480, 640)), ("gelsight_mini", (720, 1280))]
)
def test_gelsight_frames_are_cut_alike(kind: str, size: tuple[int, int]) -> None:
    raw = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    raw = cv2.GaussianBlur(raw, (0, 0), 8)
    cut = loader(raw)
    assert cut.shape[0] / cut.shape[1] == 4 / 3
    standard = load_profile(kind).standardise(raw, "rgb").astype(int)
    area = cv2.resize(cut, (240, 320), interpolation=cv2.INTER_AREA)
    assert np.abs(standard - area).max() <= 1


@pytest.mark.parametrize(("kind", "code"), [("digit", 1), ("gelsight_mini", 0)])
def test_the_demonstration_mirrors_left_to_right(kind: str, code: int) -> None:
    """It flips the camera's frame, a DIGIT's left to right and a Mini's upside down, and then turns
    it clockwise."""
    raw = np.random.default_rng(4).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    shown = cv2.rotate(cv2.flip(raw, code), cv2.ROTATE_90_CLOCKWISE)
    standard = load_profile(kind).standardise(raw, "rgb")
    rule = ImageRule(flip=load_image_rules("sparsh-demo")[kind].flip)
    np.testing.assert_array_equal(rule.prepare([standard, standard])[0], shown)
