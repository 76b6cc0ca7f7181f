# SPDX-License-Identifier: Apache-2.0
"""Demonstrations as a LeRobot dataset, read back by what describes it."""

import json

import cv2
import numpy as np
import pytest

from sparsh_ros.cli import main
from sparsh_ros.errors import RecordingError
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.lerobot import IMAGES, TASK, write_dataset

parquet = pytest.importorskip("pyarrow.parquet")

LENGTHS = (5, 8, 3)


def demonstration(seed, count):
    rng = np.random.default_rng(seed)
    columns = {
        "images": rng.integers(0, 255, (count, 2, 8, 6, 3), np.uint8),
        "joints": rng.normal(0, 1, (count, 7)),
        "wanted_joints": rng.normal(0, 1, (count, 7)),
        "grip_n": rng.uniform(0, 9, count),
        "touch_force_n": rng.normal(0, 3, (count, 2, 3)),
    }
    return Demonstration({"rate_hz": 12.0, "seed": seed}, columns)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Demonstrations in files, and the dataset that the command makes of them."""
    folder = tmp_path_factory.mktemp("lerobot")
    demonstrations = [demonstration(seed, count) for seed, count in enumerate(LENGTHS)]
    (folder / "data").mkdir()
    for index, one in enumerate(demonstrations):
        one.save(folder / "data" / f"toy_{index:05d}.npz")
    out = folder / "dataset"
    assert main(["maze", "export", "--data", str(folder / "data"), "--out", str(out)]) == 0
    return demonstrations, out


def rows_of(out, info):
    path = info["data_path"].format(chunk_index=0, file_index=0)
    return parquet.read_table(out / path).to_pylist()


def test_episodes_are_where_the_metadata_say(made):
    demonstrations, out = made
    info = json.loads((out / "meta/info.json").read_text())
    rows = rows_of(out, info)
    assert info["codebase_version"] == "v3.0" and info["fps"] == 12
    assert info["total_frames"] == len(rows) == sum(LENGTHS)
    episodes = parquet.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [episode["length"] for episode in episodes] == list(LENGTHS)
    for episode, one in zip(episodes, demonstrations, strict=True):
        own = rows[episode["dataset_from_index"] : episode["dataset_to_index"]]
        assert {row["episode_index"] for row in own} == {episode["episode_index"]}
        assert [row["frame_index"] for row in own] == list(range(len(one)))
        times = [row["timestamp"] for row in own]
        assert times == pytest.approx(np.arange(len(one)) / 12, abs=1e-6)
        source = one.columns
        states = [row["observation.state"] for row in own]
        assert np.allclose(states, source["joints"], atol=1e-6)
        forces = source["touch_force_n"].reshape(-1, 6)
        assert np.allclose([row["observation.force"] for row in own], forces, atol=1e-6)
        actions = np.array([row["action"] for row in own])
        assert np.allclose(actions[:, :7], source["wanted_joints"], atol=1e-6)
        assert np.allclose(actions[:, 7], source["grip_n"], atol=1e-6)


def test_pictures_are_exact_and_each_column_is_described(made):
    demonstrations, out = made
    info = json.loads((out / "meta/info.json").read_text())
    row = rows_of(out, info)[LENGTHS[0] + 2]
    assert set(row) == set(info["features"])
    for side, name in enumerate(IMAGES):
        data = np.frombuffer(row[name]["bytes"], np.uint8)
        picture = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert (picture == demonstrations[1].columns["images"][2, side]).all()
        assert list(picture.shape) == info["features"][name]["shape"]
    for name, feature in info["features"].items():
        if feature["dtype"] == "float32" and feature["names"]:
            assert len(row[name]) == feature["shape"][0] == len(feature["names"])


def test_statistics_are_those_of_all_rows(made):
    demonstrations, out = made
    stats = json.loads((out / "meta/stats.json").read_text())
    joints = np.concatenate([one.columns["joints"] for one in demonstrations])
    assert stats["observation.state"]["mean"] == pytest.approx(joints.mean(0), abs=1e-6)
    assert stats["observation.state"]["std"] == pytest.approx(joints.std(0), abs=1e-6)
    assert stats["action"]["count"] == [sum(LENGTHS)]
    images = np.concatenate([one.columns["images"][:, 1] for one in demonstrations]) / 255
    told = np.array(stats[IMAGES[1]]["mean"])
    assert told.shape == (3, 1, 1)
    assert told.ravel() == pytest.approx(images.reshape(-1, 3).mean(0), abs=1e-6)


def test_the_task_is_the_index_of_a_data_frame(made):
    table = parquet.read_table(made[1] / "meta/tasks.parquet")
    assert table.to_pylist() == [{"task_index": 0, "task": TASK}]
    assert table.schema.pandas_metadata["index_columns"] == ["task"]


def test_what_is_there_is_not_overwritten(made):
    demonstrations, out = made
    with pytest.raises(RecordingError):
        write_dataset(demonstrations, out)
