# SPDX-License-Identifier: Apache-2.0
"""What probes learn from: tokens of a frozen encoder or patches, with labels; shares of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.training.clips.store import ClipStore, writing
from sparsh_ros.training.patches import cut_clips, scale_patches
from sparsh_ros.training.schedule import fastest_device
from sparsh_ros.training.store import PairLabels
from sparsh_ros.training.tacbench.encoders import read_tokens, readable
from sparsh_ros.training.tacbench.fields import field_targets
from sparsh_ros.training.tacbench.simulated.store import ClassStore
from sparsh_ros.training.tasks import Targets

READ_BATCH = 128
_ORDER_SEED = 2024
Inputs = Callable[[NDArray[np.int64]], Tensor]


@dataclass(frozen=True)
class Examples:
    """Labelled clips as a network reads them.

    Attributes:
        inputs: Indices (B,) -> what the network takes: tokens (B, N, D) or patches (B, N, P).
        labels: What is true of each; classes (n,) int64 or force fields (n, 3, 20, 15) where that
            is the task.
        targets: The same as losses want it.
    """

    inputs: Inputs
    labels: PairLabels | NDArray
    targets: Targets | Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, index: NDArray[np.int64]) -> Examples:
        """Those at ``index``, in that order."""
        inputs = self.inputs
        return replace(
            self,
            inputs=lambda rows: inputs(index[rows]),
            labels=self.labels[index],
            targets=self.targets[torch.from_numpy(index)],
        )

    def share(self, budget: float) -> Examples:
        """A share of them: the same ones for every encoder, a smaller share within a larger one."""
        order = np.random.default_rng(_ORDER_SEED).permutation(len(self))
        return self.at(np.sort(order[: max(round(budget * len(self)), 1)]))

    def spread(self, count: int) -> Examples:
        """At most ``count`` of them, evenly spread."""
        count = min(count, len(self))
        return self.at(np.linspace(0, len(self), count, endpoint=False).astype(np.int64))


def examples_of(
    store: ClipStore | ClassStore,
    spec: ModelSpec,
    encoder: nn.Module | None,
    cache: Path,
    fields: bool = False,
) -> Examples:
    """Examples of a split.

    Args:
        store: The split.
        spec: The model.
        encoder: A frozen one, see `tacbench.encoders`, whose tokens are computed once; None for a
            network that trains the encoder too, which reads scaled patches.
        cache: Folder for the tokens.
        fields: Whether the task is the force field.
    """
    labels, targets = _truth(store, spec, fields)
    if encoder is None:
        return Examples(
            lambda index: scale_patches(
                cut_clips(store.clips(index), spec.patch_size, spec.tubelet)
            ),
            labels,
            targets,
        )
    tokens = cache_tokens(encoder, store, cache)
    return Examples(
        lambda index: torch.from_numpy(tokens[index].astype(np.float32)), labels, targets
    )


def _truth(store: ClipStore | ClassStore, spec: ModelSpec, fields: bool):
    if fields:
        targets = field_targets(store)
        return targets.numpy(), targets
    if isinstance(store, ClassStore):
        return store.labels, torch.from_numpy(store.labels)
    return store.labels, Targets.of(store.labels, spec)


@torch.no_grad()
def cache_tokens(
    encoder: nn.Module, store: ClipStore | ClassStore, cache: Path
) -> NDArray[np.float16]:
    """Tokens (n, N, D) of all clips of a store, from disk; computed if they are not there."""
    digest = hashlib.sha256(str(store.folder).encode() + store.rows.tobytes())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    path = cache / f"{store.folder.name}-{digest.hexdigest()[:16]}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        device = fastest_device()
        network = readable(encoder).to(device)
        parts = [
            read_tokens(network, store.clips(rows).to(device)).half().cpu().numpy()
            for rows in np.array_split(np.arange(len(store)), max(len(store) // READ_BATCH, 1))
        ]
        partial = path.with_suffix(".partial.npy")
        with writing(cache):
            np.save(partial, np.concatenate(parts))
            partial.rename(path)
    return np.load(path, mmap_mode="r")
