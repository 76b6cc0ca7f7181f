# SPDX-License-Identifier: Apache-2.0
"""Damage and malice, drawn by hypothesis: bytes near valid ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
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


def variants(seeds: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """So many seeds after a few edits, drawn without hypothesis, which takes longer than a reader.

    The same seed gives the same ones; they cannot be shrunk.
    """
    draw = random.Random(seed)
    for _ in range(count):
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 4)):
            place = draw.randint(0, len(data))
            end = place + draw.choice([1, 1, 1, 2, 4, 8, 60, 1000])
            old = bytes(data[place:end])
            data[place:end] = draw.choice(_QUICK_EDITS)(draw, old, bytes(data))
        yield bytes(data)


def _quick_number(draw: random.Random, old: bytes, _: bytes) -> bytes:
    packed = struct.pack("<Q", draw.choice(_NUMBERS))[: draw.choice([1, 2, 4, 8])]
    return (packed if draw.random() < 0.5 else packed[::-1]) + old[len(packed) :]


_QUICK_EDITS = [
    lambda draw, old, _: draw.randbytes(len(old)),
    lambda draw, old, _: bytes([old[0] ^ (1 << draw.randrange(8))]) + old[1:] if old else b"",
    _quick_number,
    _quick_number,
    lambda draw, old, _: b"",
    lambda draw, old, _: old * draw.choice([2, 3, 100]),
    lambda draw, old, whole: whole[draw.randrange(len(whole) + 1) :][: draw.randrange(200)] + old,
    lambda draw, old, _: old[: draw.randint(0, len(old))],
]


def truncated(seeds: Sequence[bytes]) -> SearchStrategy[bytes]:
    """The beginning of one of the seeds."""
    return st.sampled_from(seeds).flatmap(
        lambda data: st.integers(0, len(data)).map(lambda size: data[:size])
    )


def damaged(seeds: Mapping[str, Sequence[bytes]]) -> st.SearchStrategy[tuple[str, bytes]]:
    """Name of a reader, and one of its seeds changed or cut off."""
    return st.sampled_from(sorted(seeds)).flatmap(
        lambda name: st.tuples(
            st.just(name), st.one_of(mutated(seeds[name]), truncated(seeds[name]))
        )
    )
