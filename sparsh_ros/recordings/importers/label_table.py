# SPDX-License-Identifier: Apache-2.0
"""CSV files of labels, as pandas, NumPy and spreadsheets write them.

Commas, semicolons or tabs between the cells, decimal points or commas; upper or lower case; empty
cells, nan and the like are unknown; flags are 0, 1, 0.0, 1.0, true, false, yes or no; times are in
s, ms, us or ns.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.files import refuse_pointer

FORCE = ("Fx_N", "Fy_N", "Fz_N")
POSE = ("x_m", "y_m", "theta_rad")
TIMES = {"t_s": 1.0, "t_ms": 1e-3, "t_us": 1e-6, "t_ns": 1e-9}
"""Column of times -> seconds in its unit."""

_FLAGS = {"false": False, "no": False, "true": True, "yes": True}
_UNKNOWN = {"", "nan", "na", "n/a", "none", "null", "-", "#n/a"}
_LATEST_S = 2**31 - 2  # in a stamp, with the second at which recordings start
_FILE_BYTES = 1 << 28
_CELL_CHARACTERS = 4096


@dataclass(frozen=True)
class Row:
    """One row; None is unknown. The time is in seconds, the rest in SI units."""

    time_s: float | None
    force_n: np.ndarray | None
    slip: tuple[bool, bool] | None
    pose: np.ndarray | None


@dataclass(frozen=True)
class LabelTable:
    """The labels of the images of one recording.

    Attributes:
        rows: By the name or the number of the image.
        timed: Whether the rows give the times.
        notes: What was left out, in sentences.
    """

    rows: Mapping[str | int, Row] = field(default_factory=dict)
    timed: bool = False
    notes: tuple[str, ...] = ()


def read_labels(path: Path) -> LabelTable:
    """Read a file of labels.

    Raises:
        DatasetError: It cannot be read; the message names the row.
    """
    refuse_pointer(path, DatasetError)
    number, rows = 0, {}
    try:
        header, lines, comma = _cells(path)
        for number, line in enumerate(lines, 1):
            cells = {name: _plain(cell, comma) for name, cell in zip(header, line, strict=False)}
            rows[_key(cells, number - 1)] = _row(cells)
    except (OSError, UnicodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from error
    except ValueError as error:
        raise DatasetError(f"{path}: row {number}: {error}") from error
    names = {name.lower() for name in header}
    groups = (FORCE, POSE, ("slipping",))
    if not any({name.lower() for name in group} <= names for group in groups):
        raise DatasetError(
            f"{path}: wanted the columns {', '.join(FORCE)}, or slipping, or {', '.join(POSE)}; "
            f"found {', '.join(header) or 'none'}"
        )
    notes = []
    if lost := number - len(rows):
        notes.append(f"{lost} rows of {path.name} name an image that another row names as well")
    for what, group in (("forces", FORCE), ("poses", POSE)):
        known = sum(
            row.force_n is not None if group is FORCE else row.pose is not None
            for row in rows.values()
        )
        if {name.lower() for name in group} <= names and known < len(rows):
            notes.append(f"{len(rows) - known} rows of {path.name} have no {what}")
    return LabelTable(rows, _check_times(path, rows), tuple(notes))


def _cells(path: Path) -> tuple[list[str], list[list[str]], bool]:
    """Header, rows, and whether the decimal sign is a comma."""
    size = path.stat().st_size
    if size > _FILE_BYTES:
        raise ValueError(f"wanted a file of up to {_FILE_BYTES:,} bytes, found {size:,}")
    content = path.read_bytes()
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if wide else "utf-8-sig")
    first = next((line for line in text.splitlines() if line.strip()), "")
    first = first.removeprefix("#")  # how NumPy begins a header
    between = max(";\t,", key=first.count)
    lines = csv.reader(io.StringIO(text), delimiter=between, strict=True)
    rows = [[cell.strip() for cell in line] for line in lines]
    rows = [line for line in rows if any(line)]
    header = rows[0] if rows else []
    if header:
        header[0] = header[0].removeprefix("#").strip()
    known = {name.lower(): name for name in (*FORCE, *POSE, *TIMES, "slipping", "in_contact")}
    header = [known.get(name.lower(), name) for name in header]
    return header, rows[1:], between != ","


def _plain(cell: str, comma: bool) -> str:
    """A cell with a decimal point; empty where nothing is known."""
    if len(cell) > _CELL_CHARACTERS:
        raise ValueError(f"wanted cells of up to {_CELL_CHARACTERS} characters, found {len(cell)}")
    if cell.lower() in _UNKNOWN:
        return ""
    return cell.replace(",", ".") if comma and cell.count(",") == 1 and "." not in cell else cell


def _key(cells: Mapping[str, str], number: int) -> str | int:
    if cells.get("file"):
        return cells["file"].replace("\\", "/").rpartition("/")[2]
    if not cells.get("index"):
        return number
    value = _number(cells["index"])
    if value != int(value) or abs(value) > 2**53:
        raise ValueError(f"index: wanted a whole number, found {cells['index']!r}")
    return int(value)


def _row(cells: Mapping[str, str]) -> Row:
    slip, touches = (_flag(cells.get(name, "")) for name in ("slipping", "in_contact"))
    times = [_number(cells[name]) * unit for name, unit in TIMES.items() if cells.get(name)]
    return Row(
        times[0] if times else None,
        _numbers(cells, FORCE),
        None if slip is None else (slip, True if touches is None else touches),
        _numbers(cells, POSE),
    )


def _numbers(cells: Mapping[str, str], names: tuple[str, ...]) -> np.ndarray | None:
    values = [_number(cells[name]) if cells.get(name) else None for name in names]
    return None if None in values else np.array(values, np.float64)


def _number(cell: str) -> float:
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError(f"wanted a number, found {cell!r}")
    return value


def _flag(cell: str) -> bool | None:
    if not cell:
        return None
    if cell.lower() in _FLAGS:
        return _FLAGS[cell.lower()]
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if value not in (0.0, 1.0):
        raise ValueError(f"wanted 0 or 1, found {cell!r}")
    return value == 1.0


def _check_times(path: Path, rows: Mapping[str | int, Row]) -> bool:
    times = [row.time_s for row in rows.values()]
    if all(time_s is None for time_s in times):
        return False
    for earlier, later in zip(times, times[1:], strict=False):
        if earlier is None or later is None or not earlier < later:
            raise DatasetError(
                f"{path}: times: wanted them to grow from row to row, found {later} s after "
                f"{earlier} s"
            )
    if times[0] < 0 or times[-1] > _LATEST_S:
        raise DatasetError(
            f"{path}: times: wanted seconds from 0 to {_LATEST_S:,}, found {times[0]} to "
            f"{times[-1]}; is their unit another (t_ms, t_us, t_ns)?"
        )
    return True
