# SPDX-License-Identifier: Apache-2.0
"""Training of the streaming model: the same episodes, the same steps, also after a kill."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from sparsh_ros.errors import ParameterError, WeightsError
from sparsh_ros.training.recipes.stream import BEST, StreamTraining
from sparsh_ros.training.schedule import load_checkpoint, save_checkpoint
from sparsh_ros.training.stream.batches import collate, cut_sequence, disturb, move
from sparsh_ros.training.stream.episodes import (
    LABEL,
    EpisodeFolder,
    StreamEpisode,
    make_episode,
    workers,
)
from sparsh_ros.training.stream.losses import losses, total_loss
from sparsh_ros.training.stream.network import StreamNetwork, key_frames
from sparsh_ros.training.stream.publish import choose_run
from sparsh_ros.training.stream.settings import StreamSettings
from sparsh_ros.training.stream.validation import whole_batches

SETTINGS = StreamSettings(
    minutes=10 / 60, batch=2, steps=6, first_episodes=2, episodes_per_step=0.0, seed=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("episodes")


@pytest.fixture(scope="module")
def episodes(folder: Path) -> EpisodeFolder:
    return EpisodeFolder(folder, "train", 91, 1.0, 1.0)


@pytest.fixture(scope="module")
def validation(folder: Path) -> list[StreamEpisode]:
    return [EpisodeFolder(folder, "validation", 91, 1.0, 1.0).load(1)]


class Clock:
    """One second per look."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.now_s, self._stop_at = 0.0, stop_at

    def __call__(self) -> float:
        self.now_s += 1.0
        if self.now_s >= self._stop_at:
            raise KeyboardInterrupt
        return self.now_s


def train_steps(training: StreamTraining, count: int) -> list[float]:
    return [float(total_loss(training.train_step(share))) for share in np.linspace(0, 1, 8)[:count]]


def test_an_episode_is_the_same_whenever_it_is_made(episodes: EpisodeFolder) -> None:
    first, again = episodes.load(1), make_episode("train", 91, 1, 1.0)
    for name in ("frames", "background", "maps", "labels"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.frames.shape == (60, 80, 60, 3) and first.maps.shape == (60, 4, 20, 15)


def test_a_run_that_was_killed_goes_on_bit_by_bit(
    tmp_path: Path, episodes: EpisodeFolder, validation: list[StreamEpisode]
) -> None:
    whole = StreamTraining(SETTINGS, tmp_path / "whole", episodes, validation)
    for share in (0.0, 0.2, 0.4, 0.6, 0.8):
        whole.train_step(share)
    first = StreamTraining(SETTINGS, tmp_path / "killed", episodes, validation)
    for share in (0.0, 0.2):
        first.train_step(share)
    first.save()
    first.train_step(0.4)  # lost with the kill
    del first
    resumed = StreamTraining(SETTINGS, tmp_path / "killed", episodes, validation)
    assert resumed.step == 2
    for share in (0.4, 0.6, 0.8):
        resumed.train_step(share)
    for part in ("network", "average"):
        ours, theirs = getattr(resumed, part).state_dict(), getattr(whole, part).state_dict()
        for name, value in ours.items():
            assert torch.equal(value, theirs[name]), f"{part}.{name}"


def test_a_run_ends_with_its_budget_and_says_what_it_was(
    tmp_path: Path, episodes: EpisodeFolder, validation: list[StreamEpisode]
) -> None:
    summary = StreamTraining(SETTINGS, tmp_path, episodes, validation).run(now=Clock())
    assert 2 <= summary["steps"] <= 10
    assert load_checkpoint(tmp_path / BEST)["loss"] == summary["best_loss"]
    with pytest.raises(ParameterError, match="give the same options"):
        other = StreamSettings(minutes=10 / 60, batch=1, steps=6)
        StreamTraining(other, tmp_path, episodes, validation)


def test_what_a_step_sees_depends_on_its_number_alone(episodes: EpisodeFolder) -> None:
    settings = StreamSettings(minutes=1.0, first_episodes=10, episodes_per_step=0.5)
    assert [len(settings.available(step)) for step in (0, 1, 2, 100)] == [10, 10, 11, 60]


def test_a_run_that_goes_on_leaves_out_what_its_start_knows(
    tmp_path: Path, validation: list[StreamEpisode]
) -> None:
    class Asked(EpisodeFolder):
        indices: ClassVar[list[int]] = []

        def load(self, index: int) -> StreamEpisode:
            self.indices.append(index)
            return super().load(index)

    settings = replace(SETTINGS, batch=3, skip=16, first_episodes=8)
    episodes = Asked(tmp_path, "train", 91, 0.4, 0.8)
    training = StreamTraining(settings, tmp_path, episodes, validation)
    for _ in range(14):
        training.train_step(0.5)
    asked = set(Asked.indices)
    assert asked <= set(range(16, 24)) and len(asked) > 4 and 21 in asked  # 21 is a long one


@pytest.mark.parametrize("name", ("minutes", "batch", "steps", "learning_rate"))
def test_settings_below_0_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=name.replace("_", "-")):
        StreamSettings(**{"minutes": 1.0, name: -1})


