# SPDX-License-Identifier: Apache-2.0
"""The benchmark's table: means, gains, and a benchmark that goes on where it was."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sparsh_ros.commands.tacbench import paper
from sparsh_ros.training.tacbench import bench, table
from sparsh_ros.training.tacbench.bench import END_TO_END, BenchSettings, Contender, run_bench


def _record(encoder, task, budget, seed, **scores):
    return {"encoder": encoder, "task": task, "budget": budget, "seed": seed, "scores": scores}


RECORDS = [
    _record("mae", "force", 0.33, 0, published_rmse_mn=40.0),
    _record("mae", "force", 0.33, 1, published_rmse_mn=60.0),
    _record("mae", "slip", 0.33, 0, f1=0.8),
    _record("dino", "slip", 0.33, 0, f1=0.6),
    _record(END_TO_END, "force", 0.33, 0, published_rmse_mn=100.0),
    _record(END_TO_END, "slip", 0.33, 0, f1=0.4),
]


def test_values_are_means_over_seeds_with_their_spread():
    values = table.tabulate(RECORDS, "force", table.MEASURES["force"][0])
    value = values["mae", 0.33]
    assert (value.mean, value.seeds) == (50.0, 2)
    assert value.spread == pytest.approx(math.sqrt(200.0))
    assert value.text(1) == "50.0 ± 14.1"
    assert values[END_TO_END, 0.33].text(0) == "100"


def test_gains_are_shares_of_end_to_end_whatever_is_better():
    found = table.gains(RECORDS, 0.33)
    assert found["mae"] == pytest.approx({"force": 0.5, "slip": 1.0})
    assert found["dino"] == pytest.approx({"slip": 0.5})
    assert table.mean_gain(found) == pytest.approx(2.0 / 3.0)
    assert table.gains(RECORDS, 0.1) == {} and math.isnan(table.mean_gain({}))


def test_the_published_gain_by_hand():
    gains = []
    for title, rows in paper.tables().items():
        for name, row in rows.items():
            if name != "end to end":
                change = row[1] / rows["end to end"][1] - 1.0
                gains.append(-change if title.endswith("mN") else change)
    assert paper.published_gain(0.33) == pytest.approx(np.mean(gains))


def test_what_is_compared_with_stands_last():
    records = [_record(bench.TRIVIAL, "slip", 1.0, 0), *reversed(RECORDS)]
    assert table.encoders(records) == ["dino", "mae", END_TO_END, bench.TRIVIAL]


def test_a_stopped_benchmark_goes_on_where_it_was(tmp_path, monkeypatch):
    asked = []

    class Field:
        def __init__(self, contender, *_):
            self.name = contender.name

        def scores(self, budget, seed, settings):
            asked.append((self.name, budget, seed))
            if len(asked) == 3:
                raise KeyboardInterrupt
            return {"slip": {"f1": 0.5}}

        def trivial(self):
            return {"slip": {"f1": 0.1}}

    monkeypatch.setattr(bench, "Arena", Field)
    contenders = [Contender("mae", None, True), Contender(END_TO_END, None, False)]
    settings = BenchSettings(budgets=(0.33, 1.0), seeds=(0,), tasks=("slip",))
    with pytest.raises(KeyboardInterrupt):
        run_bench(contenders, tmp_path, tmp_path, settings)
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"encoder": "mae", "ta')  # cut off by a kill
    records = run_bench(contenders, tmp_path, tmp_path, settings)
    wanted = [("mae", 0.33, 0), (END_TO_END, 0.33, 0), ("mae", 1.0, 0)]
    assert asked == [*wanted, ("mae", 1.0, 0), (END_TO_END, 1.0, 0)]
    assert len(records) == 5  # four cells, and what needs no sensor once
    assert len(bench.read_cells(tmp_path / "cells.jsonl")) == 5
