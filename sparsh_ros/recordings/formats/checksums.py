# SPDX-License-Identifier: Apache-2.0
"""Checksums of MCAP files that the libraries leave out: of each chunk written, and of the index.

Layout of records: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from rosbags.rosbag2.storage_mcap import McapWriter

_CHECKSUM_AT = 33  # in the record of a chunk: opcode, length, two times and a size lie before it
_MAGIC_BYTES, _CHECKSUM_BYTES, _FOOTER_BYTES = 8, 4, 29
_FOOTER = struct.Struct("<BQQQI")  # opcode, length, begin of the index, of its offsets, checksum
_OPCODE, _LENGTH = 2, 20
_BLOCK_BYTES = 1 << 20


def add_chunk_checksums(storage: McapWriter) -> None:
    """Let the library write the checksum of each chunk, so that damage shows."""
    close_chunk = storage.close_chunk

    def close_with_checksum() -> None:
        checksum, begin = zlib.crc32(storage.chunk.bio.getbuffer()), storage.bio.tell()
        close_chunk()
        end = storage.bio.tell()
        storage.bio.seek(begin + _CHECKSUM_AT)
        storage.bio.write(struct.pack("<I", checksum))
        storage.bio.seek(end)

    storage.close_chunk = close_with_checksum


def add_index_checksum(path: Path) -> None:
    """Write the checksum of the index of a file that was ended."""
    with path.open("r+b") as file:
        checksum, _ = _index_checksums(file)
        file.seek(-_MAGIC_BYTES - _CHECKSUM_BYTES, 2)
        file.write(struct.pack("<I", checksum))


def has_sound_index(path: Path) -> bool:
    """Whether a file has a proper end, and its index the checksum that its writer made, if any."""
    try:
        with path.open("rb") as file:
            computed, stated = _index_checksums(file)
    except ValueError:
        return False
    return stated in (0, computed)


def _index_checksums(file: BinaryIO) -> tuple[int, int]:
    """Of the bytes there are, and as the file says."""
    size = file.seek(0, 2)
    if size < _FOOTER_BYTES + _MAGIC_BYTES:
        raise ValueError("no footer")
    file.seek(-_FOOTER_BYTES - _MAGIC_BYTES, 2)
    opcode, length, begin, _, stated = _FOOTER.unpack(file.read(_FOOTER_BYTES))
    end = size - _MAGIC_BYTES - _CHECKSUM_BYTES
    if (opcode, length) != (_OPCODE, _LENGTH) or not 0 <= begin <= end:
        raise ValueError("no footer")
    file.seek(begin)
    computed = 0
    while left := end - file.tell():
        computed = zlib.crc32(file.read(min(left, _BLOCK_BYTES)), computed)
    return computed, stated
