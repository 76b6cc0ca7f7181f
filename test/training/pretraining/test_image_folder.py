# SPDX-License-Identifier: Apache-2.0
"""Image files of one's own are read as the training loop wants them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from sparsh_ros import cli
from sparsh_ros.errors import DatasetError
from sparsh_ros.training.pretraining.image_folder import ImageFolder


def _write(path, colour, shape=(30, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*shape, 3), colour, np.uint8))


def test_images_are_square_rgb_from_all_subfolders(tmp_path):
    _write(tmp_path / "a.PNG", (10, 20, 200))
    _write(tmp_path / "deep" / "er" / "b.jpg", (120, 120, 120), (50, 20))
    (tmp_path / "notes.txt").write_text("no image")
    images = ImageFolder(tmp_path, 28)
    clips = images.clips(np.array([1, 0]))
    assert len(images) == 2 and clips.shape == (2, 1, 32, 32, 3)
    np.testing.assert_array_equal(clips[1, 0, 5, 5], (200, 20, 10))
    np.testing.assert_allclose(clips[0, 0, 5, 5], 120, atol=3)


def test_what_is_no_image_is_refused_by_a_sentence(tmp_path):
    with pytest.raises(DatasetError, match="wanted images .*found none; give a folder"):
        ImageFolder(tmp_path, 28)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(DatasetError, match=r"broken.png: cannot be read as an image"):
        ImageFolder(tmp_path, 28).clips(np.array([0]))


def test_the_command_trains_on_them(tmp_path, one_thread):
    for split in ("train", "validation"):
        for shade in (40, 90, 200):
            _write(tmp_path / "own" / split / f"{shade}.png", (shade, 90, 255 - shade))
    run = tmp_path / "run"
    train = f"train simsiam --size resnet18-nano --data {tmp_path / 'own'} --run {run} --steps 1"
    assert cli.main(f"{train} --batch 3 --float32 --threads 1".split()) == 0
    about = json.loads((run / "simsiam.json").read_text())
    assert about["data"]["train"]["images"] == 3 and about["pairs"] == 3
