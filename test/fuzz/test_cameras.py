# SPDX-License-Identifier: Apache-2.0
"""Frames of V4L2, image files and MJPEG servers: used, or refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from fuzz import camera_targets as seeds
from fuzz.harness import Budgeted, fuzz
from fuzz.mutate import mutated, truncated

JPEG = [seeds.encoded(".jpg"), seeds.encoded(".jpg", 2, 1), seeds.encoded(".jpg", 4, 4)]
TARGETS = {
    "mjpg_frame": JPEG,
    "yuyv_frame": [bytes(range(256)) * 600],
    "image_file": [*JPEG, *map(seeds.encoded, (".png", ".bmp", ".tiff", ".webp"))],
    "mjpeg_answer": seeds.answers(),
}
RUNS = {name: Budgeted(f"fuzz.camera_targets:{name}") for name in TARGETS}


@pytest.mark.parametrize("name", ["mjpg_frame", "yuyv_frame", "image_file"])
def test_the_seeds_are_read(name: str) -> None:
    for data in TARGETS[name]:
        assert RUNS[name].check(data).kind == "ok"


def test_sound_streams_are_read_to_their_end() -> None:
    assert all(map(seeds.ends_in_a_sentence, TARGETS["mjpeg_answer"]))


@pytest.mark.parametrize(
    "head", [b"Content-Length: " + b"9" * 5000, b"Content-Length: \xb2", b"X: " + b"y" * 10**6]
)
def test_hostile_heads(head: bytes) -> None:
    sound = TARGETS["mjpeg_answer"][0]
    data = sound.replace(b"--b\r\n", b"--b\r\n" + head + b"\r\n", 1)
    assert RUNS["mjpeg_answer"].check(data).kind == "refused"


def _test(name: str):
    @fuzz(st.one_of(mutated(TARGETS[name]), truncated(TARGETS[name])))
    def test(data: bytes) -> None:
        RUNS[name].check(data)

    return test


test_mjpg_frames = _test("mjpg_frame")
test_yuyv_frames = _test("yuyv_frame")
test_image_files = _test("image_file")
test_mjpeg_answers = _test("mjpeg_answer")
