# SPDX-License-Identifier: Apache-2.0
"""A tiny labelled data set: a spot whose size tells the force and whose place tells the pose."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from sparsh_ros.models.spec import SIZES, Architecture
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.training.dataset import SPLITS

FRAMES = 24
KINDS = {"train": ["sphere"], "validation": ["sphere"], "test": ["torus"]}


def write_episode(folder, split, index, **meta):
    """One episode of 0.4 s at 60 Hz in the layout of `training.dataset`."""
    seed = SPLITS[split][0] + index
    rng = np.random.default_rng(seed)
    background = np.full((320, 240, 3), 120, np.uint8)
    force = np.zeros((FRAMES, 3))
    force[:, 2] = np.abs(np.cumsum(rng.normal(0, 0.8, FRAMES))) % 4.0
    pose = np.cumsum(rng.normal(0, [1e-4, 1e-4, 5e-3], (FRAMES, 3)), axis=0)
    force[:, :2] = pose[:, :2] * 2e3
    touching = force[:, 2] > 0.2
    slipping = touching & (force[:, 2] > 2.5)
    pose[~touching] = np.nan
    images = [_draw(background, *sample) for sample in zip(force, pose, slipping, strict=True)]
    jpegs = [cv2.imencode(".jpg", image)[1] for image in images]
    described = {
        "sensor": "digit",
        "instance_seed": seed,
        "kinds": KINDS[split],
        "touch": "random",
        "rate_hz": 60.0,
        "split": split,
    }
    path = folder / split / f"episode_{index:05d}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        jpeg=np.concatenate(jpegs),
        jpeg_offset=np.cumsum([0, *map(len, jpegs)], dtype=np.int64),
        background_jpeg=cv2.imencode(".jpg", background)[1],
        stamp_ns=np.arange(FRAMES, dtype=np.int64) * 16_666_667,
        force_n=force,
        in_contact=touching,
        slide_speed_m_s=2e-3 * slipping,
        slipping=slipping,
        gross_slip=slipping,
        slip_share=slipping.astype(float),
        friction_margin=np.where(touching, 0.5 * ~slipping, np.nan),
        pose=pose,
        print_anisotropy=np.where(touching, 0.5, np.nan),
        print_angle=pose[:, 2],
        pressure_kpa=np.zeros((FRAMES, 20, 15), np.float16),
        skin_stretch_mm=np.zeros((FRAMES, 2, 20, 15), np.float16),
        meta=np.array(json.dumps(described | meta)),
    )
    return path


def _draw(background, force, pose, slipping):
    image = background.copy()
    if np.isfinite(pose).all():
        centre = (int(120 + pose[0] * 1e5), int(160 - pose[1] * 1e5))
        colour = (200, 60, 60) if slipping else (60, 60, 200)
        cv2.circle(image, centre, int(10 + 20 * force[2]), colour, -1)
    return image


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Steps this small lose more time waiting for each other than threads save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A folder with the three splits; not to be changed."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in {"train": 6, "validation": 3, "test": 3}.items():
        for index in range(count):
            write_episode(folder, split, index)
    return folder


@pytest.fixture
def spec(monkeypatch):
    """The shipped model's spec, of a size that trains in seconds."""
    monkeypatch.setitem(SIZES, "micro", Architecture(32, 2, 2))
    return load_model_spec("sparsh-sim-micro")
