# SPDX-License-Identifier: Apache-2.0
"""The three training steps on a run folder, each leaving its weights and a JSON of what it was.

<run>/cache/                byte stores of the splits, tokens of the frozen encoder
<run>/mae/, mae.json        pre-training, and `encoder.safetensors`
<run>/heads.json            heads on the frozen encoder, and `heads.safetensors`
<run>/end_to_end.json       the same network from scratch
"""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from sparsh_ros.evaluation.metrics import select_threshold
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import ENCODER_FILE, HEADS_FILE
from sparsh_ros.training.clips.mixed import MixedClips
from sparsh_ros.training.clips.store import ClipStore
from sparsh_ros.training.episodes import SEED_STRIDE, SPLITS, readable_episode
from sparsh_ros.training.probes import Candidate, ProbeSettings, Tokens, read_out, train_heads
from sparsh_ros.training.recipes.end_to_end import EndToEndSettings, EndToEndTraining
from sparsh_ros.training.splits import check_splits
from sparsh_ros.training.store import PairStore, open_store
from sparsh_ros.training.tasks import (
    HEAD_NAMES,
    Targets,
    bin_values,
    head_scores,
    slip_probability,
    trivial_scores,
)
from sparsh_ros.training.tokens import cache_tokens

Stores = dict[str, PairStore]
Split = PairStore | ClipStore
Scores = dict[str, float]


def open_splits(data: Path, run: Path, chains: int) -> Stores:
    """Open the pairs of all splits and check that nothing held out was seen.

    Raises:
        DatasetError: A split is missing, damaged, or shares what it must not.
    """
    stores = {split: open_store(data, split, run / "cache", chains) for split in SPLITS}
    check_splits({split: store.metas for split, store in stores.items()})
    return stores


def train_probes(stores: Stores, spec: ModelSpec, run: Path, settings: ProbeSettings) -> None:
    """Train heads on the frozen encoder of ``run``; writes `heads.safetensors`, `heads.json` and
    the trained values."""
    encoder = load_model_encoder(spec, run / ENCODER_FILE).requires_grad_(False)
    spec = bin_values(stores["train"].labels.motion, spec)
    tokens = {
        split: Tokens(
            cache_tokens(encoder, store, run / "cache", bfloat16=split == "train"),
            Targets.of(store.labels, spec),
        )
        for split, store in stores.items()
    }
    trained = train_heads(tokens["train"], tokens["validation"], spec, settings)
    results = {
        name: [_score_candidate(name, c, tokens, stores, spec) for c in candidates]
        for name, candidates in trained.items()
    }
    picks = {name: pick_seed(candidates) for name, candidates in trained.items()}
    heads = {name: trained[name][pick].best_head() for name, pick in picks.items()}
    tensors = {f"{n}.{key}": v for n, head in heads.items() for key, v in head.state_dict().items()}
    save_file(tensors, run / HEADS_FILE)
    summary = {
        **describe_run(stores),
        "settings": asdict(settings),
        "trivial": {
            name: trivial_scores(name, stores["train"].labels, stores["test"].labels, spec)
            for name in HEAD_NAMES
        },
        "heads": {name: {"pick": picks[name], "seeds": results[name]} for name in results},
        "trained_values": {
            "slip_threshold": results["slip"][picks["slip"]]["scores"]["threshold"],
            "pose_bin_values_mm": spec.pose_bin_values_mm,
            "pose_bin_values_deg": spec.pose_bin_values_deg,
        },
    }
    write_json(run / "heads.json", summary)


def pick_seed(candidates: Sequence[Candidate]) -> int:
    """Which of the heads trained with different seeds ships: that of the lowest validation loss."""
    return int(np.argmin([candidate.loss for candidate in candidates]))


def _score_candidate(
    name: str, candidate: Candidate, tokens: Mapping[str, Tokens], stores: Stores, spec: ModelSpec
) -> dict[str, Any]:
    head = candidate.best_head()
    outputs = {s: read_out(tokens[s].values, {name: head})[name] for s in ("validation", "test")}
    scores = score_held_out(name, outputs, stores, spec)
    return {**candidate.summary(), "scores": scores}


