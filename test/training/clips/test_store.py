# SPDX-License-Identifier: Apache-2.0
"""Clips: what frames they hold, what is true of them, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from fixtures.dataset import FRAMES

from sparsh_ros.errors import DatasetError
from sparsh_ros.training.clips.simulated import simulate_small
from sparsh_ros.training.clips.store import open_clips
from sparsh_ros.training.episodes import Episode, SimulatedTouch, list_episodes
from sparsh_ros.training.patches import subtract_background
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.store import label_pairs


@pytest.fixture
def nano(tmp_path):
    return model_spec("mae", "nano", tmp_path)


def test_pairs_have_the_labels_that_heads_are_trained_on(dataset, tmp_path, nano):
    store = open_clips(dataset, "train", tmp_path, nano)
    assert store.rows.shape == (6 * (FRAMES - 5), 2) and len(store.metas) == 6
    assert (store.rows[:, 0] - store.rows[:, 1] == 5).all()
    episode = Episode.load(list_episodes(dataset, "train")[1])
    own = slice(FRAMES - 5, 2 * (FRAMES - 5))
    wanted = label_pairs(episode, episode.pairs(5 / 60))
    for name, values in vars(wanted).items():
        np.testing.assert_allclose(getattr(store.labels[own], name), values, rtol=1e-5, atol=1e-6)
    newest = store.clips(np.array([FRAMES - 5]))[0, 0].numpy()
    full = subtract_background(episode.image(5), episode.background)
    small = full.reshape(80, 4, 60, 4, 3).mean(axis=(1, 3))
    assert newest.shape == (80, 60, 3)
    assert np.abs(newest - small).mean() < 2.0  # a wider filter than the mean of 4 x 4


def test_v_jepa_gets_four_frames(dataset, tmp_path):
    store = open_clips(dataset, "train", tmp_path, model_spec("vjepa", "nano", tmp_path))
    assert (store.rows[0] == [6, 4, 2, 0]).all()
    assert store.clips(np.array([0, 3])).shape == (2, 4, 80, 60, 3)


def test_chains_take_a_share_of_the_pairs(dataset, tmp_path, nano):
    some = open_clips(dataset, "train", tmp_path, nano, chains=2)
    assert set(some.rows[:, 0] % FRAMES % 5) == {0, 1}


def test_full_frames_at_full_size_stay_as_they_are(dataset, tmp_path):
    spec = model_spec("mae", "micro", tmp_path)
    store = open_clips(dataset, "validation", tmp_path, spec, chains=1)
    episode = Episode.load(list_episodes(dataset, "validation")[0])
    wanted = subtract_background(episode.image(5), episode.background)
    np.testing.assert_array_equal(store.clips(np.array([0]))[0, 0], wanted)


def test_small_episodes_are_read_too(tmp_path, nano):
    touch = SimulatedTouch("train", 3, 0)
    episode = simulate_small(touch, 0.3)
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    episode.save(folder / "episode_00000.npz")
    store = open_clips(tmp_path / "data", "train", tmp_path / "cache", nano)
    assert len(store) == 18 - 5 and store.metas[0]["instance_seed"] == touch.meta["instance_seed"]
    wanted = subtract_background(episode.frames[7], episode.background)
    np.testing.assert_array_equal(store.clips(np.array([2]))[0, 0], wanted)
    np.testing.assert_allclose(store.labels.force_n[2], episode.labels[7, :3], rtol=1e-6)
    maps = store.fields(np.array([2]))[0]
    np.testing.assert_allclose(maps[0], 1e3 * episode.maps[7, 0].astype(float), rtol=1e-3)
    with pytest.raises(DatasetError, match="wanted frames of 320 x 240 or more, found 80 x 60"):
        open_clips(
            tmp_path / "data", "train", tmp_path / "cache", model_spec("mae", "micro", tmp_path)
        )


def test_a_corrupt_episode_is_named(dataset, tmp_path, nano):
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    path = list_episodes(data, "train")[2]
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DatasetError, match=f"{path.name}: unreadable"):
        open_clips(data, "train", tmp_path / "cache", nano)


def test_a_cut_cache_is_named(dataset, tmp_path, nano):
    store = open_clips(dataset, "train", tmp_path, nano)
    path = store.folder / "frames.u8"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"frames.u8: wanted \d+ bytes, found"):
        open_clips(dataset, "train", tmp_path, nano)


def test_labels_that_do_not_match_their_frames_are_refused(dataset, tmp_path, nano):
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    path = list_episodes(data, "train")[0]
    with np.load(path) as episode:
        fields = {name: episode[name] for name in episode.files}
    np.savez(path, **fields | {"force_n": fields["force_n"][:-3]})
    with pytest.raises(DatasetError, match="wanted 24 labels of force_n, found 21"):
        open_clips(data, "train", tmp_path / "cache", nano)


def test_a_cache_of_another_layout_is_made_again(dataset, tmp_path, nano):
    open_clips(dataset, "test", tmp_path, nano)
    source, labels = (tmp_path / "80x60" / "test" / name for name in ("source.json", "labels.npz"))
    source.write_text(source.read_text().replace('"layout": 2', '"layout": 1'))
    labels.write_bytes(b"")
    assert len(open_clips(dataset, "test", tmp_path, nano)) == 3 * (FRAMES - 5)


def test_another_size_has_a_cache_of_its_own(dataset, tmp_path, nano):
    first = open_clips(dataset, "test", tmp_path, nano)
    other = open_clips(dataset, "test", tmp_path, replace(nano, image_height=40, image_width=30))
    assert first.folder != other.folder and other.frames.shape[1:] == (40, 30, 3)


def test_a_full_disk_is_one_sentence_and_what_is_not_whole_is_made_again(dataset, tmp_path, nano):
    folder = tmp_path / "80x60" / "test"
    folder.mkdir(parents=True)
    (folder / "frames.u8").symlink_to("/dev/full")
    with pytest.raises(DatasetError, match=r"cannot be written \(No space left.*make room"):
        open_clips(dataset, "test", tmp_path, nano)
    (folder / "frames.u8").unlink()
    assert len(open_clips(dataset, "test", tmp_path, nano)) == 3 * (FRAMES - 5)
