# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros maze`: the simulated bead maze.

sparsh-ros maze draw --seed 3 --out maze.webm
sparsh-ros maze demonstrate --out demonstrations --count 50
sparsh-ros maze export --data demonstrations --out dataset

`sparsh-ros train policy` learns from these, `sparsh-ros bench bead-maze` compares.
"""

from __future__ import annotations

import argparse
import sys

import cv2

from sparsh_ros.commands.maze.films import film_expert, film_policy
from sparsh_ros.policies.bags import write_bag
from sparsh_ros.policies.demonstrations import Demonstration, load_all, record_all
from sparsh_ros.policies.lerobot import write_dataset
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.progress import progress_bar


def run(arguments: argparse.Namespace) -> int:
    """Run one of the steps."""
    cv2.setNumThreads(1)
    {"draw": _draw, "demonstrate": _demonstrate, "export": _export}[arguments.step](arguments)
    return 0


def _draw(arguments: argparse.Namespace) -> None:
    if arguments.policy is None:
        picture = film_expert(arguments.family, arguments.seed, arguments.out)
    else:
        policy = Policy(arguments.policy)
        _, picture = film_policy(
            policy, arguments.family, arguments.seed, TouchReader(), arguments.out
        )
    still = arguments.out.with_suffix(".png")
    cv2.imwrite(str(still), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    sys.stdout.write(f"{arguments.out} and {still}\n")


def _demonstrate(arguments: argparse.Namespace) -> None:
    with progress_bar("Demonstrations", arguments.count) as bar:
        for path in record_all(
            arguments.out, arguments.count, arguments.family, arguments.disturbance
        ):
            bag = path.with_suffix("")
            if arguments.bags and not bag.exists():
                write_bag(Demonstration.load(path), bag)
            bar.advance()


def _export(arguments: argparse.Namespace) -> None:
    demonstrations = load_all(arguments.data)
    rows = write_dataset(demonstrations, arguments.out)
    sys.stdout.write(f"{arguments.out}: {len(demonstrations)} episodes, {rows} rows\n")
