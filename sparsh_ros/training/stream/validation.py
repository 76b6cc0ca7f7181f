# SPDX-License-Identifier: Apache-2.0
"""The network on whole episodes: its loss and its scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sparsh_ros.training.stream.batches import Batch, collate, cut_sequence, move
from sparsh_ros.training.stream.episodes import StreamEpisode
from sparsh_ros.training.stream.every_frame import FrameBatch, decode_frames
from sparsh_ros.training.stream.losses import losses, total_loss
from sparsh_ros.training.stream.network import StreamNetwork, to_cpu
from sparsh_ros.training.stream.scores import head_scores, join_outputs, stream_scores
from sparsh_ros.training.stream.slip_events import choose_rule

STRIDE = 5


def whole_batches(episodes: list[StreamEpisode], size: int = 8) -> list[Batch]:
    """Every fifth frame of whole episodes of equal length, in batches."""
    steps = (len(episodes[0].frames) - 1) // STRIDE
    rows = [cut_sequence(episode, 0, STRIDE, steps) for episode in episodes]
    return [collate(rows[first : first + size]) for first in range(0, len(rows), size)]


@torch.no_grad()
def evaluate_network(
    network: StreamNetwork, batches: list[Batch], exact: Sequence[str] = ()
) -> tuple[float, dict[str, float]]:
    """Mean weighted loss and the scores of `stream.scores`; `exact`: see `StreamNetwork.see`."""
    outputs = [to_cpu(network.eval()(move(b, network.device), exact)) for b in batches]
    loss = [total_loss(losses(*pair)).item() for pair in zip(outputs, batches, strict=True)]
    return float(np.mean(loss)), stream_scores(join_outputs(outputs), join_batches(batches))


@torch.no_grad()
def score_heads(network: StreamNetwork, batch: FrameBatch) -> dict[str, float]:
    """Scores of the heads on every frame of whole touches; events by the rule that is best on
    them."""
    heads = decode_frames(network.eval(), batch)
    probability = torch.sigmoid(heads["slip"]) * batch.contact
    _, events = choose_rule(probability.numpy(), batch.slipping.numpy())
    found = {"event_f1": events.f1, "false_per_min": events.false_per_min}
    return head_scores(heads, batch) | found


def join_batches(batches: list[Batch]) -> Batch:
    """Batches of sequences of equal length as one."""
    return Batch(**{n: torch.cat([vars(batch)[n] for batch in batches]) for n in vars(batches[0])})
