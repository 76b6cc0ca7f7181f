# SPDX-License-Identifier: Apache-2.0
"""Runs side by side: grouped by what sets them apart, with the spread over seeds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsh_ros.errors import WeightsError
from sparsh_ros.training.schedule import BEST, save_checkpoint
from sparsh_ros.training.stream.episodes import EpisodeFolder, StreamEpisode
from sparsh_ros.training.stream.every_frame import whole_touches
from sparsh_ros.training.stream.network import StreamNetwork
from sparsh_ros.training.stream.scoring.compare import compare_runs
from sparsh_ros.training.stream.settings import EXACT, StreamSettings
from sparsh_ros.training.stream.validation import evaluate_network, score_heads, whole_batches


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[StreamEpisode]:
    torch.set_num_threads(1)
    folder = EpisodeFolder(tmp_path_factory.mktemp("episodes"), "test", 91, 1.0, 1.0)
    return [folder.load(index) for index in range(2)]


def finished(
    run: Path, seed: int, memory: bool = True, second_stage: bool = False, detail: int = 1
) -> Path:
    torch.manual_seed(seed)
    network = StreamNetwork(memory=memory, detail=detail)
    settings = StreamSettings(
        1.0, seed=seed, memory=memory, second_stage=second_stage, detail=detail
    )
    run.mkdir()
    save_checkpoint(run / BEST, {"loss": 0.0, "step": 1, "network": network.state_dict()})
    (run / "run.json").write_text(json.dumps({"settings": asdict(settings)}))
    return run


def test_seeds_are_a_group_and_its_spread(tmp_path: Path, episodes: list[StreamEpisode]) -> None:
    runs = [finished(tmp_path / f"full{seed}", seed) for seed in (0, 1)]
    without = finished(tmp_path / "without", 0, memory=False)
    found = compare_runs([*runs, without], lambda _: episodes)
    assert set(found) == {"memory True", "memory False"}
    scores = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        _, each = evaluate_network(StreamNetwork(), whole_batches(episodes))
        scores.append(each["force_z_light_mn"])
    mean, spread, count = found["memory True"]["force_z_light_mn"]
    assert (mean, spread, count) == pytest.approx((np.mean(scores), np.std(scores, ddof=1), 2))
    assert np.isnan(found["memory False"]["force_z_light_mn"][1])


def test_a_second_stage_is_scored_on_every_frame(
    tmp_path: Path, episodes: list[StreamEpisode]
) -> None:
    runs = [finished(tmp_path / "first", 0), finished(tmp_path / "second", 0, second_stage=True)]
    found = compare_runs(runs, lambda _: episodes)
    assert set(found) == {"second_stage False", "second_stage True"}
    batch = whole_touches(StreamNetwork(), episodes)
    assert batch.contact.shape == (2, 55)  # the first five frames have no partner
    torch.manual_seed(0)
    network = StreamNetwork()
    wanted = score_heads(network, whole_touches(network, episodes))
    for name in ("slipping_ap", "force_x_mn"):
        assert found["second_stage True"][name][0] == pytest.approx(wanted[name])
    assert np.isnan(found["second_stage True"]["slipping_moving_ap"][0])  # speed is not kept


def test_perfect_sight_is_told_to_observer_and_heads(
    tmp_path: Path, episodes: list[StreamEpisode]
) -> None:
    runs = [finished(tmp_path / "first", 0), finished(tmp_path / "second", 0, second_stage=True)]
    blind = compare_runs(runs, lambda _: episodes)
    found = compare_runs(runs, lambda _: episodes, ("motion", "stretch"))
    first = "second_stage False"
    assert found[first]["x_mm"][0] < 0.5 * blind[first]["x_mm"][0]  # of the centre, not the origin
    assert found[first]["force_x_mn"][0] < blind[first]["force_x_mn"][0]
    for name in ("x_mm", "force_x_mn"):
        assert found["second_stage True"][name][0] != blind["second_stage True"][name][0]
    for each in EXACT:
        alone = compare_runs(runs, lambda _: episodes, (each,))
        assert alone[first]["force_x_mn"][0] != blind[first]["force_x_mn"][0], each


def test_each_run_is_scored_on_images_as_fine_as_it_takes(
    tmp_path: Path, episodes: list[StreamEpisode]
) -> None:
    finer = EpisodeFolder(tmp_path, "test", 91, 1.0, 1.0, 2)
    asked = []

    def load(detail: int) -> list[StreamEpisode]:
        asked.append(detail)
        return episodes if detail == 1 else [finer.load(index) for index in range(2)]

    runs = [finished(tmp_path / str(detail), 0, detail=detail) for detail in (2, 1)]
    runs.append(finished(tmp_path / "again", 1))
    found = compare_runs(runs, load)
    assert set(found) == {"detail 1", "detail 2"}
    assert asked == [2, 1]
    assert found["detail 1"]["x_mm"][2] == 2


def test_an_unfinished_run_is_refused(tmp_path: Path, episodes: list[StreamEpisode]) -> None:
    with pytest.raises(WeightsError, match=r"run\.json of a finished"):
        compare_runs([tmp_path], lambda _: episodes)
