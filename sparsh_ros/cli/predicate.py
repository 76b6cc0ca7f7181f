# SPDX-License-Identifier: Apache-2.0
"""Options of `sparsh-ros train predicate`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sparsh_ros.names import DEFAULT_MODEL

AddStep = Callable[[argparse._SubParsersAction, str, str], argparse.ArgumentParser]


def add_predicate_step(steps: argparse._SubParsersAction, add_step: AddStep) -> None:
    """Describe the step."""
    parser = add_step(steps, "predicate", "train the classifiers of predicates on recordings")
    parser.add_argument("names", nargs="+", metavar="NAME", help="predicates, as is_grasped")
    for name, text, needed in (
        ("recordings", "to learn from", True),
        ("validation", "to choose by: other sensor instances", True),
        ("test", "to score at the end: other instances and objects", False),
    ):
        parser.add_argument(
            f"--{name}",
            type=Path,
            nargs="+",
            required=needed,
            default=(),
            metavar="BAG",
            help=f"bags, or folders with bags, {text}",
        )
    parser.add_argument("--out", type=Path, required=True, help="folder for the classifiers")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, or path of a .yaml file")
    parser.add_argument("--weights-dir", type=Path, help="folder with the model's weights")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")
