# SPDX-License-Identifier: Apache-2.0
"""TacBench's T4 and T5 as they are published: read as they are, split, learned, refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.steps import describe_store
from sparsh_ros.training.tacbench.bench import Arena, BenchSettings
from sparsh_ros.training.tacbench.encoders import Contender
from sparsh_ros.training.tacbench.probe import ProbeSettings
from sparsh_ros.training.tacbench.simulated.store import open_classes

GRASPS_PER_FILE = 4


def _jpeg(red: int, width: int = 160, height: int = 120) -> bytes:
    """A landscape image whose right half is red."""
    image = np.full((height, width, 3), 100, np.uint8)
    image[:, width // 2 :, 2] = red
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _write_grasps(path: Path, **changes) -> None:
    """Those that hold are redder while they are held."""
    labels = np.arange(GRASPS_PER_FILE) % 2
    content = {"object_name": "mug", "is_gripping": labels}
    for finger in "AB":
        content[f"gelsight{finger}_before"] = [_jpeg(100)] * GRASPS_PER_FILE
        for moment in ("during", "after"):
            content[f"gelsight{finger}_{moment}"] = [_jpeg(120 + 100 * label) for label in labels]
    path.write_bytes(pickle.dumps(content | changes))


def _write_textile(folder: Path, label: int, frames: int = 12) -> None:
    folder.mkdir(parents=True)
    images = [_jpeg(100 + 50 * label + n) for n in range(frames)]
    (folder / "dataset_gelsight.pkl").write_bytes(pickle.dumps(images))
    (folder / "metadata.txt").write_text(f"label:{label}\nclass_name: cloth\n")


@pytest.fixture
def spec(tmp_path):
    return model_spec("mae", "nano", tmp_path)


@pytest.fixture
def grasps(tmp_path):
    folder = tmp_path / "T4"
    folder.mkdir()
    for number in (0, 24, 25, 29, 30, 35):
        _write_grasps(folder / f"{number:03d}.pkl")
    return folder


def test_grasps_are_split_by_file_and_both_sensors_count(grasps, tmp_path, spec):
    stores = {
        split: open_classes(grasps, "grasp", split, tmp_path / "cache", spec)
        for split in ("train", "validation", "test")
    }
    names = {split: [Path(m["instance_seed"]).name for m in s.metas] for split, s in stores.items()}
    assert names == {
        "train": ["000.pkl", "024.pkl"],
        "validation": ["025.pkl", "029.pkl"],
        "test": ["030.pkl", "035.pkl"],
    }
    train = stores["train"]
    assert train.labels.tolist() == 2 * [0, 0, 1, 1, 0, 0, 1, 1]
    during, before = train.clips(np.array([2]))[0].numpy().astype(int)
    # turned clockwise, so that what was right is below; plain colours, red first
    assert during.shape == (80, 60, 3)
    assert abs(during[70, 30, 0] - 220) < 8 and abs(during[10, 30, 0] - 100) < 8
    assert abs(before[70, 30, 0] - 100) < 8


def test_clips_of_textiles_end_with_every_fifth_frame(tmp_path, spec):
    folder = tmp_path / "T5"
    for label, name in enumerate(("cotton", "satin")):
        for clip in range(5):
            _write_textile(folder / "train" / name / f"clip{clip}", label)
        _write_textile(folder / "test" / name / "clip0", label, frames=7)
    where = (tmp_path / "cache", spec)
    train = open_classes(folder, "textile", "train", *where)
    assert len(train.metas) == 8 and train.labels.tolist() == [0] * 8 + [1] * 8
    assert train.rows[:3].tolist() == [[11, 6], [6, 1], [23, 18]]
    validation = open_classes(folder, "textile", "validation", *where)
    assert len(validation.metas) == 2 and "clip4" in validation.metas[0]["instance_seed"]
    assert len(open_classes(folder, "textile", "test", *where)) == 2
    _write_textile(folder / "val" / "satin" / "clip9", 1)
    assert len(open_classes(folder, "textile", "train", *where).metas) == 10
    assert open_classes(folder, "textile", "validation", *where).labels.tolist() == [1, 1]


def test_a_probe_learns_from_the_official_grasps(grasps, tmp_path, spec):
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), tmp_path / "encoder.safetensors")
    arena = Arena(Contender("it", spec, True), ["grasp"], grasps, tmp_path / "cache", 1)
    settings = BenchSettings(probe=ProbeSettings(steps=200, batch=12))
    found = arena.scores(1.0, 0, settings)["grasp"]["accuracy"]
    assert found > 0.9, found
    assert describe_store(arena.stores["train"])["classes"] == [8, 8]


def test_what_is_wrong_is_one_sentence(grasps, tmp_path, spec, capsys):
    def read(task="grasp", dataset=grasps):
        open_classes(dataset, task, "train", tmp_path / "cache", spec)

    first = grasps / "000.pkl"
    cut = [_jpeg(1)[:40], *[_jpeg(200)] * (GRASPS_PER_FILE - 1)]
    _write_grasps(first, gelsightA_during=cut)
    read()
    assert "000.pkl: 1 of 8 sequences cannot be decoded" in capsys.readouterr().err
    wrong = {
        "for each of 3 grasps": {"is_gripping": [0, 1, 1]},
        "wanted classes 0 to 1": {"is_gripping": [0, 1, 2, 1]},
        "wanted numbers of classes": {"is_gripping": ["yes"] * GRASPS_PER_FILE},
        "wanted a list of JPEG files": {"gelsightB_after": [3] * GRASPS_PER_FILE},
        "8 that cannot be decoded": {
            f"gelsight{finger}_during": [b"no"] * GRASPS_PER_FILE for finger in "AB"
        },
    }
    for sentence, changes in wrong.items():
        _write_grasps(first, **changes)
        with pytest.raises(DatasetError, match=f"000.pkl.*{sentence}"):
            read()
    first.write_bytes(pickle.dumps({"is_gripping": [1]}))
    with pytest.raises(DatasetError, match="wanted is_gripping and gelsightA_before"):
        read()
    first.write_bytes(pickle.dumps(print))
    with pytest.raises(DatasetError, match="it was not run"):
        read()
    cloth = tmp_path / "T5" / "train" / "cotton" / "clip"
    for text in ("label:20", "label:x", ""):
        if not cloth.exists():
            _write_textile(cloth, 0)
        (cloth / "metadata.txt").write_text(text)
        with pytest.raises(DatasetError, match=r"metadata.txt: wanted"):
            read("textile", tmp_path / "T5")
