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
from safetensors.torch import save

from sparsh_ros.errors import WeightsError
from sparsh_ros.export.export import compact_state, round_to_float16, write_graph
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.layout import OUTPUTS, STEP_INPUTS, TURN_MM
from sparsh_ros.models.zoo import write_trained_values
from sparsh_ros.perception.streaming.friction_observer import Prior
from sparsh_ros.perception.streaming.runner import anisotropy
from sparsh_ros.training.schedule import BEST, load_checkpoint
from sparsh_ros.training.stream.batches import Batch, cut_chains
from sparsh_ros.training.stream.episodes import StreamEpisode
from sparsh_ros.training.stream.network import (
    Outputs,
    StreamNetwork,
    interleave,
    read_network,
)
from sparsh_ros.training.stream.scores import best_f1
from sparsh_ros.training.stream.slip_events import RATE_HZ, choose_rule

CHOSEN_FILE = "chosen.json"
STRIDE = 5
LIVE = {"key_frame": False, "detail": 1}
"""Settings of runs that the live path can run."""
ANISOTROPIES = (0.3, 0.4, 0.5, 0.6, 0.7)
DEAD_ZONES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
STEPS_OF_HALF_A_SECOND = 6
WORTH_TELLING = 0.7
LEAST_TURNS = 200
"""Frames on which a choice about rotation may rest."""
Ran = tuple[Outputs, Batch]
SCALES = ("force", "delta_force", "pose", "slide", "share", "margin")


def choose_run(runs: Sequence[Path]) -> Path:
    """The run with the lowest validation loss.

    Raises:
        WeightsError: A run has no `best.pt`, is one of an ablation that nothing runs live, or they
            are of different stages, whose losses do not compare.
    """
    losses, stages = {}, set()
    for run in runs:
        if not (run / BEST).is_file():
            raise WeightsError(f"{run}: wanted {BEST}, found none; run `sparsh-ros train stream`")
        best = load_checkpoint(run / BEST)
        losses[run] = best["loss"]
        stages.add(best.get("second_stage", False))
        if any(best.get("shape", {}).get(name, usual) != usual for name, usual in LIVE.items()):
            raise WeightsError(
                f"{run}: wanted a run that can run live, found one with {best['shape']}"
            )
    if len(stages) > 1:
        raise WeightsError(
            "stream-publish: wanted runs of one stage, found some of `train stream` and some of "
            "`train stream-heads`; name the latter alone"
        )
    return min(losses, key=losses.__getitem__)


@torch.no_grad()
def run_live(network: StreamNetwork, episode: StreamEpisode) -> Ran:
    """Every frame of an episode as live at 60 frames/s: five interleaved chains, a batch of 5."""
    batch = cut_chains(episode, STRIDE)
    return network.eval().forward_live(batch), batch


def calibrate(network: StreamNetwork, episodes: Sequence[StreamEpisode]) -> dict[str, Any]:
    """Choose on validation episodes what is not learned: thresholds, scales, what ships.

    A Laplace scale is right where the mean of |error| / scale is 1; each output's scale is
    multiplied by that mean. Sets `network.heads.calibration`.

    Returns:
        slip_threshold, slip_release, slip_confirm_s, slip_frame_threshold, turn_anisotropy,
        turn_dead_zone, unshipped, calibration by output, and the scores of the choice.
    """
    ran = [run_live(network, episode) for episode in episodes]
    ratios = {name: [_standardised(name, *pair) for pair in ran] for name in SCALES}
    factors = {name: float(np.concatenate(parts).mean()) for name, parts in ratios.items()}
    network.heads.set_calibration(factors)
    probability, slipping = [], []
    for outputs, batch in ran:
        slip = torch.sigmoid(outputs.heads["slip"]) * batch.contact
        probability.append(interleave(slip).numpy())
        slipping.append(interleave(batch.slipping).numpy())
    rule, scores = choose_rule(probability, slipping)
    in_contact = [interleave(batch.contact).numpy() for _, batch in ran]
    touch = np.concatenate(in_contact)
    frame_f1, frame_threshold = best_f1(
        np.concatenate(probability)[touch], np.concatenate(slipping)[touch]
    )
    limit, dead_zone = choose_turns(ran)
    return {
        "slip_threshold": rule.threshold,
        "slip_release": rule.release,
        "slip_confirm_s": round(rule.confirm_frames / RATE_HZ, 4),
        "slip_frame_threshold": round(frame_threshold, 3),
        "turn_anisotropy": limit,
        "turn_dead_zone": dead_zone,
        "unshipped": [name for name in SCALES if not beats_baseline(name, ran)],
        "calibration": factors,
        "validation_events": {
            "f1": scores.f1,
            "frame_f1": frame_f1,
            "false_per_min": scores.false_per_min,
            "unfounded_per_min": scores.unfounded_per_min,
            "delay_s": scores.delay_s,
            "events": scores.events,
        },
    }


@torch.no_grad()
def choose_turns(ran: Sequence[Ran]) -> tuple[float, float]:
    """When to tell a rotation, and how sure it has to be.

    Most contacts do not turn, so a rotation smaller than its own uncertainty is more often noise:
    it counts as none. That factor of the scale is the one with the least error over six steps in a
    row, half a second.

    Returns:
        The least anisotropy of the seen print above which the error is at most `WORTH_TELLING` of
        that of "no rotation" (2, that is never, where there is none), and the factor.
    """
    parts = [_turns(*pair) for pair in ran]
    dead_zone = min(DEAD_ZONES, key=lambda factor: sum(_summed(part, factor) for part in parts))
    found, scale, truth, shown = (torch.cat([p[i].flatten() for p in parts]) for i in range(4))
    error = (_told(found, scale, dead_zone) - truth).abs()
    for limit in ANISOTROPIES:
        told = shown > limit
        worst = WORTH_TELLING * truth[told].abs().mean()
        if told.sum() >= LEAST_TURNS and error[told].mean() <= worst:
            return limit, dead_zone
    return 2.0, dead_zone


