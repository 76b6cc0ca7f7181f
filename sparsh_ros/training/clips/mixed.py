# SPDX-License-Identifier: Apache-2.0
"""Clips of several data sets as one source for training without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, empty, uint8

from sparsh_ros.training.clips.store import ClipStore


@dataclass(frozen=True)
class MixedClips:
    """Every data set is drawn as often as any other, however many clips it has.

    A few minutes of a real sensor would be lost among hours of a simulated one.

    Attributes:
        parts: The data sets, of clips of one shape.
    """

    parts: Sequence[ClipStore]

    def __len__(self) -> int:
        return len(self.parts) * max(map(len, self.parts))

    def clips(self, index: NDArray[np.int64]) -> Tensor:
        """(B, T, H, W, 3) uint8 clips of indices (B,): of the data set index % parts."""
        which, rows = index % len(self.parts), index // len(self.parts)
        found = None
        for number, part in enumerate(self.parts):
            own = np.flatnonzero(which == number)
            if not len(own):
                continue
            clips = part.clips(rows[own] % len(part))
            if found is None:
                found = empty((len(index), *clips.shape[1:]), dtype=uint8)
            found[own] = clips
        assert found is not None  # a batch has at least one clip
        return found