def test_labels_of_a_sequence_are_those_of_its_frames(episodes: EpisodeFolder) -> None:
    episode = episodes.load(1)
    row = cut_sequence(episode, 2, 5, 10)
    index = 2 + 5 * np.arange(11)
    np.testing.assert_array_equal(row["force"], episode.labels[index[1:], :3])
    assert row["frames"].shape == (11, 80, 60, 3)
    held = row["held"]
    assert held.any()
    place = episode.labels[index, LABEL["pose_x_mm"]]
    np.testing.assert_allclose(row["pose"][held, 0], np.diff(place)[held], atol=1e-5)
    assert not row["pose"][~held].any()


def test_a_turn_about_the_origin_moves_the_centre_of_the_contact() -> None:
    labels = np.zeros((2, len(LABEL)), np.float32)
    labels[:, LABEL["in_contact"]] = 1
    labels[1, LABEL["pose_turn"]] = 0.1
    maps = np.zeros((2, 4, 20, 15), np.float32)
    maps[:, 0, 9, 14] = 1.0  # on the right, a little above the middle
    frames = np.zeros((2, 80, 60, 3), np.uint8)
    meta = {"size_mm": [15.0, 20.0], "limit_mm3_per_n": 5.0}
    row = cut_sequence(StreamEpisode(frames, frames[0], maps, labels, meta), 0, 1, 1)
    np.testing.assert_allclose(row["motion"][0], [-0.05, 0.7, 0.1], atol=1e-5)
    np.testing.assert_allclose(row["pose"][0], [0, 0, 0.1], atol=1e-6)


def test_disturbed_light_changes_frames_alone(episodes: EpisodeFolder) -> None:
    batch = collate([cut_sequence(episodes.load(1), 0, 5, 8)])
    first = disturb(batch, np.random.default_rng(0))
    again = disturb(batch, np.random.default_rng(0))
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, batch.frames)
    assert torch.equal(first.force, batch.force)
    assert first.frames.min() >= 0 and first.frames.max() <= 255


def test_every_weight_gets_a_gradient(episodes: EpisodeFolder) -> None:
    torch.manual_seed(0)
    batch = collate([cut_sequence(episodes.load(index), 0, 5, 8) for index in (1, 2)])
    network = StreamNetwork()
    total_loss(losses(network(batch), batch)).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize("key_frame", (False, True))
