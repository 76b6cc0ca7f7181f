# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train stream`, `stream-publish`, `stream-scores`: the small model that remembers.

sparsh-ros train stream --run runs/stream --episodes runs/episodes --minutes 60
sparsh-ros train stream-publish --run runs/stream --episodes runs/episodes --out weights
sparsh-ros train stream-scores --data data --recordings tactile --weights-dir weights
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import torch
from rich.console import Console
from rich.table import Table

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.training.recipes.stream import StreamSettings, StreamTraining
from sparsh_ros.training.stream.episodes import EpisodeFolder, StreamEpisode, start_worker

VALIDATION_EPISODES = 24
SECONDS, LONG_SECONDS = 4.5, 12.0
WORKER_AHEAD = 20_000
STEPS = ("stream", "stream-publish", "stream-scores")


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Describe the three steps."""
    _add_train(_parser(subparsers, "stream", "train the streaming model end to end"))
    publish = _parser(subparsers, "stream-publish", "export the best run on validation")
    publish.add_argument("--run", dest="runs", type=Path, nargs="+", required=True)
    publish.add_argument("--episodes", type=Path, nargs="+", required=True)
    publish.add_argument("--out", type=Path, help="weights folder (default: the model's own)")
    scores = _parser(subparsers, "stream-scores", "score models on test episodes and real gels")
    scores.add_argument("--data", type=Path, required=True, help="from `sparsh-ros simulate`")
    scores.add_argument("--recordings", type=Path, help="folder of recordings of real gels")
    scores.add_argument("--weights-dir", type=Path, help="of the streaming model")
    scores.add_argument("--beside", nargs="*", default=["sparsh-sim-micro"], help="other models")
    scores.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")


def _parser(
    subparsers: argparse._SubParsersAction, name: str, summary: str
) -> argparse.ArgumentParser:
    return subparsers.add_parser(name, help=summary, description=summary)


def _add_train(parser: argparse.ArgumentParser) -> None:
    defaults = StreamSettings(minutes=60.0)
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="folder of this run")
    parser.add_argument("--episodes", type=Path, required=True, help="folder of simulated episodes")
    for name, text in (
        ("minutes", "wall clock, after which the run ends"),
        ("batch", "sequences per step"),
        ("steps", "frame pairs per sequence"),
        ("rate", "peak learning rate"),
        ("seed", "of weights and order"),
        ("first_episodes", "episodes that are made before the first step"),
        ("episodes_per_step", "how many more there are after each step"),
    ):
        value = getattr(defaults, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help=text)
    parser.add_argument(
        "--without", choices=("observer", "memory"), help="ablation: leave that out"
    )
    parser.add_argument("--start", default="", help="checkpoint.pt of a run to start from")


def run(arguments: argparse.Namespace) -> int:
    """Run one of the steps."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.step == "stream":
        _train(arguments)
    elif arguments.step == "stream-publish":
        _publish(arguments)
    else:
        _score(arguments)
    return 0


def _train(arguments: argparse.Namespace) -> None:
    names = StreamSettings.__dataclass_fields__
    given = {name: value for name, value in vars(arguments).items() if name in names}
    left_out = {arguments.without: False} if arguments.without else {}
    settings = StreamSettings(**given, **left_out)
    episodes = EpisodeFolder(arguments.episodes, "train", 0, SECONDS, LONG_SECONDS)
    validation = _validation(arguments.episodes)
    worker = start_worker(episodes, WORKER_AHEAD)
    try:
        summary = StreamTraining(settings, arguments.folder, episodes, validation).run()
    finally:
        worker.terminate()
    Console().print_json(json.dumps(summary))


def _validation(folder: Path) -> list[StreamEpisode]:
    """The validation episodes of a folder, made where they are missing."""
    episodes = EpisodeFolder(folder, "validation", 0, SECONDS, SECONDS)
    return [episodes.load(index) for index in range(VALIDATION_EPISODES)]


def _publish(arguments: argparse.Namespace) -> None:
    from sparsh_ros.training.stream.publish import publish_best

    spec = load_model_spec(STREAM_MODEL)
    validation = [episode for folder in arguments.episodes for episode in _validation(folder)]
    chosen = publish_best(arguments.runs, spec, validation, arguments.out or spec.weights)
    Console().print_json(json.dumps(chosen))


def _score(arguments: argparse.Namespace) -> None:
    from sparsh_ros.training.stream.live import LiveModel, score_models
    from sparsh_ros.training.stream.zero_shot import score_recordings

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
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"episodes": len(paths), **found}, indent=2) + "\n")


def _show(title: str, columns: dict[str, dict[str, float]]) -> None:
    table = Table("", *columns, title=title)
    for name in dict.fromkeys(key for values in columns.values() for key in values):
        row = (values.get(name, float("nan")) for values in columns.values())
        table.add_row(name, *(f"{value:.4g}" for value in row))
    Console().print(table)
