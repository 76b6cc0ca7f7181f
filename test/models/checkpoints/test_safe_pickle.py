# SPDX-License-Identifier: Apache-2.0
"""Pickles come out as data: what is plain as it was, objects without their state, no calls."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import functools
import operator
import os
import pathlib
import pickle
import struct
import subprocess
import time

import numpy as np
import pytest
import torch

from sparsh_ros.models.checkpoints.pickle_words import (
    Budget,
    CallRefusedError,
    DamagedPickleError,
    Global,
    Inert,
    Vocabulary,
)
from sparsh_ros.models.checkpoints.safe_pickle import read_pickle
from sparsh_ros.models.checkpoints.torch_pickle import read_torch_pickle

PLAIN = {
    "numbers": [1, -7, 2**40, 2**80, 300, 70_000, 0.5, True, False, None],
    "text": ("a", "ü" * 300, b"bytes", bytearray(b"array")),
    "nested": {"one": {1: (1, 2, 3, 4)}, "empty": [(), [], {}]},
    "sets": [{1, 2}, frozenset({3}), set()],
}


class Schedule:
    """Stands for a class that the reader does not have."""

    def __init__(self, step: int) -> None:
        self.step = step


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", [4, 5])
def test_plain_data_comes_back(protocol: int) -> None:
    data = dict(PLAIN) if protocol == 5 else {k: v for k, v in PLAIN.items() if k != "text"}
    assert read_torch_pickle(pickle.dumps(data, protocol)) == data


def test_shared_data_stay_shared_and_nothing_holds_itself() -> None:
    shared = [1]
    data = {"a": shared, "b": shared}
    found = read_torch_pickle(pickle.dumps(data, 2))
    assert found["a"] is found["b"]
    data["self"] = data
    with pytest.raises(DamagedPickleError, match="holds itself"):
        read_torch_pickle(pickle.dumps(data, 2))


def test_ordered_dictionaries_become_dictionaries() -> None:
    ordered = collections.OrderedDict(a=1, b=2)
    ordered._metadata = {"version": 1}
    assert read_torch_pickle(pickle.dumps(ordered, 2)) == {"a": 1, "b": 2}


def test_objects_lose_their_state() -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))])
    optimiser.param_groups.clear()  # tensors need torch's own pickler
    objects = [Schedule(3), optimiser, collections.defaultdict(dict, a={})]
    found = read_torch_pickle(pickle.dumps(objects, 2))
    assert all(isinstance(item, Inert) for item in found)
    assert found[0].kind.endswith("Schedule")
    assert found[1].kind == "torch.optim.adamw.AdamW"


def test_harmless_values_of_training_runs() -> None:
    values = [
        np.float64(3.0),
        np.arange(3),
        torch.device("cpu"),
        torch.Size([1, 2]),
        {1, 2},
        pathlib.PosixPath("a"),
        collections.Counter([30, 60]),
        collections.deque([1.0], maxlen=3),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        decimal.Decimal("0.1"),
        functools.partial(int, base=2),
        torch.float16,
        torch.optim.lr_scheduler.OneCycleLR._annealing_cos,
        argparse.Namespace(lr=1e-3),
        np.random.default_rng(0),
        Calls(Schedule, 3),
    ]
    for value in values:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            found = read_torch_pickle(pickle.dumps([value], protocol))
            assert isinstance(found[0], Inert | Global | set), (value, protocol)


@pytest.mark.parametrize(
    "call",
    [
        Calls(os.system, "false"),
        Calls(eval, "1"),
        Calls(exec, "1"),
        Calls(getattr, "text", "upper"),
        Calls(operator.attrgetter, "x"),
        Calls(subprocess.Popen, ["false"]),
        Calls(torch.load, "x"),
        Calls(torch.hub.load, "x"),
        Calls(__import__, "os"),
    ],
    ids=lambda call: call.call[0].__name__,
)
@pytest.mark.parametrize("protocol", range(6))
def test_calls_are_refused_by_name(call: Calls, protocol: int) -> None:
    with pytest.raises(CallRefusedError, match=call.call[0].__name__):
        read_torch_pickle(pickle.dumps({"deep": [call]}, protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"(S'false'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'false'\no.",  # OBJ
        b"cos\nsystem\n(S'false'\ntR.",  # REDUCE
    ],
)
def test_old_ways_to_call(data: bytes) -> None:
    with pytest.raises(CallRefusedError):
        read_torch_pickle(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"N",
        b"\x80",
        b"\x80\x02.",
        b"}\x8c\x01",
        b"(.",
        b"t.",
        b"h\x07.",
        b"]N}s.",
        b"\x82\x01.",  # the extension registry
        b"Pname\n.",  # a reference by name
        b"NQ.",  # a reference to nothing
        b"N\x81.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR.",
        b"}]Ns.",  # a list as a key
        b"}Na.",
        pickle.dumps(PLAIN, 5)[:-9],
    ],
)
def test_damage_is_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(DamagedPickleError):
        read_torch_pickle(data)


def test_random_bytes_never_do_more_than_fail() -> None:
    rng = np.random.default_rng(0)
    good = pickle.dumps(PLAIN, 2)
    for _ in range(500):
        data = bytearray(good)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        try:
            read_torch_pickle(bytes(data))
        except (DamagedPickleError, CallRefusedError):
            continue


def program(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


SHARED = b")" + b"2\x86" * 60  # a tuple of two references to the one before, 60 times over
DEEP = b")" + b"\x85" * 200_000
BIG = b"\x8b" + struct.pack("<i", 4096) + b"\x7f" * 4096


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (program(b"}", SHARED, b"K\x01s"), "a key of more than 100 parts"),
        (program(b"\x8f(", SHARED, b"\x90"), "a key of more than 100 parts"),
        (program(b"(", SHARED, b"\x91"), "a key of more than 100 parts"),
        (program(b"(", SHARED, b"K\x01d"), "a key of more than 100 parts"),
        (program(b"}", DEEP, b"K\x01s"), "a key of more than 100 parts"),
        (program(DEEP), "nested more than 100 deep"),
        (program(b"]" * 200_000, b"a" * 199_999), "nested more than 100 deep"),
        (program(BIG), "a number of 32,767 bits"),
        (program(b"\x8e" + struct.pack("<Q", 2**34), b"abc"), "ends too early"),
        (program(b"N" * 3_000_000), "more than 2,000,000 steps"),
    ],
)
def test_what_no_real_file_needs_is_refused_soon(data: bytes, message: str) -> None:
    started_s = time.thread_time()
    with pytest.raises(DamagedPickleError, match=message):
        read_torch_pickle(data)
    assert time.thread_time() - started_s < 10


def test_what_lies_deep_is_not_made_shallow_by_a_short_way_to_it() -> None:
    chain: list = [[]]
    for _ in range(150):
        chain.append([chain[-1]])
    with pytest.raises(DamagedPickleError, match="nested more than 100 deep"):
        read_torch_pickle(pickle.dumps(chain, 2))


def test_time_is_limited() -> None:
    budget = Budget(steps=10**9, seconds=0.2)
    with pytest.raises(DamagedPickleError, match="takes longer than 0 s"):
        read_pickle(program(b"N0" * 2_000_000), Vocabulary(), budget)


def test_an_index_of_the_memo_is_no_size() -> None:
    assert read_torch_pickle(program(b"Nr" + struct.pack("<I", 0x3FFFFFFF))) is None


def test_a_function_keeps_its_attributes() -> None:
    """`BUILD` writes the state of what lies on the stack; a function that is named has none."""
    name = b"ccollections\nOrderedDict\n"
    found = read_torch_pickle(program(b"(", name, b"}X\x08\0\0\0__code__K\x01sb", name, b")Rt"))
    assert found == (Global("collections.OrderedDict"), {})
    assert collections.OrderedDict() == {} and not hasattr(collections.OrderedDict, "state")


@pytest.mark.parametrize(
    "numbers",
    [
        {"shape": (2**62,)},
        {"shape": (4,), "stride": (2**63,)},
        {"shape": (2,), "stride": (2**41,)},
        {"shape": (4,), "offset": 2**62},
        {"shape": (11,)},  # beyond the storage of 10
        {"shape": (2,), "stride": (10,)},
        {"shape": (5,), "stride": (2,), "offset": 2},
        {"shape": (-1,)},
        {"shape": (1,) * 40, "stride": (1,) * 40},
        {"count": 2**70},
    ],
)
def test_tensors_that_do_not_fit(numbers: dict) -> None:
    given = {"count": 10, "offset": 0, "shape": (10,), "stride": (1,), **numbers}
    assert read_torch_pickle(tensor_program(count=10, offset=0, shape=(10,), stride=(1,)))
    with pytest.raises(DamagedPickleError, match="does not fit|a storage"):
        read_torch_pickle(tensor_program(**given))


def tensor_program(count: int, offset: int, shape: tuple, stride: tuple) -> bytes:
    def plain(value: object) -> bytes:
        return pickle.dumps(value, 2)[2:-1].replace(b"q\x00", b"")

    storage = b"(" + plain("storage") + b"ctorch\nFloatStorage\n" + plain("0") + plain("cpu")
    storage += plain(count) + b"tQ"
    arguments = storage + b"".join(map(plain, (offset, shape, stride)))
    return program(b"ctorch._utils\n_rebuild_tensor_v2\n(", arguments, b"tR")
