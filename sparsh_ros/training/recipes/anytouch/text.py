# SPDX-License-Identifier: Apache-2.0
"""A tower of language without weights to fetch: each word is a fixed random vector.

A word is hashed to one of `BUCKETS` rows; a sentence is the mean of its words, projected. As the
text tower of AnyTouch it is frozen: sentences that share words lie close, and touch has to follow.
"""

from __future__ import annotations

import re
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BUCKETS = 4096
MOST_WORDS = 24
NO_WORD = -1
_FILLERS = frozenset(["a", "an", "and", "at", "by", "in", "is", "it", "of", "the", "to", "with"])


def word_ids(sentence: str) -> NDArray[np.int64]:
    """(24,) rows of the words of a sentence, -1 where there are no more; fillers are left out."""
    words = [word for word in re.findall(r"[a-z0-9]+", sentence.lower()) if word not in _FILLERS]
    ids = np.full(MOST_WORDS, NO_WORD)
    for place, word in enumerate(words[:MOST_WORDS]):
        ids[place] = zlib.crc32(word.encode()) % BUCKETS
    return ids


class TextModel(nn.Module):
    """Words to vectors of a sentence: (B, W) int64 of `word_ids` -> (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(BUCKETS, width)
        self.requires_grad_(False)

    def forward(self, words: Tensor) -> Tensor:
        known = (words != NO_WORD)[..., None]
        vectors = self.token_embedding(words.clamp(min=0)) * known
        return vectors.sum(dim=1) / known.sum(dim=1).clamp(min=1).to(torch.float32)
