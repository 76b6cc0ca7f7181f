# SPDX-License-Identifier: Apache-2.0
"""Options of `sparsh-ros train stream`, `stream-publish`, `stream-scores`, `stream-compare` and
`stream-card`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sparsh_ros.arguments import positive_count, positive_number
from sparsh_ros.names import TRANSFORMER_MODEL
from sparsh_ros.training.stream.settings import DETAILS, EXACT, VALIDATION_EPISODES, StreamSettings

AddStep = Callable[[argparse._SubParsersAction, str, str], argparse.ArgumentParser]


def add_stream_steps(steps: argparse._SubParsersAction, add_step: AddStep) -> None:
    """Describe the steps of the streaming model."""
    train = add_step(steps, "stream", "train the streaming model end to end, with memory")
    _add_train(train, StreamSettings(minutes=60.0))
    train.add_argument(
        "--episodes-per-step",
        type=positive_number,
        default=0.5,
        help="how many more there are after each step (default: 0.5)",
    )
    train.add_argument("--without", choices=("observer", "memory"), help="leave that out")
    train.add_argument("--key-frame", action="store_true", help="show it an older frame, too")
    train.add_argument(
        "--detail", type=int, choices=DETAILS, default=1, help="times finer than 80 x 60 pixels"
    )
    heads = add_step(steps, "stream-heads", "then its heads, on every frame")
    _add_train(heads, StreamSettings(minutes=3.5, batch=24, steps=240, first_episodes=1250))
    heads.add_argument(
        "--lights",
        type=positive_count,
        default=1,
        help="in which it sees each episode (default: 1)",
    )
    heads.set_defaults(second_stage=True, episodes_per_step=0.0)
    publish = add_step(steps, "stream-publish", "export the run that is best on validation")
    publish.add_argument("--runs", type=Path, nargs="+", required=True, help="training runs")
    publish.add_argument(
        "--episodes", type=Path, nargs="+", required=True, help="folders with validation episodes"
    )
    _add_validation(publish)
    publish.add_argument("--out", type=Path, help="weights folder (default: the model's own)")
    scores = add_step(steps, "stream-scores", "score models on test episodes and on real gels")
    scores.add_argument("--data", type=Path, required=True, help="from `sparsh-ros simulate`")
    scores.add_argument("--recordings", type=Path, help="folder of recordings of real gels")
    scores.add_argument("--weights-dir", type=Path, help="of the streaming model")
    scores.add_argument("--beside", nargs="*", default=[TRANSFORMER_MODEL], help="other models")
    scores.add_argument("--out", type=Path, metavar="FILE", help="JSON file for the numbers")
    compare = add_step(steps, "stream-compare", "score training runs side by side")
    compare.add_argument("--runs", type=Path, nargs="+", required=True, help="training runs")
    compare.add_argument("--episodes", type=Path, required=True, help="folder of test episodes")
    compare.add_argument("--count", type=positive_count, default=40, help="how many of them")
    compare.add_argument("--seed", type=int, default=1, help="of their sensor instances")
    compare.add_argument(
        "--exact",
        nargs="+",
        choices=EXACT,
        default=[],
        help="tell observer and heads this as it truly is: what perfect sight would give",
    )
    compare.add_argument("--out", type=Path, metavar="FILE", help="JSON file for the numbers")
    card = add_step(steps, "stream-card", "write the model card of the streaming model")
    card.add_argument("--scores", type=Path, required=True, help="of `train stream-scores --out`")
    card.add_argument("--notes", type=Path, required=True, help="how it was made, Markdown")
    card.add_argument("--weights-dir", type=Path, help="folder (default: the model's own)")


def _add_train(parser: argparse.ArgumentParser, defaults: StreamSettings) -> None:
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="folder of this run")
    parser.add_argument("--episodes", type=Path, required=True, help="folder of simulated episodes")
    for name, text in (
        ("minutes", "of computing time, after which the run ends"),
        ("batch", "sequences per step"),
        ("steps", "frame pairs per sequence; of stream-heads, frames"),
        ("learning_rate", "at its peak"),
        ("first_episodes", "episodes that are made before the first step"),
    ):
        value = getattr(defaults, name)
        kind = positive_count if isinstance(value, int) else positive_number
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value, help=text)
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")
    parser.add_argument(
        "--skip", type=int, default=0, help="leave these first episodes out: the start knows them"
    )
    _add_validation(parser)
    parser.add_argument(
        "--workers", type=positive_count, default=1, help="processes that simulate (default: 1)"
    )
    parser.add_argument(
        "--start",
        nargs="+",
        default=[],
        help="checkpoint.pt, best.pt or weights folder to start from; the mean of several",
    )


def _add_validation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--validation",
        type=positive_count,
        default=VALIDATION_EPISODES,
        help=f"validation episodes that choose (default: {VALIDATION_EPISODES})",
    )
