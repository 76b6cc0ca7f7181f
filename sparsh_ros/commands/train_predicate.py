# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train predicate`: classifiers of predicates from recordings of a hand.

    sparsh-ros train predicate is_grasped is_slipping --recordings hand/train \
        --validation hand/validation --test hand/test --out predicates
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch
from rich.console import Console
from rich.table import Table

from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.predicates.samples import read_samples
from sparsh_ros.training.predicates.train import PredicateSettings, score, train_predicate

_COLUMNS = ("f1", "precision", "recall", "share", "f1_always")


def run(arguments: argparse.Namespace) -> int:
    """Train one classifier for each name, write their files, print their scores.

    Raises:
        DatasetError: A predicate cannot be learned from these recordings.
        SparshError: A recording or the model cannot be read.
    """
    torch.set_num_threads(1)
    model = load_model_spec(arguments.model, arguments.weights_dir).name
    splits = {
        split: read_samples(getattr(arguments, split), arguments.model, arguments.weights_dir)
        for split in ("recordings", "validation", "test")
    }
    settings = PredicateSettings(seed=arguments.seed)
    judge = "test" if splits["test"] else "validation"
    table = Table("", *_COLUMNS, title=f"{model}, {judge} recordings", box=None)
    for name in arguments.names:
        classifier = train_predicate(
            name, model, splits["recordings"], splits["validation"], settings
        )
        scores = score(classifier, splits[judge])
        replace(classifier, scores={f"{judge}_{k}": v for k, v in scores.items()}).save(
            arguments.out
        )
        table.add_row(name, *(f"{scores[column]:.3f}" for column in _COLUMNS))
    Console().print(table)
    return 0
