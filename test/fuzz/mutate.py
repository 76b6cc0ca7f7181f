# SPDX-License-Identifier: Apache-2.0
"""Damage and malice, drawn by hypothesis: bytes near valid ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1]


@st.composite
def mutated(draw: DrawFn, seeds: Sequence[bytes], most: int = 4) -> bytes:
    """One of the seeds after a few edits: bytes changed, cut, moved, numbers made huge."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([1, 1, 1, 2, 4, 8, 60, 1000]))
        edit = draw(st.sampled_from(_EDITS))
        data[place : place + length] = edit(draw, bytes(data[place : place + length]), bytes(data))
    return bytes(data)


def _other_bytes(draw: DrawFn, old: bytes, _: bytes) -> bytes:
    return draw(st.binary(min_size=len(old), max_size=len(old)))


def _flipped_bit(draw: DrawFn, old: bytes, _: bytes) -> bytes:
    return bytes([old[0] ^ (1 << draw(st.integers(0, 7)))]) + old[1:] if old else b""


def _number(draw: DrawFn, old: bytes, _: bytes) -> bytes:
    number = draw(st.sampled_from(_NUMBERS))
    size = max((1, 2, 4, 8)[draw(st.integers(0, 3))], 1)
    packed = struct.pack("<Q", number)[:size]
    return (packed if draw(st.booleans()) else packed[::-1]) + old[size:]


def _nothing(*_: Any) -> bytes:
    return b""


def _repeated(draw: DrawFn, old: bytes, _: bytes) -> bytes:
    return old * draw(st.sampled_from([2, 3, 100]))


def _from_elsewhere(draw: DrawFn, old: bytes, whole: bytes) -> bytes:
    place = draw(st.integers(0, len(whole)))
    return whole[place : place + draw(st.integers(0, 200))] + old


def _rest_cut(draw: DrawFn, old: bytes, _: bytes) -> bytes:
    return old[: draw(st.integers(0, len(old)))]


_EDITS = [
    *(_other_bytes, _flipped_bit, _flipped_bit, _number, _number),
    *(_nothing, _repeated, _from_elsewhere, _rest_cut),
]


def truncated(seeds: Sequence[bytes]) -> SearchStrategy[bytes]:
    """The beginning of one of the seeds."""
    return st.sampled_from(seeds).flatmap(
        lambda data: st.integers(0, len(data)).map(lambda size: data[:size])
    )
