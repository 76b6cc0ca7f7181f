# SPDX-License-Identifier: Apache-2.0
"""Backgrounds on disk, and what happens without."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
from background.clips import push

from sparsh_ros.background import BackgroundKeeper, BackgroundStore
from sparsh_ros.errors import RecordingError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.sensors import load_profile

DIGIT = load_profile("digit")
SERIAL = "D20123"


@pytest.mark.parametrize("content", [b"no image", None])
def test_a_broken_stored_file_is_ignored_with_a_warning(
    gel: dict, store: BackgroundStore, content: bytes | None
) -> None:
    path = store.path("digit", SERIAL)
    path.parent.mkdir(parents=True)
    path.write_bytes(content or cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes())
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert str(path) in keeper.warnings["store"]
    assert push(keeper, gel["free"]) == [30] and keeper.warnings == {}
    assert store.load("digit", SERIAL) is not None


def test_a_store_that_cannot_be_written_is_a_warning(gel: dict, store: BackgroundStore) -> None:
    folder = store.path("digit", SERIAL).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file in the place of the folder")
    keeper = BackgroundKeeper(DIGIT, SERIAL, store)
    assert push(keeper, gel["free"]) == [30]
    assert "cannot be written" in keeper.warnings["store"]


def test_a_file_that_cannot_even_be_looked_for(gel: dict, store: BackgroundStore) -> None:
    keeper = BackgroundKeeper(DIGIT, "D" * 300, store)  # longer than names of files may be
    assert push(keeper, gel["free"]) == [30]
    assert "cannot be written (File name too long)" in keeper.warnings["store"]


def test_a_disk_that_is_full_keeps_no_half_file(
    store: BackgroundStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(RecordingError, match="No space left"):
        store.save("digit", SERIAL, np.zeros(IMAGE_SHAPE, np.uint8))
    assert list(store.path("digit", SERIAL).parent.iterdir()) == []


def test_a_user_without_a_home_has_no_store_but_a_background(
    gel: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    keeper = BackgroundKeeper(DIGIT, SERIAL, BackgroundStore())
    assert push(keeper, gel["free"]) == [30]
    assert "set XDG_DATA_HOME" in keeper.warnings["store"]


def test_the_store_is_in_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for unusable in ("", "not/absolute"):
        monkeypatch.setenv("XDG_DATA_HOME", unusable)
        expected = Path.home() / ".local/share/sparsh_ros/backgrounds/digit-D20123.png"
        assert BackgroundStore().path("digit", SERIAL) == expected


def test_serial_numbers_cannot_leave_the_folder(store: BackgroundStore) -> None:
    path = store.path("digit", "../../etc/x y")
    store.save("digit", "../../etc/x y", np.zeros(IMAGE_SHAPE, np.uint8))
    assert path.exists() and path.parent == store.path("digit", SERIAL).parent
    assert list(path.parent.iterdir()) == [path]
