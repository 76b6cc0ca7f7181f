# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that train, export, convert, inspect and time models."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sparsh_ros.arguments import HelpFormatter, positive_count, positive_number
from sparsh_ros.cli.images import METHODS, STAGES, add_method, add_stage, add_touch_probe
from sparsh_ros.cli.maze import add_train_policy
from sparsh_ros.cli.predicate import add_predicate_step
from sparsh_ros.cli.stream import add_stream_steps
from sparsh_ros.cli.training import RECIPES, add_loop, add_pretraining, add_probe
from sparsh_ros.names import TRANSFORMER_MODEL


def add_export(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros export`."""
    parser.add_argument("model", help="name of a model, or its .yaml file")
    parser.add_argument("--encoder", type=Path, help="encoder weights (default: the model's own)")
    parser.add_argument("--heads", type=Path, help="head weights (default: the model's own)")
    parser.add_argument(
        "--exact", action="store_true", help="keep every digit of the weights, at twice the size"
    )
    parser.add_argument("--out", type=Path, help="weights folder (default: the model's own)")


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros weights`."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_step(commands, "list", "the models, and which of their weights are here")
    inspect = add_step(commands, "inspect", "what a weights file holds")
    inspect.add_argument("file", type=Path, help=".onnx, .safetensors or a torch file")
    inspect.add_argument("--keys", action="store_true", help="list every tensor")
    get = add_step(commands, "get", "fetch a published model from the Hugging Face Hub")
    get.add_argument("name", help="of a model, see `weights list`")
    get.add_argument("--out", type=Path, help="folder (default: where the model is looked for)")
    convert = add_step(commands, "convert", "published files to ONNX, for ONNX Runtime")
    convert.add_argument(
        "what", nargs="+", metavar="NAME|FILE", help="a model, or its encoder and decoders"
    )
    convert.add_argument("--out", type=Path, required=True, help="folder to write")
    convert.add_argument("--model", default="", help="the model that the files belong to")
    convert.add_argument("--weights-dir", type=Path, help="folder with the files of the model NAME")
    convert.add_argument(
        "--half", action="store_true", help="round weight matrices to float16, for half the size"
    )


def add_train(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros train`."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for recipe, method in RECIPES.items():
        summary = f"pre-train an encoder without labels, by {method}"
        add_pretraining(_add_training(steps, recipe, summary, without_labels=True))
    methods = {n: f"pre-train a ResNet-18 without labels, by {m}" for n, m in METHODS.items()}
    for add_options, summaries in ((add_method, methods), (add_stage, STAGES)):
        for name, summary in summaries.items():
            parser = add_step(steps, name, summary)
            add_options(parser, name)
            add_loop(parser)
            _add_threads(parser)
    touch_probe = add_step(
        steps, "touch-probe", "train a linear probe of AnyTouch on its data sets"
    )
    add_touch_probe(touch_probe)
    _add_threads(touch_probe)
    probe = _add_training(steps, "probe", "train heads for tasks, to run live at once")
    add_probe(probe)
    heads = _add_training(steps, "heads", "train force, slip and pose heads on the frozen encoder")
    heads.add_argument("--epochs", type=positive_count, default=12, help="at most")
    heads.add_argument("--batch", type=positive_count, default=128, help="pairs per step")
    heads.add_argument(
        "--learning-rates",
        type=positive_number,
        nargs="+",
        default=(1e-3, 3e-4),
        help="peak rates of Adam to try",
    )
    heads.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2), help="one head each")
    end = _add_training(steps, "end-to-end", "train the same network from scratch, to compare")
    _add_schedule(end, batch=32, learning_rate=5e-4)
    add_stream_steps(steps, add_step)
    add_predicate_step(steps, add_step)
    add_train_policy(steps, add_step)
    out = add_step(steps, "publish", "export the model with its scores and model card")
    _add_model(out)
    _add_run(out)
    out.add_argument("--out", type=Path, help="weights folder (default: the model's own)")
    card = add_step(steps, "card", "put what `sparsh-ros evaluate` found into the model card")
    _add_model(card)
    card.add_argument("--metrics", type=Path, required=True, help="metrics.json of the evaluation")


def add_step(
    commands: argparse._SubParsersAction, name: str, summary: str
) -> argparse.ArgumentParser:
    """A step of a command, with its summary."""
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )


def _add_training(
    steps: argparse._SubParsersAction, name: str, summary: str, without_labels: bool = False
) -> argparse.ArgumentParser:
    parser = add_step(steps, name, summary)
    _add_model(parser)
    _add_run(parser)
    several = {"nargs": "+"} if without_labels else {}
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="from `sparsh-ros simulate`, or bags in train, validation and test"
        + ("; each of several folders is drawn as often as the others" if without_labels else ""),
        **several,
    )
    parser.add_argument(
        "--chains",
        type=int,
        default=5 if without_labels else 2,
        choices=range(1, 6),
        help="interleaved chains of frames to use; 5 uses every pair",
    )
    _add_threads(parser)
    return parser


def _add_schedule(parser: argparse.ArgumentParser, batch: int, learning_rate: float) -> None:
    parser.add_argument("--minutes", type=positive_number, default=40.0, help="wall clock")
    parser.add_argument("--batch", type=positive_count, default=batch, help="pairs per step")
    parser.add_argument(
        "--learning-rate", type=positive_number, default=learning_rate, help="at its peak"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=TRANSFORMER_MODEL, help="name, or path of a .yaml file")


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=positive_count, default=os.cpu_count(), help="CPU threads"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", dest="folder", type=Path, required=True, help="folder of this training run"
    )
