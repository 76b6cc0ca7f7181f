# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench vitactip`: encoders in the six tasks of SARL, in one table.

    sparsh-ros bench vitactip --encoders runs/sarl runs/byol --data tips --out bench
    sparsh-ros bench vitactip --encoders runs/sarl --data tactip --protocol transfer --out transfer

Each of `--encoders` is the folder of a run of `sparsh-ros train sarl` or of a method to compare
with. An encoder that was never trained, and the answer that needs no sensor, come along. A
benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table as Screen

from sparsh_ros.models.resnet.files import load_resnet
from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.progress import progress_bar, stoppable
from sparsh_ros.training.tacbench.bench import read_cells
from sparsh_ros.training.tacbench.table import Measure, encoders, tabulate
from sparsh_ros.training.vitactip import paper
from sparsh_ros.training.vitactip.dataset import read_splits
from sparsh_ros.training.vitactip.probe import changed, published_fit, read_images, score
from sparsh_ros.training.vitactip.tasks import TASKS, Task, check_labelled

UNTRAINED, GUESS = "untrained", "guess"
Records = list[dict[str, Any]]


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark; writes cells.jsonl and vitactip.json."""
    torch.set_num_threads(arguments.threads)
    with stoppable(lambda: f"stopped; what is in {arguments.out} is kept"):
        records = _measure(arguments)
    _report(records, arguments)
    return 0


def _measure(arguments: argparse.Namespace) -> Records:
    tips = read_splits(arguments.data)
    check_labelled(tips, arguments.tasks)
    networks = {folder.name: load_resnet(folder) for folder in arguments.encoders}
    torch.manual_seed(0)
    networks[UNTRAINED] = ResNet18(next(iter(networks.values())).config).eval()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "cells.jsonl"
    records = read_cells(path)
    done = {(r["encoder"], r["task"], r["seed"]) for r in records}
    with progress_bar("Benchmark", len(networks)) as bar:
        for count, (name, encoder) in enumerate(networks.items()):
            bar.update(count, name)
            wanted = [
                (TASKS[task], seed)
                for task in arguments.tasks
                for seed in arguments.seeds
                if (name, task, seed) not in done
            ]
            if not wanted:
                continue
            inputs = {s: read_images(encoder, t, arguments.protocol) for s, t in tips.items()}
            for task, seed in wanted:
                fit = published_fit(task, arguments.protocol)
                fit = changed(fit, arguments.epochs, arguments.learning_rate, seed)
                scores = score(task, encoder, inputs, tips, arguments.protocol, fit)
                records.append(_record(path, name, task, seed, scores))
    for task in (TASKS[name] for name in arguments.tasks):
        if (GUESS, task.name, 0) not in done:
            scores = task.guess(tips["train"], tips["test"])
            records.append(_record(path, GUESS, task, 0, scores))
    return records


def _record(
    path: Path, encoder: str, task: Task, seed: int, scores: Mapping[str, float]
) -> dict[str, Any]:
    record = {"encoder": encoder, "task": task.name, "budget": 1.0, "seed": seed, "scores": scores}
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")
    return record


def _report(records: Records, arguments: argparse.Namespace) -> None:
    tables = {name: tabulate(records, name, _measure_of(TASKS[name])) for name in arguments.tasks}
    screen = Screen("encoder", *(_title(TASKS[name]) for name in arguments.tasks))
    for encoder in encoders(records):
        values = [tables[name].get((encoder, 1.0)) for name in arguments.tasks]
        screen.add_row(encoder, *(value.text(2) if value else "" for value in values))
    means = {
        name: {encoder: value.mean for (encoder, _), value in table.items()}
        for name, table in tables.items()
    }
    correlations = {name: paper.rank_correlation(means[name], name) for name in arguments.tasks}
    screen.add_row("ranks as in table I", *(f"{c:+.2f}" for c in correlations.values()))
    Console().print(screen)
    summary = {"cells": records, "means": means, "rank_correlation": correlations}
    (arguments.out / "vitactip.json").write_text(json.dumps(summary, indent=2) + "\n")


def _title(task: Task) -> str:
    return f"{task.name}, {'% right' if task.classes else 'mean error'}"


def _measure_of(task: Task) -> Measure:
    return Measure(task.measure, task.name, "", 2, bool(task.classes))
