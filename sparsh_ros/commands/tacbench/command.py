# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench tacbench`: encoders, tasks and label budgets in one table.

    sparsh-ros bench tacbench --encoders runs/mae runs/dino --data small --out tacbench

Each of `--encoders` is the folder of a pre-training run, also of `sparsh-ros train sarl`, or a
checkpoint of Sparsh, AnyTouch or AnyTouch 2. The network end to end has the size of the first one,
nano if that is a ResNet or from a checkpoint. A benchmark that was stopped goes on where it was.
With `--real` the report says how far recorded touches are from simulated ones in the features of
each encoder that a run of Sparsh's methods trained.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table as Screen

from sparsh_ros.commands.tacbench import paper
from sparsh_ros.commands.tacbench.gap import gap_section
from sparsh_ros.models.spec import RESNET
from sparsh_ros.reports.tacbench import Section, write_report
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench import table
from sparsh_ros.training.tacbench.bench import (
    END_TO_END,
    BenchSettings,
    run_bench,
)
from sparsh_ros.training.tacbench.encoders import Contender, open_contender
from sparsh_ros.training.tacbench.objectives import CLASSES, GROUPS
from sparsh_ros.training.tacbench.official import list_official
from sparsh_ros.training.tacbench.probe import ProbeSettings

Records = Sequence[Mapping[str, Any]]


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark; writes cells.jsonl, tacbench.json and tacbench.html."""
    torch.set_num_threads(arguments.threads)
    contenders = [open_contender(path) for path in arguments.encoders]
    size = contenders[0].spec.size
    size = "nano" if size.startswith(RESNET) else size
    spec = model_spec("end-to-end", size, arguments.out)
    contenders.append(Contender(END_TO_END, spec, frozen=False))
    settings = BenchSettings(
        budgets=tuple(budget / 100.0 for budget in arguments.budgets),
        seeds=tuple(arguments.seeds),
        tasks=tuple(arguments.tasks or _tasks_with_data(arguments.data)),
        probe=ProbeSettings(steps=arguments.steps),
        end_to_end=ProbeSettings(steps=arguments.steps, batch=32),
        chains=arguments.chains,
    )
    records = run_bench(contenders, arguments.data, arguments.out, settings)
    sections = []
    if arguments.real:
        frozen = [c for c in contenders if c.frozen and c.network is None]
        where = (arguments.real, arguments.sensor, arguments.data, arguments.out / "cache")
        sections.append(gap_section(frozen, *where))
    _report(records, settings, arguments.out, sections)
    return 0


def _tasks_with_data(data: Path) -> list[str]:
    """Tasks of an official layout, or those of the touches and of what has an own folder."""
    official = [task for task in CLASSES if list_official(data, task, "test")]
    tasks = chain.from_iterable(GROUPS)
    return official or [t for t in tasks if t not in CLASSES or (data / t).is_dir()]


def _report(
    records: Records, settings: BenchSettings, folder: Path, more: Sequence[Section]
) -> None:
    budgets = sorted(settings.budgets, reverse=True)
    ours = [
        _section(records, task, measure, budgets)
        for task, measures in table.MEASURES.items()
        for measure in measures
        if task in settings.tasks
    ]
    gains = _gains(records, budgets)
    facts = {
        "command": shlex.join(["sparsh-ros", *sys.argv[1:]]),
        "software": f"Python {platform.python_version()}, torch {torch.__version__}",
        "seeds of the heads": ", ".join(map(str, settings.seeds)),
        "steps": str(settings.probe.steps),
    }
    write_report(folder / "tacbench.html", [*ours, *more], _published(), gains, facts)
    summary = {"facts": facts, "cells": list(records), "gains": _all_gains(records, budgets)}
    summary["domain_gap"] = [dict(zip(s.head, row, strict=True)) for s in more for row in s.rows]
    (folder / "tacbench.json").write_text(json.dumps(summary, indent=2) + "\n")
    for section in (*ours, gains, *more):
        _show(section)
    Console().print(f"{folder / 'tacbench.html'}", soft_wrap=True)


def _section(
    records: Records, task: str, measure: table.Measure, budgets: Sequence[float]
) -> Section:
    values = table.tabulate(records, task, measure)
    rows, lines = [], {}
    for name in table.encoders(records):
        own = [values.get((name, budget)) for budget in budgets]
        rows.append([name, *(value.text(measure.digits) if value else "" for value in own)])
        known = sorted((b, v.mean) for b, v in zip(budgets, own, strict=True) if v)
        if name != table.TRIVIAL and known:
            lines[name] = ([b for b, _ in known], [v for _, v in known])
    unit = f", {measure.unit}" if measure.unit else ""
    return Section(f"{measure.title}{unit}", measure.unit, _head(budgets), rows, lines)


def _head(budgets: Sequence[float]) -> list[str]:
    return ["encoder", *(f"{budget:.0%} of labels" for budget in budgets)]


def _all_gains(records: Records, budgets: Sequence[float]) -> dict[str, Any]:
    return {
        f"{budget:g}": {
            "by_encoder": table.gains(records, budget),
            "mean": table.mean_gain(table.gains(records, budget)),
            "published": paper.published_gain(budget) if budget in paper.BUDGETS else None,
        }
        for budget in budgets
    }


def _gains(records: Records, budgets: Sequence[float]) -> Section:
    rows = []
    found = {budget: table.gains(records, budget) for budget in budgets}
    for name in table.encoders(records):
        own = [found[budget].get(name) for budget in budgets]
        if any(own):
            rows.append([name, *(f"{table.mean_gain({name: g}):+.1%}" if g else "" for g in own)])
    rows.append(["all", *(f"{table.mean_gain(found[budget]):+.1%}" for budget in budgets)])
    published = [
        f"{paper.published_gain(budget):+.1%}" if budget in paper.BUDGETS else ""
        for budget in budgets
    ]
    rows.append(["published tables, same formula", *published])
    title = "Mean gain over training end to end on the same labels"
    return Section(title, "", _head(budgets), rows, {})


def _published() -> list[Section]:
    return [
        Section(
            title, "", _head(paper.BUDGETS), [[n, *map(str, row)] for n, row in rows.items()], {}
        )
        for title, rows in paper.tables().items()
    ]


def _show(section: Section) -> None:
    screen = Screen(*section.head, title=section.title)
    for row in section.rows:
        screen.add_row(*row)
    Console().print(screen)
