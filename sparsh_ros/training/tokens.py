# SPDX-License-Identifier: Apache-2.0
"""The frozen encoder's tokens of every pair, computed once and kept as float16 on disk.

Heads read each token dozens of times over epochs, seeds and learning rates; the encoder, a thousand
times as costly as a head, runs once per pair. 115 kB per pair for a width of 192.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.patches import PATCHES, scale_patches, unfold_scaling
from sparsh_ros.training.store import PairStore

BATCH = 32


def cache_tokens(
    encoder: VisionTransformer, store: PairStore, folder: Path, bfloat16: bool
) -> NDArray[np.float16]:
    """Tokens (n, 300, D) of a store's pairs, mapped from disk; computed if they are not there.

    Args:
        encoder: Encoder that reads pixels in [0, 1]; used as it is, without gradients.
        store: The pairs.
        folder: Where to keep the file.
        bfloat16: Compute in bfloat16, twice as fast and good enough to train on; float32, as on
            the robot, to choose and score.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{store.folder.name}.tokens.f16"
    done = path.with_suffix(".json")
    shape = (len(store), PATCHES, encoder.norm.normalized_shape[0])
    source = (store.folder / "source.json").read_text()
    wanted = {
        "encoder": _digest(encoder),
        "bfloat16": bfloat16,
        "source": source,
        "shape": list(shape),
    }
    if not done.is_file() or json.loads(done.read_text()) != wanted:
        done.unlink(missing_ok=True)
        _write(encoder, store, np.memmap(path, np.float16, "w+", shape=shape), bfloat16)
        done.write_text(json.dumps(wanted))
    return np.memmap(path, np.float16, "r", shape=shape)


@torch.no_grad()
def _write(encoder: VisionTransformer, store: PairStore, tokens: np.memmap, bfloat16: bool) -> None:
    encoder = unfold_scaling(encoder).eval()
    name = store.folder.name
    with progress_bar(f"Encoding pairs of {name}", len(store)) as bar:
        for start in range(0, len(store), BATCH):
            index = np.arange(start, min(start + BATCH, len(store)))
            patches = scale_patches(torch.from_numpy(store.patches(index)))
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                tokens[index] = encoder.forward_patches(patches).half().numpy()
            bar.advance(len(index))
    tokens.flush()


def _digest(encoder: VisionTransformer) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
