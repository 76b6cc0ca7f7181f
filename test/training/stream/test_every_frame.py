# SPDX-License-Identifier: Apache-2.0
"""The second stage: heads on every frame, fed by an encoder and an observer that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsh_ros.errors import ParameterError, WeightsError
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.training.recipes.stream_heads import HeadTraining
from sparsh_ros.training.schedule import save_checkpoint
from sparsh_ros.training.stream.batches import cut_chains, disturb_episode
from sparsh_ros.training.stream.episodes import LABEL, EpisodeFolder
from sparsh_ros.training.stream.every_frame import cut_frames, draw_frames, load_touch, see_touch
from sparsh_ros.training.stream.losses import total_loss
from sparsh_ros.training.stream.network import StreamNetwork
from sparsh_ros.training.stream.settings import StreamSettings
from sparsh_ros.training.stream.start import load_weights, read_weights

SECONDS = 1.5


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a first stage that has not learned anything."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("first") / "best.pt"
    save_checkpoint(path, {"network": StreamNetwork().state_dict(), "loss": 0.0, "step": 1})
    return path


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> EpisodeFolder:
    return EpisodeFolder(tmp_path_factory.mktemp("episodes"), "train", 92, SECONDS, SECONDS)


def settings(*start: Path) -> StreamSettings:
    return StreamSettings(
        minutes=1.0, batch=2, steps=40, first_episodes=2, seed=3, start=tuple(map(str, start))
    )


def started(start: Path, folder: Path, episodes: EpisodeFolder) -> HeadTraining:
    training = HeadTraining(settings(start), folder, episodes, [episodes.load(1)])
    training.look()
    return training


def test_every_frame_that_has_a_partner_comes_once_and_in_order(episodes: EpisodeFolder) -> None:
    episode = episodes.load(1)
    batch = cut_chains(episode, 4)
    force = batch.force.transpose(0, 1).flatten(0, 1).numpy()
    np.testing.assert_array_equal(force, episode.labels[4 : 4 + len(force), :3])
    assert len(episode.labels) - 4 - len(force) < 4


def test_contact_lasts_where_no_frame_in_between_lost_it() -> None:
    touch = {
        "contact": np.array([1, 1, 1, 0, 1, 1, 1, 1], bool),
        "whole": np.zeros((8, 2), np.float16),
        "readings": np.zeros((8, 2), np.float16),
    }
    names = ("held", "slipping", "slide", "share", "margin", "force", "delta_force", "pose")
    touch |= {name: np.zeros(8, np.float32) for name in (*names, "turns")}
    assert cut_frames(touch, 0, 1, 8)["touched"].tolist() == [0, 1, 1, 1, 0, 1, 1, 1]
    assert cut_frames(touch, 0, 2, 4)["touched"].tolist() == [0, 1, 0, 1]


def test_one_light_falls_on_a_whole_episode(episodes: EpisodeFolder) -> None:
    episode = episodes.load(1)
    first = disturb_episode(episode, np.random.default_rng(0))
    again = disturb_episode(episode, np.random.default_rng(0))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert first.frames.dtype == np.uint8 and first.frames.shape == episode.frames.shape
    untouched = episode.labels[:, LABEL["in_contact"]] == 0
    off = (first.frames.astype(int) - episode.frames)[untouched].mean((1, 2))
    assert abs(off).max() > 1.0  # another light
    assert off.std(0).max() < 1.0  # the same in all of them


def test_the_second_stage_changes_heads_alone_and_lowers_its_loss(
    start: Path, tmp_path: Path, episodes: EpisodeFolder
) -> None:
    training = started(start, tmp_path, episodes)
    before = read_weights(start)
    found = [float(total_loss(training.train_step(0.3))) for _ in range(40)]
    assert np.mean(found[-5:]) < np.mean(found[:5]) - 0.5
    after = training.network.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("heads.") for name in changed)


def test_what_was_seen_is_kept_beside_the_episodes(
    start: Path, tmp_path: Path, episodes: EpisodeFolder
) -> None:
    first = started(start, tmp_path / "first", episodes)
    kept = sorted(episodes.folder.glob("seen_*/*.npz"))
    times = [path.stat().st_mtime_ns for path in kept]
    second = started(start, tmp_path / "second", episodes)
    assert len(kept) == 2
    assert [path.stat().st_mtime_ns for path in kept] == times
    parts = [training.train_step(0.5) for training in (first, second)]
    assert all(torch.equal(parts[0][name], parts[1][name]) for name in parts[0])


def test_a_touch_is_seen_the_same_whenever_it_is_seen(
    tmp_path: Path, episodes: EpisodeFolder
) -> None:
    torch.manual_seed(0)
    network = StreamNetwork()
    episodes.make(1)
    seen = [load_touch(tmp_path / name, network, episodes.path(1), (1,)) for name in "aba"]
    for other in seen[1:]:
        assert all(np.array_equal(seen[0][name], other[name]) for name in seen[0])
    undisturbed = see_touch(network, episodes.load(1), 5)
    assert not np.array_equal(seen[0]["whole"][:40], undisturbed["whole"][:40])


def test_each_light_is_seen_once(start: Path, tmp_path: Path, episodes: EpisodeFolder) -> None:
    lit = replace(settings(start), lights=3)
    training = HeadTraining(lit, tmp_path, episodes, [episodes.load(1)])
    training.look()
    assert len(training._touches) == 2 * 3
    seen = [touch["whole"][:20].tobytes() for touch in training._touches]
    assert len(set(seen)) == 6


def test_episodes_of_the_first_stage_can_be_left_out(
    start: Path, tmp_path: Path, episodes: EpisodeFolder
) -> None:
    training = HeadTraining(
        replace(settings(start), skip=1), tmp_path, episodes, [episodes.load(1)]
    )
    training.look()
    other = load_touch(tmp_path / "2", training.average, episodes.path(2), (2, 0))
    assert len(training._touches) == 2
    assert np.array_equal(training._touches[1]["whole"], other["whole"])


def test_a_slower_camera_is_practised(start: Path, episodes: EpisodeFolder) -> None:
    network = StreamNetwork()
    touch = see_touch(network, episodes.load(1), 5)
    drawn = [draw_frames([touch], 40, np.random.default_rng(seed)) for seed in range(20)]
    assert {round(float(batch.step_s[0, 0]) * 60) for batch in drawn} >= {1, 2, 5}
    assert all(batch.whole.shape[1] * batch.step_s[0, 0] * 60 <= 40 for batch in drawn)


def test_a_second_stage_without_a_first_is_refused(tmp_path: Path, episodes: EpisodeFolder) -> None:
    with pytest.raises(ParameterError, match="--start"):
        HeadTraining(settings(), tmp_path, episodes, [])


def test_published_weights_are_a_start(tmp_path: Path) -> None:
    network = StreamNetwork()
    network.load_state_dict(read_weights(load_model_spec(STREAM_MODEL).weights))
    assert abs(float(network.prior().log_weight.detach().exp().sum()) - 1) < 1e-4
    with pytest.raises(WeightsError, match="published streaming model"):
        read_weights(tmp_path)


def test_weights_of_another_build_are_no_start(tmp_path: Path) -> None:
    state = StreamNetwork().state_dict()
    state["heads.enter.0.weight"] = state["heads.enter.0.weight"][:, 1:].clone()
    save_checkpoint(tmp_path / "old.pt", {"average": state})
    with pytest.raises(WeightsError, match="as it is now"):
        load_weights(StreamNetwork(), [tmp_path / "old.pt"])


def test_runs_that_went_on_from_the_same_can_be_averaged(tmp_path: Path) -> None:
    paths, states = [], []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(StreamNetwork().state_dict())
        paths.append(tmp_path / f"{seed}.pt")
        save_checkpoint(paths[-1], {"average": states[-1]})
    network = StreamNetwork()
    load_weights(network, paths)
    for name, value in network.state_dict().items():
        first, second = (state[name].double() for state in states)
        assert torch.allclose(value.double(), 0.5 * (first + second), atol=1e-6), name


def test_damaged_weights_are_no_start(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "odd.pt", {"something": 1})
    with pytest.raises(WeightsError, match="found none"):
        read_weights(tmp_path / "odd.pt")
