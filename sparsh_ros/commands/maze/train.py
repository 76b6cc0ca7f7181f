# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train policy`: a policy of the bead maze from demonstrations."""

from __future__ import annotations

import argparse
import sys

import torch

from sparsh_ros.policies.demonstrations import load_all
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.policy.train import PolicySettings, train_policy


def run(arguments: argparse.Namespace) -> int:
    """Train and export."""
    torch.set_num_threads(1)
    demonstrations = load_all(arguments.data)
    count = max(round(len(demonstrations) * min(arguments.share, 100.0) / 100.0), 2)
    settings = PolicySettings(
        arguments.kind,
        arguments.epochs,
        seed=arguments.seed,
        without=arguments.without,
        encoder=arguments.encoder,
        truth=arguments.truth,
    )
    with progress_bar(f"Policy {arguments.kind}", settings.count) as bar:
        result = train_policy(demonstrations[:count], settings, arguments.out, bar.advance)
    sys.stdout.write(
        f"{arguments.out}: {count} demonstrations, {result.pairs} pairs, loss on those held back "
        f"{min(result.losses):.3f}, {result.seconds:.0f} s\n"
    )
    return 0