def test_a_step_stays_on_one_device(
    episodes: EpisodeFolder, monkeypatch: pytest.MonkeyPatch, key_frame: bool
) -> None:
    """On torch's device without memory, which refuses to be mixed with another, like a GPU."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it has none
    meta = torch.device("meta")
    batch = move(collate([cut_sequence(episodes.load(1), 0, 5, 8)]), meta)
    loss = total_loss(losses(StreamNetwork(key_frame=key_frame).to(meta)(batch), batch))
    loss.backward()
    assert loss.device == meta


def test_workers_share_the_episodes(tmp_path: Path) -> None:
    made = EpisodeFolder(tmp_path / "apart", "train", 91, 0.2, 0.2)
    with workers(made, range(4), count=2) as processes:
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]
    assert made.count() == 4
    alone = EpisodeFolder(tmp_path / "alone", "train", 91, 0.2, 0.2)
    for index in range(4):
        assert np.array_equal(made.load(index).frames, alone.load(index).frames)


def test_maps_learn_what_touches(episodes: EpisodeFolder) -> None:
    """A plain absolute error stays at nothing anywhere, its median."""
    torch.manual_seed(0)
    batch = collate([cut_sequence(episodes.load(index), 0, 5, 8) for index in (1, 2)])
    network = StreamNetwork().train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    found = []
    for _ in range(30):
        parts = losses(network(batch), batch)
        optimiser.zero_grad()
        total_loss(parts).backward()
        optimiser.step()
        found.append(float(parts["pressure"].detach()))
    assert min(found[-5:]) < 0.5 * found[0]


@pytest.mark.parametrize("ablation", ("observer", "memory"))
def test_an_ablation_forgets(episodes: EpisodeFolder, ablation: str) -> None:
    """Without memory a step is the same whatever came before it."""
    torch.manual_seed(0)
    network = StreamNetwork(**{ablation: False}).eval()
    episode = episodes.load(1)
    start = int(episode.labels[:, LABEL["in_contact"]].argmax())
    row = cut_sequence(episode, start, 2, 10)
    fixed = ("background", "size", "interval_s", "limit")
    late = {name: value if name in fixed else value[3:] for name, value in row.items()}
    with torch.no_grad():
        whole, part = network(collate([row])), network(collate([late]))
    assert torch.allclose(whole.stretch[:, 3:], part.stretch, atol=1e-6)
    same = torch.allclose(whole.heads["slip"][:, 3:], part.heads["slip"], atol=1e-6)
    assert same == (ablation == "memory")


def test_a_key_frame_is_half_a_second_old_or_the_contacts_first(episodes: EpisodeFolder) -> None:
    """Each output says which frame was the key of its step."""
    episode = episodes.load(1)
    batch = collate([cut_sequence(episode, 0, 2, 16)])
    numbered = torch.arange(17.0).reshape(1, 17, 1, 1, 1).expand_as(batch.frames)
    touched = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1]]).bool()
    keys = key_frames(replace(batch, frames=numbered, touched=touched))[0, :, 0, 0, 0]
    # Step t shows frame t + 1 and steps on from frame t; steps 0 to 2 and 11 to 12 are alone.
    assert keys.tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 12, 13, 13, 13, 13]


@pytest.mark.parametrize("variant", ({"key_frame": True}, {"detail": 2}, {"detail": 4}))
def test_variants_learn_on_images_as_fine_as_they_take(tmp_path: Path, variant: dict) -> None:
    torch.manual_seed(0)
    detail = variant.get("detail", 1)
    episode = EpisodeFolder(tmp_path, "train", 91, 1.0, 1.0, detail).load(1)
    assert episode.frames.shape == (60, 80 * detail, 60 * detail, 3)
    batch = disturb(collate([cut_sequence(episode, 0, 5, 8)]), np.random.default_rng(0))
    network = StreamNetwork(**variant)
    total_loss(losses(network(batch), batch)).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize("odd", ({"key_frame": True, "detail": 2}, {"skip": -1}))
def test_settings_that_make_no_sense_are_refused(odd: dict) -> None:
    with pytest.raises(ParameterError, match="--key-frame|--skip"):
        replace(SETTINGS, **odd)


def test_the_best_run_on_validation_ships(tmp_path: Path) -> None:
    """Not the first seed."""
    for name, loss in (("seed0", 2.0), ("seed1", 1.0), ("seed2", 3.0)):
        (tmp_path / name).mkdir()
        save_checkpoint(tmp_path / name / BEST, {"loss": loss, "step": 1, "network": {}})
    runs = [tmp_path / f"seed{seed}" for seed in range(3)]
    assert choose_run(runs) == tmp_path / "seed1"
    later = {"loss": 0.0, "step": 1, "network": {}, "second_stage": True}
    odd = {"loss": 0.0, "step": 1, "network": {}, "shape": {"key_frame": False, "detail": 2}}
    (tmp_path / "odd").mkdir()
    save_checkpoint(tmp_path / "odd" / BEST, odd)
    with pytest.raises(WeightsError, match="can run live"):
        choose_run([*runs, tmp_path / "odd"])
    (tmp_path / "heads").mkdir()
    save_checkpoint(tmp_path / "heads" / BEST, later)
    with pytest.raises(WeightsError, match="runs of one stage"):
        choose_run([*runs, tmp_path / "heads"])
    with pytest.raises(WeightsError, match="nothing"):
        choose_run([tmp_path / "nothing"])


def test_validation_batches_hold_whole_episodes(validation: list[StreamEpisode]) -> None:
    (batch,) = whole_batches(validation)
    assert batch.frames.shape == (1, 12, 3, 80, 60)
