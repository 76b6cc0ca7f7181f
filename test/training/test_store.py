# SPDX-License-Identifier: Apache-2.0
"""The byte store: right patches, right labels, rebuilt when the episodes change."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from sparsh_ros.errors import DatasetError
from sparsh_ros.training.episodes import Episode, list_episodes
from sparsh_ros.training.patches import cut_patches, subtract_background
from sparsh_ros.training.splits import check_splits
from sparsh_ros.training.store import cap_idle, label_pairs, open_store


def test_patches_are_those_of_the_episode(dataset, tmp_path):
    store = open_store(dataset, "train", tmp_path, chains=5)
    episode = Episode.load(list_episodes(dataset, "train")[0])
    found = np.flatnonzero(store.labels.in_contact)[0]
    touching = [i for i in range(5, len(episode)) if episode.in_contact[i]]
    wanted = [
        cut_patches(subtract_background(episode.image(i), episode.background))
        for i in (touching[0], touching[0] - 5)
    ]
    np.testing.assert_array_equal(
        store.patches(np.array([found]))[0], np.concatenate(wanted, axis=-1)
    )
    some = np.array([[299, 0, 17]])
    np.testing.assert_array_equal(
        store.patches(np.array([found]), some)[0], np.concatenate(wanted, axis=-1)[some[0]]
    )


def test_labels_by_hand(dataset):
    episode = Episode.load(list_episodes(dataset, "train")[0])
    episode.pose[:] = 0.0
    episode.pose[10] = (1e-3, -2e-3, np.pi + 0.1)  # turned on past half a turn
    episode.in_contact[:] = True
    labels = label_pairs(episode, np.array([[10, 5]]))
    degrees = np.degrees(0.1) - 180.0
    np.testing.assert_allclose(labels.motion[0], [1.0, -2.0, degrees], rtol=1e-5)
    np.testing.assert_allclose(
        labels.delta_force_n[0], episode.force_n[10] - episode.force_n[5], rtol=1e-5
    )
    np.testing.assert_allclose(labels.force_scale_n[0], [4.0, 4.0, 5.0])
    episode.in_contact[7] = False  # lifted in between: no motion of one touch
    assert np.isnan(label_pairs(episode, np.array([[10, 5]])).motion).all()


def test_pairs_without_contact_are_capped(dataset, tmp_path):
    store = open_store(dataset, "train", tmp_path, chains=5)
    assert 0 < (~store.labels.in_contact).mean() <= 0.2
    in_contact = np.arange(100) < 40
    kept = cap_idle(in_contact)
    assert in_contact[kept].sum() == 40 and (~in_contact[kept]).sum() == 10
    assert kept[-1] >= 90  # from all over the episode


def test_store_is_kept_until_the_episodes_change(dataset, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    first = open_store(data, "test", tmp_path / "cache", chains=1)
    written = (first.folder / "frames.u8").stat().st_mtime_ns
    open_store(data, "test", tmp_path / "cache", chains=1)
    assert (first.folder / "frames.u8").stat().st_mtime_ns == written
    list_episodes(data, "test")[0].unlink()
    assert len(open_store(data, "test", tmp_path / "cache", chains=1).metas) == 2


def test_a_damaged_episode_is_named(dataset, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    path = list_episodes(data, "train")[2]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DatasetError, match=r"episode_00002\.npz"):
        open_store(data, "train", tmp_path / "cache", chains=1)


def _meta(seed, *kinds):
    return {"instance_seed": seed, "kinds": list(kinds)}


def test_splits_that_share_nothing_pass():
    check_splits(
        {
            "train": [_meta(0, "sphere"), _meta(1, "flat")],
            "validation": [_meta(2, "sphere")],
            "test": [_meta(3, "torus")],
        }
    )


@pytest.mark.parametrize(
    ("split", "meta", "message"),
    [
        ("validation", _meta(0, "sphere"), "sensor instance in both, found \\[0\\]"),
        ("test", _meta(9, "torus", "sphere"), "indenter kind in both, found \\['sphere'\\]"),
    ],
)
def test_splits_that_share_are_refused(split, meta, message):
    with pytest.raises(DatasetError, match=message):
        check_splits({"train": [_meta(0, "sphere")], split: [meta]})