Turns = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _turns(outputs: Outputs, batch: Batch) -> Turns:
    """(B, T) each: rotation told, its scale, the true one (rad), anisotropy both prints show; that
    is 0 out of contact."""
    seen = anisotropy(outputs.pressure.flatten(0, 1).numpy(), batch.size[:1].numpy())
    seen = torch.from_numpy(seen).reshape(batch.contact.shape)
    both = torch.minimum(seen, torch.cat([seen[:, :1] * 0, seen[:, :-1]], 1)) * batch.held
    scale = outputs.heads["pose_scale"][..., 2] / TURN_MM
    return outputs.heads["pose"][..., 2], scale, batch.pose[..., 2], both


def _told(found: torch.Tensor, scale: torch.Tensor, dead_zone: float) -> torch.Tensor:
    return torch.where(found.abs() < dead_zone * scale, torch.zeros_like(found), found)


def _summed(turns: Turns, dead_zone: float) -> float:
    """Sum of the errors over six steps in a row during all of which the print shows rotation."""
    found, scale, truth, shown = (part.unfold(1, STEPS_OF_HALF_A_SECOND, 1) for part in turns)
    error = (_told(found, scale, dead_zone) - truth).sum(2).abs()
    return float(error[(shown > ANISOTROPIES[0]).all(2)].sum())


def beats_baseline(name: str, ran: Sequence[Ran]) -> bool:
    """Whether an output is better than what needs no sensor, by a margin that the 95 % interval of
    a bootstrap over episodes clears: no change, no slide, or the median force, share and margin."""
    truths = [_truth(name, batch)[_mask(name, batch)] for _, batch in ran]
    guess = 0.0 if name in ("pose", "delta_force", "slide") else torch.cat(truths).median(0).values
    gains = []
    for (outputs, batch), truth in zip(ran, truths, strict=True):
        error = (outputs.heads[name][_mask(name, batch)] - truth).abs()
        gain = ((truth - guess).abs() - error).flatten() if name != "pose" else None
        if gain is None:
            gain = (truth.abs() - error)[:, :2].flatten()
        gains.append((float(gain.sum()), len(gain)))
    sums, counts = np.array(gains).T
    draws = np.random.default_rng(0).integers(len(sums), size=(1000, len(sums)))
    means = sums[draws].sum(1) / np.maximum(counts[draws].sum(1), 1)
    return bool(np.quantile(means, 0.025) > 0)


def _truth(name: str, batch: Batch) -> torch.Tensor:
    return torch.log1p(batch.slide) if name == "slide" else getattr(batch, name)


def _mask(name: str, batch: Batch) -> torch.Tensor:
    return batch.held if name in ("pose", "delta_force") else batch.contact


def _standardised(name: str, outputs: Outputs, batch: Batch) -> NDArray:
    """|error| / scale wherever that output means something."""
    ratio = (outputs.heads[name] - _truth(name, batch)).abs() / outputs.heads[f"{name}_scale"]
    ratio = ratio[_mask(name, batch)]
    return (ratio[:, :2] if name == "pose" else ratio).flatten().numpy()


def publish_best(
    runs: Sequence[Path], spec: ModelSpec, validation: Sequence[StreamEpisode], folder: Path
) -> dict[str, Any]:
    """Publish the best of several runs; returns what was chosen, also written as `chosen.json`."""
    run = choose_run(runs)
    network = read_network(run / BEST)
    chosen = calibrate(network, validation)
    publish_stream(network, spec, chosen, folder)
    chosen |= {"run": run.name, "runs": {each.name: _summary(each) for each in runs}}
    (folder / CHOSEN_FILE).write_text(json.dumps(chosen, indent=2) + "\n")
    return chosen


def _summary(run: Path) -> dict[str, Any]:
    """What the run was, without the folders of this machine; of one that still goes on, its best
    checkpoint."""
    if (run / "run.json").is_file():
        summary = json.loads((run / "run.json").read_text())
        start = ["/".join(Path(each).parts[-2:]) for each in summary["settings"]["start"]]
        return summary | {"settings": summary["settings"] | {"start": start}}
    state = load_checkpoint(run / BEST)
    return {"steps": state["step"], "best_loss": state["loss"]}


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
        slip_confirm_s=chosen["slip_confirm_s"],
        slip_frame_threshold=chosen["slip_frame_threshold"],
        turn_anisotropy=chosen["turn_anisotropy"],
        turn_dead_zone=chosen["turn_dead_zone"],
        unshipped=tuple(chosen["unshipped"]),
        friction_prior=tuple(round(float(value), 5) for value in prior.log_weight),
        evidence_kept=round(float(prior.memory), 5),
    )
    images = {
        name: torch.zeros((2, *spec.image_shape), dtype=torch.uint8)
        for name in ("current", "previous", "background")
    }
    write_graph(network.encoder, images, ["tokens"], spec, "encoder")
    values = {name: torch.zeros(2, size) for name, size in STEP_INPUTS.items()}
    write_graph(network.heads, values, list(OUTPUTS), spec, "heads")
    for part in ("encoder", "heads"):
        tensors = save(compact_state(getattr(network, part)))
        (folder / f"{part}.safetensors").write_bytes(tensors)
    write_trained_values(spec, folder)
    return spec
