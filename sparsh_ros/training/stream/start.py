# SPDX-License-Identifier: Apache-2.0
"""Weights to go on from: of runs, or published ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sparsh_ros.errors import WeightsError
from sparsh_ros.training.schedule import load_checkpoint

_VALUES_FILE = "heads.json"


def load_weights(network: nn.Module, paths: Sequence[Path]) -> None:
    """Have a `StreamNetwork` go on from such weights, see `read_weights`, or from the mean of
    several (Wortsman et al., 2022), of runs that went on from the same.

    Raises:
        WeightsError: They cannot be read, or are those of another architecture.
    """
    states = []
    for path in paths:
        states.append(read_weights(path))
        try:
            network.load_state_dict(states[-1])
        except RuntimeError as error:  # torch names every tensor that does not fit, a line each
            raise WeightsError(
                f"{path}: wanted weights of the streaming model as it is now, found others "
                f"({' '.join(str(error).split())[:200]})"
            ) from error
    network.load_state_dict({name: _mean([s[name] for s in states]) for name in states[0]})


def _mean(values: list[Tensor]) -> Tensor:
    """Of weights; counters stay those of the first."""
    return torch.stack(values).mean(0) if values[0].is_floating_point() else values[0]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state of a `StreamNetwork`.

    Args:
        path: `checkpoint.pt` or `best.pt` of a run, or a folder that `train stream-publish` wrote.

    Raises:
        WeightsError: There is no such file, or it holds something else.
    """
    if path.is_dir():
        return _read_published(path)
    state = load_checkpoint(path)
    for name in ("average", "network"):
        if name in state:
            return state[name]
    raise WeightsError(f"{path}: wanted the weights of `sparsh-ros train stream`, found none")


def _read_published(folder: Path) -> dict[str, Tensor]:
    try:
        values = json.loads((folder / _VALUES_FILE).read_text())
        kept = torch.tensor(float(values["evidence_kept"]))
        state = {
            "log_weight": torch.tensor(values["friction_prior"], dtype=torch.float32),
            "memory": torch.logit(kept),
        }
        for part in ("encoder", "heads"):
            tensors = load_file(folder / f"{part}.safetensors")
            state |= {
                f"{part}.{n}": t.float() if t.is_floating_point() else t for n, t in tensors.items()
            }
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WeightsError(
            f"{folder}: wanted a published streaming model, heads.json and two .safetensors "
            f"({type(error).__name__}: {error})"
        ) from error
    return state
