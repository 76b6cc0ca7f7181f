# SPDX-License-Identifier: Apache-2.0
"""Lists of labelled images in the layouts of AnyTouch's probes: read, or refused by a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.importers.touch_sets import read_images

CLASSES = {"material": 20, "roughness": 2, "hardness": 2, "feel": 2}
POINTER = "version https://git-lfs.github.com/spec/v1\n"
FEEL = {"train": ["mug", "jar"], "test": ["can"]}


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Lists as the data sets have them; no image."""
    write(tmp_path / "TAG/train.txt", "20220410/0001.jpg,7\nb/2.jpg,-1\nb/3.jpg,4\n")
    write(tmp_path / "TAG/train_rough.txt", "b/3.jpg,1\n")
    write(tmp_path / "feel/feel.csv", "mug,0,1\ncan,0,0\njar,4,0\n")
    np.save(tmp_path / "feel/split_3.npy", FEEL)
    write(tmp_path / "obj2.0/label.json", json.dumps({"1": 3, "100": 0, "101": 6}))
    pairs = [["1", 5], ["101", 7], ["100", 2]]
    write(tmp_path / "obj2.0/split.json", json.dumps({"train": pairs, "test": pairs[:1]}))
    return tmp_path


def listed(data: Path, layout: str, split: str = "train"):
    found = read_images(layout, data, split, CLASSES.get(layout, 7))
    names = [[str(file.relative_to(data)) for file in files] for files in found.files]
    return names, found.labels.tolist(), found.groups.tolist()


def test_touch_and_go(data: Path) -> None:
    images = [["TAG/dataset/20220410/gelsight_frame/0001.jpg"]]
    images += [["TAG/dataset/b/gelsight_frame/3.jpg"]]
    assert listed(data, "material") == (images, [7, 4], ["20220410", "b"])
    assert listed(data, "hardness") == (images, [1, 0], ["20220410", "b"])
    assert listed(data, "roughness") == (images[1:], [1], ["b"])


@pytest.mark.parametrize("as_array", [False, True])
def test_feel_has_two_fingers(data: Path, as_array: bool) -> None:
    if as_array:
        arrays = {split: np.array(names) for split, names in FEEL.items()}
        np.save(data / "feel/split_3.npy", arrays)
    names, labels, groups = listed(data, "feel")
    assert names == [
        [f"feel/{name}/touch_during/{number}_{side}.png" for side in "AB"]
        for name, number in (("mug", 0), ("jar", 4))
    ]
    assert (labels, groups) == ([1, 0], ["mug", "jar"])
    assert listed(data, "feel", "test")[1:] == ([0], ["can"])


def test_both_object_folders_share_their_lists(data: Path) -> None:
    first = [["obj1.0/1/5.png"], ["obj1.0/100/2.png"]]
    assert listed(data, "objectfolder1") == (first, [3, 0], ["1", "100"])
    assert listed(data, "objectfolder2") == ([["obj2.0/touch/101/7.png"]], [6], ["101"])


def test_a_hostile_split_runs_nothing(data: Path) -> None:
    sign = data / "it ran"
    run = {"__reduce__": lambda _: (os.mkdir, (str(sign),))}
    np.save(data / "feel/split_3.npy", {"train": [type("Hostile", (), run)()]})
    with pytest.raises(DatasetError, match="it was not run"):
        listed(data, "feel")
    assert not sign.exists()


MATERIAL, FEEL_LIST, FEEL_SPLIT = "TAG/train.txt", "feel/feel.csv", "feel/split_3.npy"
PAIRS, LABELS = "obj2.0/split.json", "obj2.0/label.json"
WRONG = (
    (MATERIAL, "a/1.jpg,7\na/2.jpg\n", "line 2: wanted a label, a whole"),
    (MATERIAL, "a/1.jpg,20\n", "wanted a label of 0 to 19 .* found 20"),
    (MATERIAL, "a/1.jpg,-1\n", "wanted samples of material, train, found"),
    *((MATERIAL, f"{name},1\n", "wanted names of files") for name in ("../../etc/x", "/etc/x")),
    *((MATERIAL, text, why) for text, why in (("", "wanted samples of"), (POINTER, "Git LFS"))),
    (FEEL_LIST, "mug,0\n", "line 1: wanted name, number, label"),
    (FEEL_LIST, "mug,0,yes\n", "wanted a label, a whole number, found 'yes'"),
    (FEEL_SPLIT, "no array", "wanted a .npy file, found none"),
    *((PAIRS, text, "wanted JSON, found other") for text in ('{"train": [["1"', "[" * 100_000)),
    *((PAIRS, text, "wanted pairs of object and image") for text in ('{"test": []}', "[1, 2]")),
    (PAIRS, '{"train": [["9", 1]]}', "a label of each object"),
    (LABELS, '{"1": "x"}', "found other content .ValueError"),
)  # fmt: skip


@pytest.mark.parametrize(("file", "content", "reason"), WRONG)
def test_damaged_and_foreign_lists(data: Path, file, content, reason) -> None:
    write(data / file, content)
    layout = {"T": "material", "f": "feel", "o": "objectfolder1"}[file[0]]
    with pytest.raises(DatasetError, match=reason) as caught:
        listed(data, layout)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", [*CLASSES, "objectfolder1", "objectfolder2"])
def test_lists_that_are_missing(tmp_path: Path, layout: str) -> None:
    with pytest.raises(DatasetError, match=r"wanted a list of images, found none|cannot be read"):
        listed(tmp_path, layout)


@pytest.mark.parametrize("kept", [0, 5, 30, 0.5, 0.98])
def test_a_truncated_split(data: Path, kept: float) -> None:
    path = data / "feel/split_3.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(DatasetError, match=r"split_3.npy: (wanted a .npy file|damaged pickle)"):
        listed(data, "feel")


@pytest.mark.parametrize("content", [np.arange(3), np.array([1, "a"], dtype=object), [], 4.0])
def test_other_arrays(data: Path, content) -> None:
    np.save(data / "feel/split_3.npy", content)
    with pytest.raises(DatasetError, match=r"wanted (one object|names of objects)"):
        listed(data, "feel")
