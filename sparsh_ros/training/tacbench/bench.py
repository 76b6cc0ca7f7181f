# SPDX-License-Identifier: Apache-2.0
"""The benchmark: encoders x tasks x label budgets x seeds, one cell after the other.

A cell that is done is on disk at once, so that a benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.clips.store import ClipStore, open_clips
from sparsh_ros.training.episodes import SPLITS
from sparsh_ros.training.splits import check_splits
from sparsh_ros.training.tacbench.encoders import Contender
from sparsh_ros.training.tacbench.examples import Examples, examples_of
from sparsh_ros.training.tacbench.objectives import CLASSES, FIELD, GROUPS, trivial
from sparsh_ros.training.tacbench.probe import ProbeSettings, ProbeTraining
from sparsh_ros.training.tacbench.simulated.store import ClassStore, open_classes
from sparsh_ros.training.tasks import bin_values

END_TO_END, TRIVIAL = "end to end", "trivial"
BUDGETS = (0.33, 0.01, 1.0, 0.1)
"""Shares of the labels, the one that the paper's mean gain is of first."""


@dataclass(frozen=True)
class BenchSettings:
    """What to compare.

    Attributes:
        budgets: Shares of the labels.
        seeds: Of the probes.
        tasks: To compare in, see `objectives.GROUPS`.
        probe: Settings of probes on frozen encoders; the seed is set by ``seeds``.
        end_to_end: Settings of the network from scratch.
        chains: Of each five frames, how many are the newest of a clip.
    """

    budgets: Sequence[float] = BUDGETS
    seeds: Sequence[int] = (0, 1, 2)
    tasks: Sequence[str] = tuple(chain.from_iterable(GROUPS))
    probe: ProbeSettings = ProbeSettings()
    end_to_end: ProbeSettings = ProbeSettings(batch=32)
    chains: int = 1


class Arena:
    """The data of some tasks as one contender reads it."""

    def __init__(
        self, contender: Contender, tasks: Sequence[str], data: Path, cache: Path, chains: int
    ) -> None:
        """Open the splits.

        Args:
            contender: Who reads.
            tasks: Of one of `GROUPS`.
            data: Folder with simulated episodes.
            cache: Folder for files.
            chains: Of each five frames, how many are the newest of a clip.

        Raises:
            DatasetError: A split is missing or damaged, or shares what it must not.
        """
        self.contender, self.tasks, self.spec = contender, tasks, contender.spec
        self.stores: dict[str, ClipStore | ClassStore] = {
            split: open_classes(data, tasks[0], split, cache, self.spec)
            if tasks[0] in CLASSES
            else open_clips(data, split, cache, self.spec, chains).labelled(tasks)
            for split in SPLITS
        }
        check_splits({split: store.metas for split, store in self.stores.items()})
        if isinstance(self.stores["train"], ClipStore):
            self.spec = bin_values(self.stores["train"].labels.motion, self.spec)
        self._cache = cache / "tokens"

    @cached_property
    def examples(self) -> Mapping[str, Examples]:
        """Examples by split."""
        contender, encoder = self.contender, None
        if contender.frozen:
            encoder = contender.network or load_model_encoder(contender.spec)
        fields = FIELD in self.tasks
        return {
            split: examples_of(store, self.spec, encoder, self._cache, fields)
            for split, store in self.stores.items()
        }

    def fresh_encoder(self) -> VisionTransformer | None:
        """A new encoder to train, or None where the contender is frozen."""
        return None if self.contender.frozen else VisionTransformer.from_spec(self.contender.spec)

    def scores(
        self, budget: float, seed: int, settings: BenchSettings
    ) -> dict[str, dict[str, float]]:
        """Test scores by task of heads that were trained on a share of the labels."""
        probe = settings.probe if self.contender.frozen else settings.end_to_end
        probe = ProbeSettings(**asdict(probe) | {"seed": seed})
        torch.manual_seed(seed)
        training = ProbeTraining(self.tasks, self.spec, probe, self.fresh_encoder())
        examples = self.examples
        training.run(examples["train"].share(budget), examples["validation"])
        return {
            task: training.score(task, examples["validation"], examples["test"])
            for task in self.tasks
        }

    def trivial(self) -> dict[str, dict[str, float]]:
        """Scores of the answers that need no sensor."""
        train, test = self.examples["train"].labels, self.examples["test"].labels
        return {task: trivial(task, train, test, self.spec) for task in self.tasks}


def run_bench(
    contenders: Sequence[Contender], data: Path, folder: Path, settings: BenchSettings
) -> list[dict[str, Any]]:
    """Train and score every cell that is not there yet.

    Returns:
        A record per cell and task: encoder, task, budget, seed, scores.

    Raises:
        DatasetError: A split is missing or damaged, or shares what it must not.
    """
    path = folder / "cells.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    records = read_cells(path)
    _write(path, records, "w")  # without a line that was cut off
    groups = [[task for task in group if task in settings.tasks] for group in GROUPS]
    cells = [
        (group, *cell)
        for group in groups
        for cell in _cells(contenders, settings)
        if group and (cell[0].has_grid or FIELD not in group)
    ]
    arenas: dict[tuple[str, ...], Arena] = {}
    with progress_bar("Benchmark", len(cells)) as bar:
        for count, (tasks, contender, budget, seed) in enumerate(cells):
            label = f"{contender.name}, {', '.join(tasks)}, {budget:.0%} of the labels, seed {seed}"
            bar.update(count, label)
            if _is_done(records, tasks, contender.name, budget, seed):
                continue
            key = (contender.name, *tasks)
            if key not in arenas:
                arenas[key] = Arena(contender, tasks, data, folder / "cache", settings.chains)
            new = _records(contender.name, budget, seed, arenas[key].scores(budget, seed, settings))
            if not _is_done(records, tasks, TRIVIAL, 1.0, 0):
                new += _records(TRIVIAL, 1.0, 0, arenas[key].trivial())
            _write(path, new, "a")
            records += new
    return records


def _is_done(
    records: Sequence[Mapping[str, Any]], tasks: Sequence[str], *cell: str | float
) -> bool:
    done = {r["task"] for r in records if (r["encoder"], r["budget"], r["seed"]) == cell}
    return done >= set(tasks)


def _write(path: Path, records: Sequence[Mapping[str, Any]], mode: str) -> None:
    with path.open(mode) as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def _cells(
    contenders: Sequence[Contender], settings: BenchSettings
) -> Iterator[tuple[Contender, float, int]]:
    """The first seed of everything before the second of anything."""
    for seed in settings.seeds:
        for budget in settings.budgets:
            for contender in contenders:
                yield contender, budget, seed


def _records(
    encoder: str, budget: float, seed: int, scores: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    return [
        {"encoder": encoder, "task": task, "budget": budget, "seed": seed, "scores": dict(found)}
        for task, found in scores.items()
    ]


def read_cells(path: Path) -> list[dict[str, Any]]:
    """What was done so far; a line that was cut off by a kill is left out."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records
