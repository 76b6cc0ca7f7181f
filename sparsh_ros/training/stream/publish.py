# SPDX-License-Identifier: Apache-2.0
"""From finished runs to a weights folder: the best run on validation, calibrated, as ONNX.

Which run ships, slip thresholds, scales of the uncertainty and the anisotropy from which a rotation
is told are all chosen on the validation split; the test split is only scored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from sparsh_ros.errors import WeightsError
from sparsh_ros.export.export import round_to_float16, write_graph
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.stream_layout import CHANNELS, HIDDEN, OUTPUTS, READINGS, WHOLE
from sparsh_ros.models.zoo import write_trained_values
from sparsh_ros.perception.friction_observer import Prior
from sparsh_ros.training.schedule import BEST, load_checkpoint
from sparsh_ros.training.stream.batches import Batch, collate, cut_sequence
from sparsh_ros.training.stream.episodes import StreamEpisode
from sparsh_ros.training.stream.network import Outputs, StreamNetwork
from sparsh_ros.training.stream.slip_events import choose_thresholds

STRIDE = 5
SCALES = ("force", "delta_force", "pose", "slide", "share", "margin")


def choose_run(runs: Sequence[Path]) -> Path:
    """The run with the lowest validation loss.

    Raises:
        WeightsError: A run has no `best.pt`.
    """
    losses = {}
    for run in runs:
        if not (run / BEST).is_file():
            raise WeightsError(f"{run}: wanted {BEST}, found none; run `sparsh-ros train stream`")
        losses[run] = load_checkpoint(run / BEST)["loss"]
    return min(losses, key=losses.__getitem__)


@torch.no_grad()
def run_live(network: StreamNetwork, episode: StreamEpisode) -> tuple[Outputs, Batch]:
    """Every frame of an episode as live at 60 frames/s: five interleaved chains, a batch of 5."""
    steps = (len(episode.frames) - 1 - (STRIDE - 1)) // STRIDE
    batch = collate([cut_sequence(episode, phase, STRIDE, steps) for phase in range(STRIDE)])
    return network.eval()(batch), batch


def interleave(values: torch.Tensor) -> NDArray:
    """(5, T, ...) of the chains -> (5 T, ...) in order of time."""
    return values.transpose(0, 1).flatten(0, 1).numpy()


def calibrate(network: StreamNetwork, episodes: Sequence[StreamEpisode]) -> dict[str, Any]:
    """Choose on validation episodes what is not learned: thresholds and scales.

    A Laplace scale is right where the mean of |error| / scale is 1; each output's scale is
    multiplied by that mean. Sets `network.heads.calibration`.

    Returns:
        slip_threshold, slip_release, calibration by output, and the scores of the choice.
    """
    ran = [run_live(network, episode) for episode in episodes]
    factors = {}
    for name in SCALES:
        ratios = [_standardised(name, *pair) for pair in ran]
        factors[name] = float(np.concatenate(ratios).mean())
    network.heads.set_calibration(factors)
    probability, slipping = [], []
    for outputs, batch in ran:
        slip = torch.sigmoid(outputs.heads["slip"]) * batch.contact
        probability.append(interleave(slip))
        slipping.append(interleave(batch.slipping))
    on, off, scores = choose_thresholds(probability, slipping)
    return {
        "slip_threshold": on,
        "slip_release": off,
        "calibration": factors,
        "validation_events": {
            "f1": scores.f1,
            "false_per_min": scores.false_per_min,
            "delay_s": scores.delay_s,
            "events": scores.events,
        },
    }


def _standardised(name: str, outputs: Outputs, batch: Batch) -> NDArray:
    """|error| / scale wherever that output means something."""
    truth = torch.log1p(batch.slide) if name == "slide" else getattr(batch, name)
    error = (outputs.heads[name] - truth).abs()
    if name == "pose":
        error = error * torch.tensor([1.0, 1.0, 3.0])
    ratio = error / outputs.heads[f"{name}_scale"]
    mask = batch.held if name in ("pose", "delta_force") else batch.contact
    if name == "pose":
        return ratio[mask][:, :2].flatten().numpy()
    return ratio[mask].flatten().numpy()


def publish_stream(
    network: StreamNetwork, spec: ModelSpec, chosen: dict[str, Any], folder: Path
) -> ModelSpec:
    """Write encoder and heads as ONNX and safetensors, and `heads.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    round_to_float16(network)
    prior = Prior(*(part.detach() for part in network.prior()))
    spec = replace(
        spec,
        weights=folder,
        heads=("force", "slip", "pose"),
        slip_threshold=chosen["slip_threshold"],
        slip_release=chosen["slip_release"],
        friction_prior=tuple(round(float(value), 5) for value in prior.log_weight),
        evidence_kept=round(float(prior.memory), 5),
    )
    images = {
        name: torch.zeros((2, *IMAGE_SHAPE), dtype=torch.uint8)
        for name in ("current", "previous", "background")
    }
    write_graph(network.encoder, images, ["tokens"], spec, "encoder")
    values = {
        "whole": torch.zeros(2, WHOLE * CHANNELS),
        "readings": torch.zeros(2, len(READINGS)),
        "hidden": torch.zeros(2, HIDDEN),
    }
    write_graph(network.heads, values, list(OUTPUTS), spec, "heads")
    for part in ("encoder", "heads"):
        state = getattr(network, part).state_dict()
        save_file({n: v.contiguous() for n, v in state.items()}, folder / f"{part}.safetensors")
    write_trained_values(spec, folder)
    return spec


def write_scores(scores: dict[str, Any], folder: Path) -> None:
    """Every figure of the model card."""
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
