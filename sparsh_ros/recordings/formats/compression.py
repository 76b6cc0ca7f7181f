# SPDX-License-Identifier: Apache-2.0
"""Decompression that ends at a budget: a few kilobytes can stand for gigabytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lz4.frame
import zstandard

from sparsh_ros.errors import RecordingError

ZSTD_SUFFIXES = (".zstd", ".zst")
CHUNK_BYTES = 256 << 20
"""More than any recorder puts into a chunk or a message; they use 1 to 64 MB."""

_ZSTD = b"\x28\xb5\x2f\xfd"
_FILE_FACTOR, _FILE_SPARE = 200, 64 << 20  # images shrink to a half, idle topics to a hundredth
_STEP_BYTES = 1 << 22


def decompress(name: str, data: bytes, size: int = CHUNK_BYTES) -> bytes:
    """Decompress a chunk or a message.

    Args:
        name: "zstd", "lz4" or "" for none, as MCAP has it.
        data: What is compressed.
        size: How large it may become, bytes.

    Raises:
        RecordingError: It becomes larger, or the compression is unknown.
    """
    if size > CHUNK_BYTES:
        raise RecordingError(f"wanted chunks of up to {CHUNK_BYTES:,} bytes, found {size:,}")
    if not name:
        found = data
    elif name == "zstd":
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as reader:
            found = reader.read(size + 1)
    elif name == "lz4":
        found = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    else:
        raise RecordingError(f"wanted zstd or lz4 compression, found {name}")
    if len(found) > size:
        raise RecordingError(f"wanted up to {size:,} bytes, found more")
    return found


def plain_message(data: bytes) -> bytes:
    """A message that the recorder may have compressed by itself (`compression_mode: message`)."""
    return decompress("zstd", data) if data.startswith(_ZSTD) else data


@contextmanager
def plain_file(path: Path) -> Iterator[Path]:
    """A file of zstd, decompressed beside other temporary files for as long as it is used.

    Raises:
        RecordingError: It is damaged, or far larger than a recording of its size would be.
    """
    budget = _FILE_FACTOR * path.stat().st_size + _FILE_SPARE
    with tempfile.TemporaryDirectory(prefix="sparsh-ros-") as folder:
        plain = Path(folder, path.stem)
        with path.open("rb") as source, plain.open("wb") as target:
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(source)
            try:
                while step := reader.read(_STEP_BYTES):
                    budget -= len(step)
                    if budget < 0:
                        raise RecordingError(
                            f"{path.name}: wanted a file of up to {_FILE_FACTOR} times its "
                            "compressed size, found more; if you trust it, `zstd -d` it first"
                        )
                    target.write(step)
            except zstandard.ZstdError as error:
                raise RecordingError(f"{path.name}: damaged zstd file ({error})") from error
        yield plain
