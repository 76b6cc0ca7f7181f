# SPDX-License-Identifier: Apache-2.0
"""Programs for the machine of pickles, put together from its instructions."""

from __future__ import annotations

import struct

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_NAMES = [
    *(b"ccollections\nOrderedDict\n", b"ccollections\nCounter\n", b"cbuiltins\ngetattr\n"),
    *(b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n"),
    *(b"cnumpy._core.numeric\n_frombuffer\n", b"c_codecs\nencode\n", b"cos\nsystem\n"),
    *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"cbuiltins\nset\n"),
    *(b"ctorch._utils\n_rebuild_parameter\n", b"cmine\nThing\n"),
]
_PLAIN = [
    *(
        bytes([code])
        for code in b"(0123N)]}tldusaeRbo\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"
    ),
    *(b"Q", b".", b"K\x00", b"K\x10", b"M\xff\xff", b"J\xff\xff\xff\x7f", b"G" + bytes(8)),
    *(b"\x8a\x08" + struct.pack("<q", n) for n in (2**40, 2**62, -1)),
    *(b"X" + struct.pack("<I", len(t)) + t for t in (b"a", b"latin1", b"u1", b"C", b"storage")),
    *(b"B\x04\0\0\0abcd", b"\x8e" + struct.pack("<Q", 2**60), b"r\xff\xff\xff\x3f"),
]
_PLACES = [bytes([code, place]) for code in b"qh" for place in range(4)]


def programs() -> SearchStrategy[bytes]:
    """Sequences of instructions, some of them repeated many times."""
    single = st.sampled_from([*_PLAIN, *_PLACES, *_NAMES])
    often = st.tuples(single, st.sampled_from([30, 1000, 100_000])).map(lambda x: x[0] * x[1])
    pair = st.tuples(st.tuples(single, single).map(b"".join), st.sampled_from([20, 60, 5000]))
    pieces = st.one_of(single, single, single, often, pair.map(lambda x: x[0] * x[1]))
    return st.lists(pieces, min_size=1, max_size=25).map(
        lambda parts: b"\x80\x04" + b"".join(parts) + b"."
    )