def score_held_out(
    name: str, outputs: Mapping[str, Any], stores: Stores, spec: ModelSpec
) -> Scores:
    """Test scores of a head from its outputs by split; validation chooses the slip threshold."""
    threshold = spec.slip_threshold
    if name == "slip":
        slipping = stores["validation"].labels.slipping
        threshold = select_threshold(slip_probability(outputs["validation"]), slipping)
    return head_scores(name, outputs["test"], stores["test"].labels, spec, threshold)


def train_end_to_end(
    stores: Stores, spec: ModelSpec, run: Path, settings: EndToEndSettings
) -> None:
    """Train the same network from scratch on the labels; writes `end_to_end.json`."""
    spec = bin_values(stores["train"].labels.motion, spec)
    training = EndToEndTraining(spec, settings)
    summary = training.run(stores["train"], stores["validation"])
    outputs = {split: training.read_best(stores[split]) for split in ("validation", "test")}
    scores = {
        name: score_held_out(name, {s: outputs[s][name] for s in outputs}, stores, spec)
        for name in HEAD_NAMES
    }
    write_json(run / "end_to_end.json", {**describe_run(stores), **summary, "scores": scores})


def with_trained_values(spec: ModelSpec, values: Mapping[str, Any]) -> ModelSpec:
    """The spec with the `trained_values` of a `heads.json`."""
    millimetres = tuple(tuple(row) for row in values["pose_bin_values_mm"])
    return replace(
        spec,
        slip_threshold=values["slip_threshold"],
        pose_axes=tuple(values["pose_axes"]),
        pose_bin_values_mm=millimetres,
        pose_bin_values_deg=tuple(values["pose_bin_values_deg"]),
    )


def describe_run(stores: Mapping[str, Split | MixedClips]) -> dict[str, Any]:
    """The command, the software and the data of this run; of a mixture a list."""
    return {
        "command": shlex.join(["sparsh-ros", *sys.argv[1:]]),
        "software": {"python": platform.python_version(), "torch": torch.__version__},
        "data": {
            split: [describe_store(part) for part in store.parts]
            if isinstance(store, MixedClips)
            else describe_store(store)
            for split, store in stores.items()
        },
    }


def describe_store(store: Split) -> dict[str, Any]:
    """The command that made a split, and its counts: episodes, sensors, shapes, pairs and how many
    of them slip or move, or how many there are of each class."""
    labels, seeds = store.labels, [meta["instance_seed"] for meta in store.metas]
    if isinstance(labels, np.ndarray):
        counts = {"classes": np.bincount(labels).tolist()}
    else:
        counts = {
            "in_contact": int(labels.in_contact.sum()),
            "slipping": int(labels.slipping.sum()),
            "with_motion": int((~np.isnan(labels.motion[:, 0])).sum()),
        }
    return {
        "command": simulation_command(store.dataset, store.folder.name),
        "episodes": len(store.metas),
        "instance_seeds": [min(seeds), max(seeds)],
        "sensors": sorted({meta["sensor"] for meta in store.metas}),
        "kinds": sorted({kind for meta in store.metas for kind in meta["kinds"]}),
        "pairs": len(store),
        **counts,
    }


def simulation_command(dataset: Path, split: str) -> str:
    """The `sparsh-ros simulate` that makes the episodes of a split, told from the episodes; "" for
    recordings."""
    paths = sorted((dataset / split).glob("episode_*.npz"))
    if not paths:
        return ""
    with readable_episode(paths[0], "make it again") as fields:
        meta, small = fields["meta"], "frames" in fields
        if "task" in meta:
            small, dataset = fields["frames"].shape[2] < IMAGE_SHAPE[0], dataset.parent
            length = f"--task {meta['task']}"
        else:
            frames = len(fields["frames" if small else "stamp_ns"])
            length = f"--duration {frames / meta['rate_hz']:g}"
    seed = (meta["instance_seed"] - SPLITS[split][0]) // SEED_STRIDE
    return (
        f"sparsh-ros simulate --out {shlex.quote(str(dataset))} --split {split} "
        f"--episodes {len(paths)} {length} --seed {seed}{' --small' if small else ''}"
    )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a mapping for people and programs to read."""
    path.write_text(json.dumps(value, indent=2) + "\n")
