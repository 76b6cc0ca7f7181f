# SPDX-License-Identifier: Apache-2.0
"""Images as the weights saw them, and answers turned back to the canonical image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import ModelError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models import transforms
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.transforms import InputTransform, load_transforms, stretch_contrast
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import list_profiles, load_profile


@pytest.fixture
def images() -> list[np.ndarray]:
    """Two frames and a background."""
    return list(np.random.default_rng(0).integers(0, 256, (3, *IMAGE_SHAPE), dtype=np.uint8))


def test_every_set_that_ships_loads() -> None:
    names = sorted(path.stem for path in config_path("transforms").glob("*.yaml"))
    assert names == ["sparsh", "sparsh-demo", "sparsh-landscape", "sparsh-pose"]
    for name in names:
        rules = load_transforms(name)
        assert rules and set(rules) <= set(list_profiles())
        assert InputTransform() not in rules.values()
    assert load_transforms("") == {}


def test_the_plain_rule_costs_nothing(images: list[np.ndarray]) -> None:
    prepared = InputTransform().apply(images)
    assert all(np.shares_memory(*pair) for pair in zip(prepared, images, strict=True))
    assert all((a == b).all() for a, b in zip(prepared, images, strict=True))


@pytest.mark.parametrize(("flip", "code"), [("columns", 1), ("rows", 0), ("both", -1)])
def test_flips(images: list[np.ndarray], flip: str, code: int) -> None:
    for found, given in zip(InputTransform(flip).apply(images), images, strict=True):
        np.testing.assert_array_equal(found, cv2.flip(given, code))


def test_colours_of_frames_and_background_are_exchanged_apart(images: list[np.ndarray]) -> None:
    *frames, background = InputTransform(channels="bgr").apply(images)
    np.testing.assert_array_equal(frames[1], images[1][:, :, [2, 1, 0]])
    np.testing.assert_array_equal(background, images[2])
    *frames, background = InputTransform(background_channels="bgr").apply(images)
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
    prepared = InputTransform(stretch=True).apply(images)
    np.testing.assert_array_equal(prepared[0], wanted)
    assert (prepared[2] == 127).all()  # the engine takes nothing more away


@pytest.mark.parametrize("flip", ["none", "columns", "rows", "both"])
def test_answers_come_back_to_the_standard_image(flip: str) -> None:
    """A force is an arrow between two pixels, a motion a displaced dot: flip, read, turn back."""
    rule = InputTransform(flip)
    start, end = np.zeros((2, 320, 240, 1), np.uint8)
    start[100, 80], end[90, 83] = 1, 1
    seen_start, seen_end, _ = rule.apply([start, end, start])
    arrow = np.subtract(np.argwhere(seen_end)[0], np.argwhere(seen_start)[0])[:2]
    force = np.array([arrow[1], -arrow[0], 5.0], np.float32)  # y is up
    back = rule.inverse().apply("force", {"force": force})["force"]
    np.testing.assert_array_equal(back, [3, 10, 5])
    slip = rule.inverse().apply("slip", {"slip": np.array([1, 2]), "force": force})
    np.testing.assert_array_equal(slip["force"], back)
    np.testing.assert_array_equal(slip["slip"], [1, 2])


@pytest.mark.parametrize(
    ("flip", "opposite"),
    [("none", ""), ("columns", "tx yaw"), ("rows", "ty yaw"), ("both", "tx ty")],
)
def test_motions_come_back_as_opposite_bins(flip: str, opposite: str) -> None:
    logits = {axis: np.arange(11.0) + index for index, axis in enumerate(("tx", "ty", "yaw"))}
    back = InputTransform(flip).inverse().apply("pose", logits)
    for axis, value in logits.items():
        wanted = value[::-1] if axis in opposite.split() else value
        np.testing.assert_array_equal(back[axis], wanted)


@pytest.mark.parametrize("names", [("normal", "shear"), ("pressure", "stretch")])
def test_force_fields_come_back_with_their_arrows(names: tuple[str, str]) -> None:
    rng = np.random.default_rng(1)
    normal, shear = rng.random((1, 6, 4), np.float32), rng.random((2, 6, 4), np.float32)
    maps = dict(zip(names, (normal, shear), strict=True))
    back = InputTransform("columns").inverse().apply("forcefield", maps)
    np.testing.assert_array_equal(back[names[0]], normal[:, :, ::-1])
    np.testing.assert_array_equal(back[names[1]][0], -shear[0, :, ::-1])
    np.testing.assert_array_equal(back[names[1]][1], shear[1, :, ::-1])
    turned = InputTransform("both").inverse().apply("forcefield", maps)
    np.testing.assert_array_equal(turned[names[1]], -shear[:, ::-1, ::-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digit: {flip: sideways}", "digit: flip: wanted one of none, columns, rows, both"),
        ("digit: {channels: rbg}", "channels: wanted one of rgb, bgr"),
        ("digit: {stretch: 3}", "stretch: wanted one of True, False"),
        ("digit: {turn: 90}", r"digit: unknown \['turn'\]; known are"),
        ("digit: 3", "wanted types of sensors with their values"),
    ],
)
def test_rules_that_cannot_be_used(
    tmp_path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr(transforms, "config_path", lambda *parts: tmp_path.joinpath(*parts[1:]))
    with pytest.raises(ModelError, match=message):
        load_transforms("mine")
    with pytest.raises(ModelError, match="transforms: wanted one of mine, found 'yours'"):
        load_transforms("yours")


# Axes of a head's outputs: named by the labels, put in the order of the image.

SPEC = ModelSpec(name="test", size="micro", licence="Apache-2.0", weights=Path("nowhere"))
LOGITS = {
    "tx": np.arange(11, dtype=np.float32),
    "ty": np.arange(100, 111, dtype=np.float32),
    "yaw": np.arange(200, 211, dtype=np.float32),
}
FORCE = {"force": np.float32([0.1, 0.2, 0.3])}


def test_by_default_a_head_answers_along_the_image() -> None:
    for head, outputs in (("force", FORCE), ("pose", LOGITS)):
        found = SPEC.output_transform("digit").apply(head, outputs)
        assert found.keys() == outputs.keys()
        for name, values in outputs.items():
            np.testing.assert_array_equal(found[name], values)


def test_axes_that_the_labels_of_a_motion_exchange() -> None:
    spec = replace(SPEC, pose_outputs=("ty", "tx", "yaw"))
    found = spec.output_transform("digit").apply("pose", LOGITS)
    np.testing.assert_array_equal(found["tx"], LOGITS["ty"])
    np.testing.assert_array_equal(found["ty"], LOGITS["tx"])
    np.testing.assert_array_equal(found["yaw"], LOGITS["yaw"])


def test_the_opposite_direction_has_the_opposite_bins() -> None:
    spec = replace(SPEC, pose_outputs=("-tx", "ty", "-yaw"))
    found = spec.output_transform("digit").apply("pose", LOGITS)
    np.testing.assert_array_equal(found["tx"], LOGITS["tx"][::-1])
    np.testing.assert_array_equal(found["ty"], LOGITS["ty"])
    np.testing.assert_array_equal(found["yaw"], LOGITS["yaw"][::-1])


@pytest.mark.parametrize("head", ["force", "slip"])
def test_axes_of_a_force(head: str) -> None:
    spec = replace(SPEC, force_outputs=("y", "-x", "z"))
    logits = np.float32([1.0, 2.0])
    found = spec.output_transform("digit").apply(head, {**FORCE, "slip": logits})
    np.testing.assert_array_equal(found["force"], np.float32([0.2, -0.1, 0.3]))
    np.testing.assert_array_equal(found["slip"], logits)


def test_a_class_has_no_axes() -> None:
    spec = replace(SPEC, force_outputs=("y", "x", "z"), pose_outputs=("ty", "tx", "yaw"))
    outputs = {"grasp": np.float32([1.0, 2.0])}
    assert spec.output_transform("digit").apply("grasp", outputs) == outputs


@pytest.mark.parametrize(
    "wrong",
    [
        {"force_outputs": ("x", "y")},
        {"force_outputs": ()},
        {"force_outputs": ("x", "x", "z")},
        {"force_outputs": ("x", "z", "y")},
        {"force_outputs": ("x", "y", "-z")},
        {"pose_outputs": ("x", "y", "z")},
        {"pose_outputs": ("yaw", "ty", "tx")},
    ],
)
def test_axes_that_no_head_has_are_refused(wrong: dict) -> None:
    with pytest.raises(ModelError, match=f"test: {next(iter(wrong))} wants .*, found"):
        replace(SPEC, **wrong)


def test_axes_of_the_labels_and_a_flip_are_undone_together() -> None:
    """Undone one after the other they give the same as in one step."""
    names = {"force_outputs": ("y", "-x", "z"), "pose_outputs": ("-ty", "tx", "-yaw")}
    axes_alone = InputTransform().inverse(**names)
    for flip in ("columns", "rows", "both"):
        flip_alone = InputTransform(flip).inverse()
        both = InputTransform(flip).inverse(**names)
        for head, outputs in (("force", FORCE), ("pose", LOGITS)):
            wanted = flip_alone.apply(head, axes_alone.apply(head, outputs))
            for name, values in both.apply(head, outputs).items():
                np.testing.assert_array_equal(values, wanted[name])


# The canonical image beside what the official loaders make of the same camera frame.


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
    np.testing.assert_array_equal(loader(stored), load_profile("digit").to_canonical(raw, "rgb"))
    # Stored as the camera gives it, a frame would be seen upside down.
    half_turn = load_transforms("sparsh-landscape")["digit"].apply([stored, stored])[0]
    np.testing.assert_array_equal(loader(raw), half_turn)


@pytest.mark.parametrize(
    ("kind", "size"), [("gelsight_2017", (480, 640)), ("gelsight_mini", (720, 1280))]
)
def test_gelsight_frames_are_cut_alike(kind: str, size: tuple[int, int]) -> None:
    raw = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    raw = cv2.GaussianBlur(raw, (0, 0), 8)
    cut = loader(raw)
    assert cut.shape[0] / cut.shape[1] == 4 / 3
    standard = load_profile(kind).to_canonical(raw, "rgb").astype(int)
    area = cv2.resize(cut, (240, 320), interpolation=cv2.INTER_AREA)
    assert np.abs(standard - area).max() <= 1


@pytest.mark.parametrize(("kind", "code"), [("digit", 1), ("gelsight_mini", 0)])
def test_the_demonstration_mirrors_left_to_right(kind: str, code: int) -> None:
    """It flips the camera's frame, a DIGIT's left to right and a Mini's upside down, and then turns
    it clockwise."""
    raw = np.random.default_rng(4).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    shown = cv2.rotate(cv2.flip(raw, code), cv2.ROTATE_90_CLOCKWISE)
    standard = load_profile(kind).to_canonical(raw, "rgb")
    rule = InputTransform(flip=load_transforms("sparsh-demo")[kind].flip)
    np.testing.assert_array_equal(rule.apply([standard, standard])[0], shown)
