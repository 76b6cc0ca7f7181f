# SPDX-License-Identifier: Apache-2.0
"""Weights files: damaged, torn and hostile ones are refused in a sentence."""

from __future__ import annotations

import json
import struct

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from hypothesis import strategies as st

from fuzz import seeds
from fuzz.harness import Budgeted, fuzz
from fuzz.mutate import mutated, truncated
from fuzz.programs import programs

run_torch = Budgeted("fuzz.targets:torch_file")
run_safetensors = Budgeted("fuzz.targets:safetensors_file")

_SIZES = st.one_of(
    st.integers(0, 70), st.sampled_from([2**20, 2**31, 2**50, 2**62, 2**63, 2**70, -1])
)
_TYPES = st.sampled_from(["F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "X"])


def test_the_seeds_are_read() -> None:
    for data in seeds.torch_files()[:-1]:
        assert run_torch.check(data).kind == "ok"
    for data in seeds.safetensors_files():
        assert run_safetensors.check(data).kind == "ok"


@fuzz(st.one_of(mutated(seeds.torch_files()), truncated(seeds.torch_files())))
def test_torch_files(data: bytes) -> None:
    run_torch.check(data)


@fuzz(mutated(seeds.torch_pickles()), st.integers(0, 4))
def test_pickles_of_torch_files(data: bytes, number: int) -> None:
    run_torch.check(seeds.around(data, number))


@fuzz(programs())
def test_programs_in_torch_files(data: bytes) -> None:
    run_torch.check(seeds.around(data, 0))


@fuzz(st.one_of(mutated(seeds.safetensors_files()), truncated(seeds.safetensors_files())))
def test_safetensors_files(data: bytes) -> None:
    run_safetensors.check(data)


@fuzz(
    st.sampled_from(range(5)),
    st.lists(st.tuples(st.integers(0, 99), st.lists(_SIZES, max_size=6), _TYPES), max_size=4),
)
def test_headers_of_safetensors_files(number: int, changes: list) -> None:
    """Tensors of other shapes and types, their places in the file as they were or empty."""
    data = seeds.safetensors_files()[number]
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    names = list(header)
    for place, shape, dtype in changes:
        entry = header[names[place % len(names)]]
        entry.update(shape=shape, dtype=dtype)
        if 0 in shape:
            entry["data_offsets"] = [0, 0]
    text = json.dumps(header).encode()
    run_safetensors.check(struct.pack("<Q", len(text)) + text + data[8 + length :])
