# SPDX-License-Identifier: Apache-2.0
"""Single images: damage is refused, names are put in order, nothing is too large."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.sensors import images
from sparsh_ros.sensors.images import (
    decode_image,
    decode_jpeg,
    encode_jpeg,
    list_images,
    read_image,
)
from sparsh_ros.sensors.sources import ImageFolder, VideoFile
from sparsh_ros.simulation.simulation import TouchSimulation

PICTURE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8), (9, 9), 3
)
JPEG = cv2.imencode(".jpg", PICTURE, (cv2.IMWRITE_JPEG_QUALITY, 80))[1].tobytes()
MOST_SILENT = 0.1  # of the damaged images: by all rules of JPEG they still are pictures


def _damaged(sound: bytes, rng: np.random.Generator) -> bytes:
    """Without some bytes, or with others in their place."""
    content = bytearray(sound)
    begin, length = int(rng.integers(2, len(content) - 40)), int(rng.integers(1, 33))
    if rng.integers(2):
        content[begin : begin + length] = rng.bytes(length)
    else:
        del content[begin : begin + length]
    return bytes(content)


def test_a_sound_jpeg_is_what_opencv_makes_of_it() -> None:
    wanted = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR)
    for content in (JPEG, JPEG + bytes(500)):  # some cameras pad
        assert np.array_equal(decode_jpeg(content, "it"), wanted)
        assert np.array_equal(decode_image(content, "it"), wanted)


@pytest.mark.skipif(images.simplejpeg is None, reason="simplejpeg is not installed")
def test_most_damaged_jpegs_are_refused() -> None:
    """OpenCV alone lets about nine of ten pass, with other numbers in them."""
    rng, silent, wrong = np.random.default_rng(1), 0, 0
    touch = TouchSimulation("digit", seed=1, touch="demo", rate_hz=60.0).step().image
    sound = encode_jpeg(touch, 80).tobytes()
    for _ in range(300):
        content = _damaged(sound, rng)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is not None and np.array_equal(image, decode_jpeg(sound, "it")):
            continue
        wrong += 1
        try:
            decode_jpeg(content, "it")
        except FrameError as error:
            assert str(error).startswith("it: ")
        else:
            silent += 1
    assert wrong > 200 and silent < MOST_SILENT * wrong


def test_a_png_with_a_wrong_checksum_is_refused() -> None:
    """Of the kinds that are read, PNG alone has checksums: one behind each chunk."""
    sound = cv2.imencode(".png", PICTURE)[1].tobytes()
    rng, position = np.random.default_rng(2), 8
    while position < len(sound) - 12:  # the last chunk is empty
        length = int.from_bytes(sound[position : position + 4], "big")
        for place in (position + 8 + int(rng.integers(length)), position + 8 + length):
            content = bytearray(sound)
            content[place] ^= 1 << int(rng.integers(8))
            with pytest.raises(FrameError, match="it: not a readable image"):
                decode_image(bytes(content), "it")
        position += 12 + length


def test_a_large_jpeg_is_shrunk_as_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    large = cv2.imencode(".jpg", cv2.resize(PICTURE, (3280, 2464)))[1].tobytes()
    shrunk = decode_jpeg(large, "it", 320, 320)
    assert shrunk.shape == (616, 820, 3)
    monkeypatch.setattr(images, "simplejpeg", None)
    assert np.array_equal(decode_jpeg(large, "it", 320, 320), shrunk)


def _png_bomb() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    size = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IEND", b"")


def _jpeg_bomb() -> bytes:
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + b"\xff\x00\xff\x00" + JPEG[at + 4 :]


def _bmp_bomb() -> bytes:
    """Of 1,180 bytes, run-length encoded: all of it is one colour."""
    size = struct.pack("<IiiHHIIiiII", 40, 30000, 30000, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 154, 0, 0, 54 + 1024) + size + bytes(1024) + b"\0\1"


def _old_bmp_bomb() -> bytes:
    size = struct.pack("<IHHHH", 12, 30000, 30000, 1, 24)
    return b"BM" + struct.pack("<IHHI", 154, 0, 0, 26) + size + bytes(100)


def _tiff_bomb() -> bytes:
    entries = [(256, 4, 1, 30000), (257, 3, 1, 30000)]
    return b"II*\0" + struct.pack("<IH", 8, 2) + b"".join(struct.pack("<HHII", *e) for e in entries)


def _webp_bomb() -> bytes:
    sides = (29999).to_bytes(3, "little") * 2
    return b"RIFF" + bytes(4) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + sides


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize(
    "make", [_png_bomb, _jpeg_bomb, _bmp_bomb, _old_bmp_bomb, _tiff_bomb, _webp_bomb]
)
def test_nothing_makes_room_for_a_huge_image(make, library: bool, monkeypatch) -> None:
    if not library:
        monkeypatch.setattr(images, "simplejpeg", None)
    with pytest.raises(FrameError, match="it: wanted at most 32000000 pixels, found"):
        decode_image(make(), "it")


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    """Each goes over the whole image: 300 of 8 megapixels take minutes."""
    whole = cv2.imencode(
        ".jpg", np.full((2464, 3280, 3), 128, np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    )[1].tobytes()
    assert decode_jpeg(whole, "it").shape == (2464, 3280, 3)
    scan = whole[whole.rfind(b"\xff\xda") : -2]
    with pytest.raises(FrameError, match="it: wanted at most .* pixels in all scans, found 3"):
        decode_jpeg(whole[:-2] + 300 * scan + whole[-2:], "it")


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a" + struct.pack("<HHBBB", 30000, 30000, 0, 0, 0) + b"\x3b",
        b"P6\n30000 30000\n255\n",
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n",
        b"",
    ],
    ids=["gif", "ppm", "hdr", "nothing"],
)
def test_only_the_kinds_that_are_listed_are_decoded(content: bytes, monkeypatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was asked"))
    with pytest.raises(FrameError, match="it: not a readable image"):
        decode_image(content, "it")


@pytest.mark.parametrize(
    "names",
    [
        ("frame2.png", "frame10.png"),
        ("0.034.jpg", "0.1.jpg", "0.25.jpg", "0.3.jpg", "1.05.jpg"),
        ("1732795999.1234567.png", "1732795999.2.png", "1732796000.01.png"),
        ("1e-06.png", "0.5.png"),
        ("a1_9.png", "a1_10.png", "a2_1.png"),
    ],
)
def test_images_lie_in_the_order_of_their_numbers(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == list(names)


def test_hidden_files_and_folders_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(JPEG)
    (tmp_path / "._1.jpg").write_bytes(bytes(4096))
    (tmp_path / "x.png").mkdir()
    (tmp_path / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    assert [path.name for path in list_images(tmp_path)] == ["1.jpg", "2.jpg"]
    folder = ImageFolder(tmp_path)
    assert folder.read() is not None
    with pytest.raises(FrameError, match="2.jpg: cannot be read"):
        folder.read()
    assert folder.read() is None


def test_pipes_and_huge_files_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "2.png").touch()
    os.truncate(tmp_path / "2.png", 1 << 40)
    for name, reason in (("1.png", "no plain file"), ("2.png", "more than 256 MiB")):
        with pytest.raises(RecordingError, match=reason):
            read_image(tmp_path / name)


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n"
    for name, read in (("a.png", read_image), ("a.mp4", VideoFile)):
        (tmp_path / name).write_bytes(pointer)
        with pytest.raises((FrameError, RecordingError), match="Git LFS pointer.*git lfs pull"):
            read(tmp_path / name)


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(RecordingError, match=r"it is a link to .*gone\.mp4, which does not exist"):
        VideoFile(tmp_path / "a.mp4")
