# SPDX-License-Identifier: Apache-2.0
"""The steps of `sparsh-ros train` that are about AnyTouch.

sparsh-ros train anytouch --data touches --run runs/anytouch --minutes 10
sparsh-ros train anytouch-align --start runs/anytouch --data touches --run runs/aligned
sparsh-ros train touch-probe material --encoder checkpoint.pth --data tactile_datasets --run probe
"""

from __future__ import annotations

import argparse

import torch
from rich.console import Console

from sparsh_ros.training.loop.training import LoopSettings
from sparsh_ros.training.multisensor.anytouch import (
    ANYTOUCH_RECIPES,
    AnyTouchTraining,
    train_anytouch,
)
from sparsh_ros.training.multisensor.touch_probe import TouchProbe, train_touch_probe

STAGES = tuple(ANYTOUCH_RECIPES)


def run_stage(arguments: argparse.Namespace, loop: LoopSettings) -> int:
    """Train one of `STAGES`."""
    torch.set_num_threads(arguments.threads)
    minutes = None if arguments.steps else arguments.minutes
    where = arguments.data, arguments.folder
    start = arguments.size, arguments.start, arguments.subtract
    options = minutes, arguments.resume, *start
    train_anytouch(AnyTouchTraining(arguments.step, *where, loop, *options))
    return 0


def run_probe(arguments: argparse.Namespace) -> int:
    """Train a linear probe; says its score."""
    torch.set_num_threads(arguments.threads)
    where = arguments.encoder, arguments.data, arguments.folder
    scores = train_touch_probe(TouchProbe(arguments.task, *where, arguments.epochs, arguments.seed))
    Console().print(
        f"{arguments.task}: {scores['test']:.2f} % right on test, {scores['validation']:.2f} % on "
        f"validation; the commonest label is {scores['commonest']:.2f} % of test",
        soft_wrap=True,
    )
    return 0
