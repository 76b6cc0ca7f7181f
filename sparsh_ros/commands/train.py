# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train`: pre-train, train heads, train the baseline, publish.

sparsh-ros train mae --data data --run runs/micro --minutes 40
sparsh-ros train heads --data data --run runs/micro
sparsh-ros train end-to-end --data data --run runs/micro --minutes 40
sparsh-ros train publish --run runs/micro
sparsh-ros train card --metrics evaluation/metrics.json
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from sparsh_ros.errors import ParameterError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.training import steps
from sparsh_ros.training.model_card import ROWS
from sparsh_ros.training.probes import ProbeSettings
from sparsh_ros.training.publish import add_evaluation, publish
from sparsh_ros.training.recipes.end_to_end import EndToEndSettings
from sparsh_ros.training.recipes.mae import MaeSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `sparsh-ros train`."""
    subparsers = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    mae = _add_step(subparsers, "mae", "pre-train an encoder without labels")
    _add_schedule(mae, MaeSettings(minutes=40.0))
    mae.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    heads = _add_step(subparsers, "heads", "train force, slip and pose heads on the frozen encoder")
    _add_head_options(heads, ProbeSettings())
    end = _add_step(subparsers, "end-to-end", "train the same network from scratch, to compare")
    _add_schedule(end, EndToEndSettings(minutes=40.0))
    out = _add_step(
        subparsers, "publish", "export the model with its scores and model card", data=False
    )
    out.add_argument("--out", type=Path, help="weights folder (default: the model's own)")
    card = subparsers.add_parser(
        "card", help="put what `sparsh-ros evaluate` found into the model card"
    )
    _add_model(card)
    card.add_argument("--metrics", type=Path, required=True, help="metrics.json of the evaluation")


def _add_step(
    subparsers: argparse._SubParsersAction, name: str, summary: str, data: bool = True
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=summary, description=summary)
    _add_model(parser)
    parser.add_argument(
        "--run", dest="folder", type=Path, required=True, help="folder of this training run"
    )
    if data:
        parser.add_argument("--data", type=Path, required=True, help="from `sparsh-ros simulate`")
        parser.add_argument(
            "--chains",
            type=int,
            default=2,
            choices=range(1, 6),
            help="interleaved chains of frames to use; 5 uses every pair",
        )
        parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a model, or its .yaml")


def _add_schedule(
    parser: argparse.ArgumentParser, defaults: MaeSettings | EndToEndSettings
) -> None:
    parser.add_argument("--minutes", type=float, default=defaults.minutes, help="wall clock")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="pairs per step")
    parser.add_argument("--rate", type=float, default=defaults.rate, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=defaults.seed)


def _add_head_options(parser: argparse.ArgumentParser, defaults: ProbeSettings) -> None:
    parser.add_argument("--epochs", type=int, default=defaults.epochs, help="at most")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="pairs per step")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=defaults.rates, help="learning rates to try"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=defaults.seeds)


def run(arguments: argparse.Namespace) -> int:
    """Run one step of `sparsh-ros train`."""
    spec = load_model_spec(arguments.model)
    if arguments.step == "publish":
        _show(publish(arguments.folder, spec, arguments.out or spec.weights))
    elif arguments.step == "card":
        add_evaluation(arguments.metrics, spec, spec.weights)
    else:
        _check_positive(arguments)
        _train(arguments, spec)
    return 0


def _train(arguments: argparse.Namespace, spec: ModelSpec) -> None:
    torch.set_num_threads(arguments.threads)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    stores = steps.open_splits(arguments.data, folder, arguments.chains)
    if arguments.step == "heads":
        settings = ProbeSettings(
            arguments.epochs, arguments.batch, tuple(arguments.rates), tuple(arguments.seeds)
        )
        steps.train_probes(stores, spec, folder, settings)
        return
    schedule = (arguments.minutes, arguments.batch, arguments.rate, arguments.seed)
    if arguments.step == "mae":
        steps.pretrain(stores, spec, folder, MaeSettings(*schedule), arguments.resume)
    else:
        steps.train_end_to_end(stores, spec, folder, EndToEndSettings(*schedule))


def _check_positive(arguments: argparse.Namespace) -> None:
    for name in ("minutes", "batch", "rate", "epochs", "threads"):
        value = getattr(arguments, name, 1)
        if value <= 0:
            raise ParameterError(f"train {arguments.step}: --{name} must be positive, not {value}")


def _show(scores: dict) -> None:
    for name, entry in scores["scores"].items():
        table = Table("", "shipped", "end to end", "trivial", title=name)
        for key, title in ROWS[name]:
            parts = (entry[part][key] for part in ("shipped", "end_to_end", "trivial"))
            table.add_row(title, *(f"{value:.3f}" for value in parts))
        Console().print(table)
