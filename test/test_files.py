# SPDX-License-Identifier: Apache-2.0
"""Small files that somebody wrote by hand, or to do harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sparsh_ros.files import parse_yaml, read_whole, read_yaml

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"b{i}: &b{i} [{','.join([f'*b{i - 1}' if i else '*a'] * 9)}]\n" for i in range(9)
)


def test_plain_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, 2.5, x]\nb: {c: no, d: 1:30}\n")
    assert read_yaml(path) == {"a": [1, 2.5, "x"], "b": {"c": False, "d": 90}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "more than 100000 values"),
        ("[" * 5000, "nested too deep"),
        ("a: 2001-99-99", "month"),
        ("1:" * 100_000 + "1", "a number of 200001 characters"),
        ("9" * 5000, "a number of 5000 characters"),
        ("a: [", "expected"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
        (" " * (1 << 20) + "x", "more than 1 MiB"),
    ],
)
def test_what_no_person_would_write_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_what_never_ends_or_does_not_fit_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no plain file"):
        read_whole(tmp_path / "pipe", 1 << 20)
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    with pytest.raises(OSError, match="more than 1 MiB"):
        read_whole(tmp_path / "large", 1 << 20)
    with pytest.raises(FileNotFoundError):
        read_whole(tmp_path / "gone", 1)
