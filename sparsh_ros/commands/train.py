# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train`: pre-train, train heads, train the baseline, publish.

sparsh-ros train mae --data data --run runs/micro --minutes 40
sparsh-ros train dino --size nano --data small --run runs/dino --minutes 10
torchrun --nproc-per-node 2 -m -- sparsh_ros.cli train vjepa --size base --data data --run runs/v
sparsh-ros train sarl --size resnet18-nano --data tips --run runs/sarl --minutes 5
sparsh-ros train anytouch --data touches --run runs/anytouch --minutes 10
sparsh-ros train anytouch-align --start runs/anytouch --data touches --run runs/aligned
sparsh-ros train heads --data data --run runs/micro
sparsh-ros train end-to-end --data data --run runs/micro --minutes 40
sparsh-ros train publish --run runs/micro
sparsh-ros train card --metrics evaluation/metrics.json

The steps of the streaming model are in `train_stream`.
"""

from __future__ import annotations

import argparse

import torch
from rich.console import Console
from rich.table import Table

from sparsh_ros.commands import train_predicate, train_stream
from sparsh_ros.commands.anytouch import train as train_anytouch
from sparsh_ros.commands.maze import train as train_policy
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.progress import stoppable
from sparsh_ros.training import steps
from sparsh_ros.training.loop.training import LoopSettings
from sparsh_ros.training.model_card import ROWS
from sparsh_ros.training.pretraining.images import (
    IMAGE_RECIPES,
    ImagePretraining,
    pretrain_images,
)
from sparsh_ros.training.pretraining.models import RECIPES, model_spec
from sparsh_ros.training.pretraining.pretrain import Pretraining, pretrain
from sparsh_ros.training.probes import ProbeSettings as HeadSettings
from sparsh_ros.training.publish import add_evaluation, publish
from sparsh_ros.training.recipes.end_to_end import EndToEndSettings
from sparsh_ros.training.recipes.vjepa import VJepa
from sparsh_ros.training.tacbench.probe import ProbeSettings
from sparsh_ros.training.tacbench.publish import ProbeJob, train_probe


def run(arguments: argparse.Namespace) -> int:
    """Run one step of `sparsh-ros train`."""
    with stoppable(lambda: f"stopped; what `train {arguments.step}` had saved is kept"):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.step.startswith("stream"):
        return train_stream.run(arguments)
    if arguments.step == "policy":
        return train_policy.run(arguments)
    if arguments.step == "predicate":
        return train_predicate.run(arguments)
    if arguments.step in RECIPES:
        return _pretrain(arguments)
    if arguments.step in IMAGE_RECIPES:
        return _pretrain_images(arguments)
    if arguments.step in train_anytouch.STAGES:
        return train_anytouch.run_stage(arguments, _loop_settings(arguments))
    if arguments.step == "touch-probe":
        return train_anytouch.run_probe(arguments)
    spec = load_model_spec(arguments.model)
    if arguments.step == "probe":
        return _probe(arguments, spec)
    if arguments.step == "publish":
        _show(publish(arguments.folder, spec, arguments.out or spec.weights))
    elif arguments.step == "card":
        add_evaluation(arguments.metrics, spec, spec.weights)
    else:
        _train(arguments, spec)
    return 0


def _train(arguments: argparse.Namespace, spec: ModelSpec) -> None:
    torch.set_num_threads(arguments.threads)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    stores = steps.open_splits(arguments.data, folder, arguments.chains)
    if arguments.step == "heads":
        settings = HeadSettings(
            arguments.epochs,
            arguments.batch,
            tuple(arguments.learning_rates),
            tuple(arguments.seeds),
        )
        steps.train_probes(stores, spec, folder, settings)
        return
    schedule = (arguments.minutes, arguments.batch, arguments.learning_rate, arguments.seed)
    steps.train_end_to_end(stores, spec, folder, EndToEndSettings(*schedule))


def _pretrain(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    recipe, run = arguments.step, arguments.folder
    sized = arguments.size is not None or recipe == VJepa.name
    job = Pretraining(
        recipe,
        model_spec(recipe, arguments.size or "micro", run)
        if sized
        else load_model_spec(arguments.model),
        arguments.data,
        run,
        _loop_settings(arguments),
        arguments.chains,
        None if arguments.steps else arguments.minutes,
        arguments.resume,
    )
    pretrain(job)
    return 0


def _pretrain_images(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    job = ImagePretraining(
        arguments.step,
        arguments.size,
        arguments.data,
        arguments.folder,
        _loop_settings(arguments),
        minutes=None if arguments.steps else arguments.minutes,
        losses=arguments.losses,
        resume=arguments.resume,
    )
    pretrain_images(job)
    return 0


def _loop_settings(arguments: argparse.Namespace) -> LoopSettings:
    return LoopSettings(
        arguments.steps or 1,
        arguments.batch,
        arguments.learning_rate,
        arguments.seed,
        not arguments.float32,
        arguments.checkpoint_steps,
        tensorboard=arguments.tensorboard,
    )


def _probe(arguments: argparse.Namespace, spec: ModelSpec) -> int:
    torch.set_num_threads(arguments.threads)
    job = ProbeJob(
        arguments.tasks,
        spec,
        arguments.data,
        arguments.folder,
        ProbeSettings(arguments.steps, arguments.batch, arguments.learning_rate, arguments.seed),
        arguments.budget / 100.0,
        arguments.encoder,
        arguments.chains,
    )
    found, guessed = train_probe(job)
    for task, scores in found.items():
        table = Table("test score", task, "without a sensor")
        for name, value in scores.items():
            guess = guessed[task].get(name)
            table.add_row(name, f"{value:.3f}", "" if guess is None else f"{guess:.3f}")
        Console().print(table)
    live = f"{job.run}: sparsh-ros run --model {job.run / 'model.yaml'}"
    Console().print(live, soft_wrap=True)
    return 0


def _show(scores: dict) -> None:
    for name, entry in scores["scores"].items():
        table = Table("", "shipped", "end to end", "trivial", title=name)
        for key, title in ROWS[name]:
            parts = (entry[part][key] for part in ("shipped", "end_to_end", "trivial"))
            table.add_row(title, *(f"{value:.3f}" for value in parts))
        Console().print(table)
