# SPDX-License-Identifier: Apache-2.0
"""Simulated datasets on disk."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.errors import DatasetError
from sparsh_ros.training import episodes
from sparsh_ros.training.episodes import (
    SPLITS,
    Episode,
    SimulatedTouch,
    list_episodes,
    write_episode,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    for index in range(2):
        touch = SimulatedTouch("train", 0, index)
        episodes.record(folder / "train" / f"episode_{index:05d}.npz", touch, 0.5)
    return folder


def test_episode_round_trip(folder: Path) -> None:
    paths = list_episodes(folder, "train")
    assert len(paths) == 2
    episode = Episode.load(paths[0])
    assert len(episode) == 30
    assert episode.meta["sensor"] == "digit"
    assert np.diff(episode.stamp_ns).mean() == pytest.approx(1e9 / 60, rel=1e-3)
    for image in (episode.image(0), episode.image(29), episode.background):
        assert image.shape == (320, 240, 3) and image.dtype == np.uint8
    assert episode.force_n.shape == (30, 3)
    assert np.array_equal(np.isnan(episode.pose).any(axis=1), ~episode.in_contact)


def test_what_a_killed_worker_began_is_taken_away(tmp_path: Path) -> None:
    path, other = tmp_path / "episode_00001.npz", tmp_path / "episode_00002.12.partial"
    killed = tmp_path / "episode_00001.99999999.partial"
    for left in (killed, other):
        left.write_bytes(b"PK")
    write_episode(path, {"split": "train"}, values=np.arange(3))
    assert sorted(tmp_path.iterdir()) == [path, other]  # the other's may be alive


def test_two_workers_may_end_with_the_same_episode(tmp_path: Path, monkeypatch) -> None:
    path, replace = tmp_path / "episode_00001.npz", os.replace

    def late(partial: Path, target: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        write_episode(path, {}, values=np.arange(3))  # takes the draft for a killed worker's
        replace(partial, target)

    monkeypatch.setattr(os, "replace", late)
    write_episode(path, {}, values=np.arange(3))
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(os, "replace", lambda *_: replace(tmp_path / "gone", path))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        write_episode(path, {}, values=np.arange(3))


def test_every_label_of_the_simulation_is_in_the_episode(tmp_path: Path) -> None:
    touch = SimulatedTouch("train", 0, 1)
    episodes.record(tmp_path / "episode.npz", touch, 1.0)
    episode, simulation = Episode.load(tmp_path / "episode.npz"), touch.simulation()
    simulation.background()
    samples = [simulation.step() for _ in range(60)]
    assert episode.in_contact.any() and not episode.in_contact.all()
    for name in episodes.LABELS:
        np.testing.assert_array_equal(
            getattr(episode, name), [getattr(sample, name) for sample in samples], name
        )
    unit = simulation.instance
    area_mm2 = unit.gel_width_mm * unit.gel_height_mm / np.prod(episodes.MAP_SIZE)
    pressed = episode.pressure_kpa.sum(axis=(1, 2), dtype=float) * 1e-3 * area_mm2
    np.testing.assert_allclose(pressed, episode.force_n[:, 2], rtol=2e-3, atol=2e-3)
    stiffness = unit.tangential_ratio * unit.normal_stiffness_n_per_mm3
    sheared = episode.skin_stretch_mm.sum(axis=(2, 3), dtype=float) * stiffness * area_mm2
    np.testing.assert_allclose(sheared, episode.force_n[:, :2], rtol=2e-3, atol=2e-3)


def test_pairs_are_five_frames_apart_at_60_hz(folder: Path) -> None:
    pairs = Episode.load(list_episodes(folder, "train")[0]).pairs(5 / 60)
    assert pairs[0].tolist() == [5, 0] and pairs[-1].tolist() == [29, 24]


def test_splits_share_neither_instances_nor_test_shapes() -> None:
    ranges = [
        range(first + 0 * episodes.SEED_STRIDE, first + 100 * episodes.SEED_STRIDE)
        for first, _ in SPLITS.values()
    ]
    assert all(a.stop <= b.start for a, b in pairwise(ranges))
    assert not set(SPLITS["train"][1]) & set(SPLITS["test"][1])
    assert not set(SPLITS["validation"][1]) & set(SPLITS["test"][1])


def test_damaged_and_missing_episodes_are_named(folder: Path, tmp_path: Path) -> None:
    whole = list_episodes(folder, "train")[0].read_bytes()
    damaged = tmp_path / "episode_00000.npz"
    for content in (whole[: len(whole) // 2], b"not an archive", b""):
        damaged.write_bytes(content)
        with pytest.raises(DatasetError, match=r"episode_00000.*sparsh-ros simulate"):
            Episode.load(damaged)
    with pytest.raises(DatasetError, match="validation"):
        list_episodes(folder, "validation")


def test_a_pickle_in_an_episode_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "episode_00000.npz"
    np.savez(path, meta=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DatasetError, match="episode_00000"):
        Episode.load(path)
