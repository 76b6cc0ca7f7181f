# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train stream`, `stream-publish`, `stream-scores`: the small model that remembers.

sparsh-ros train stream --run runs/stream --episodes runs/episodes --minutes 60
sparsh-ros train stream-publish --runs runs/stream --episodes runs/episodes --out weights
sparsh-ros train stream-scores --data data --recordings tactile --weights-dir weights
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path

import cv2
import torch
from rich.console import Console
from rich.table import Table

from sparsh_ros.errors import DatasetError, WeightsError
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.training.recipes.stream import StreamTraining
from sparsh_ros.training.recipes.stream_heads import HeadTraining
from sparsh_ros.training.stream.episodes import EpisodeFolder, StreamEpisode, workers
from sparsh_ros.training.stream.publish import CHOSEN_FILE, publish_best
from sparsh_ros.training.stream.scoring.card import render_card
from sparsh_ros.training.stream.scoring.compare import COMPARED, compare_runs
from sparsh_ros.training.stream.scoring.live import LiveModel, score_models
from sparsh_ros.training.stream.scoring.zero_shot import score_recordings
from sparsh_ros.training.stream.settings import (
    LONG_SECONDS,
    SECONDS,
    VALIDATION_EPISODES,
    StreamSettings,
)

WORKER_AHEAD = 20_000
SCORES_FILE = "scores.json"


def run(arguments: argparse.Namespace) -> int:
    """Run one of the steps."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    steps = {
        "stream": _train,
        "stream-heads": _train,
        "stream-publish": _publish,
        "stream-scores": _score,
        "stream-compare": _compare,
        "stream-card": _write_card,
    }
    steps[arguments.step](arguments)
    return 0


def _train(arguments: argparse.Namespace) -> None:
    names = {field.name for field in fields(StreamSettings)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    without = getattr(arguments, "without", None)
    left_out = {without: False} if without else {}
    settings = StreamSettings(**given, **left_out)
    detail = settings.detail
    episodes = EpisodeFolder(arguments.episodes, "train", 0, SECONDS, LONG_SECONDS, detail)
    validation = _validation(arguments.episodes, settings.validation, detail)
    ahead = range(settings.skip, settings.skip + WORKER_AHEAD)
    indices = settings.available(0) if settings.second_stage else ahead
    stage = HeadTraining if settings.second_stage else StreamTraining
    with workers(episodes, indices, arguments.workers):
        summary = stage(settings, arguments.folder, episodes, validation).run()
    Console().print_json(json.dumps(summary))


def _validation(
    folder: Path, count: int = VALIDATION_EPISODES, detail: int = 1
) -> list[StreamEpisode]:
    """The validation episodes of a folder, made where they are missing."""
    episodes = EpisodeFolder(folder, "validation", 0, SECONDS, SECONDS, detail)
    return [episodes.load(index) for index in range(count)]


def _publish(arguments: argparse.Namespace) -> None:
    spec = load_model_spec(STREAM_MODEL)
    folders, count = arguments.episodes, arguments.validation
    validation = [episode for folder in folders for episode in _validation(folder, count)]
    chosen = publish_best(arguments.runs, spec, validation, arguments.out or spec.weights)
    Console().print_json(json.dumps(chosen))


def _score(arguments: argparse.Namespace) -> None:
    paths = sorted((arguments.data / "test").glob("episode_*.npz"))
    if not paths:
        raise DatasetError(
            f"{arguments.data}/test: wanted episodes, found none; make them with `sparsh-ros "
            f"simulate --out {arguments.data} --split test --episodes 72`"
        )
    models = {STREAM_MODEL: LiveModel(STREAM_MODEL, arguments.weights_dir)}
    models |= {name: LiveModel(name) for name in arguments.beside}
    found = {"simulated": score_models(models, paths)}
    if arguments.recordings is not None:
        found["real"] = {
            name: score_recordings(model, arguments.recordings) for name, model in models.items()
        }
    for title, columns in found.items():
        _show(title, columns)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"episodes": len(paths), **found}, indent=2) + "\n")


def _compare(arguments: argparse.Namespace) -> None:
    def load(detail: int) -> list[StreamEpisode]:
        job = ("test", arguments.seed, SECONDS, SECONDS, detail)
        folder = EpisodeFolder(arguments.episodes, *job)
        return [folder.load(index) for index in range(arguments.count)]

    groups = compare_runs(arguments.runs, load, arguments.exact)
    counts = [next(iter(scores.values()))[2] for scores in groups.values()]
    heads = (f"{name} ({seeds} seeds)" for name, seeds in zip(groups, counts, strict=True))
    table = Table("", *heads, title=f"{arguments.count} episodes of the test split")
    for score in COMPARED:
        cells = (f"{scores[score][0]:.4g} +- {scores[score][1]:.2g}" for scores in groups.values())
        table.add_row(score, *cells)
    Console().print(table)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(groups, indent=2) + "\n")


def _write_card(arguments: argparse.Namespace) -> None:
    folder = arguments.weights_dir or load_model_spec(STREAM_MODEL).weights
    try:
        scores = json.loads(arguments.scores.read_text())
        chosen = json.loads((folder / CHOSEN_FILE).read_text())
        notes = arguments.notes.read_text()
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"model card: cannot read {error}; `sparsh-ros train stream-publish`, then "
            "`stream-scores --out`, write what it needs"
        ) from error
    (folder / SCORES_FILE).write_text(json.dumps(scores, indent=2) + "\n")
    (folder / "MODEL_CARD.md").write_text(render_card(scores, chosen, notes))


def _show(title: str, columns: dict[str, dict[str, float]]) -> None:
    table = Table("", *columns, title=title)
    for name in dict.fromkeys(key for values in columns.values() for key in values):
        row = (values.get(name, float("nan")) for values in columns.values())
        table.add_row(name, *(f"{value:.4g}" for value in row))
    Console().print(table)
