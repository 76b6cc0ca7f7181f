# SPDX-License-Identifier: Apache-2.0
"""Repeated measurements as one row of a table, and as JSON with the fields of ros2_benchmark."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sparsh_ros.bench.conditions import UNIT, Conditions, describe_machine


@dataclass(frozen=True)
class Spread:
    """A quantity over the repeats: its median, lowest and highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value per repeat."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if math.isnan(self.median):
            return "-"
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


Measures = Mapping[str, float]
"""Name -> value of one repeat. Names of ros2_benchmark where it has one, in capital letters."""


@dataclass(frozen=True)
class Row:
    """What was measured of one thing, a spread for each quantity."""

    name: str
    quantities: Mapping[str, Spread]

    @classmethod
    def of(cls, name: str, repeats: Sequence[Measures]) -> Row:
        """From the measures of each repeat; what one of them lacks is 0 there."""
        names = dict.fromkeys(key for repeat in repeats for key in repeat)
        spreads = {key: Spread.of([repeat.get(key, 0.0) for repeat in repeats]) for key in names}
        return cls(name, spreads)


def show(
    part: str,
    rows: Sequence[Row],
    columns: Mapping[str, str],
    conditions: Conditions | None = None,
) -> None:
    """Print a table, a row for each case.

    Args:
        part: What was measured, the title.
        rows: What was measured of each thing.
        columns: Name of a quantity -> what stands above it.
        conditions: Of the machine meanwhile; None: they are told elsewhere.
    """
    table = Table(title=part, title_justify="left", box=None)
    table.add_column("")
    for title in columns.values():
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row.name, *(str(row.quantities[name]) for name in columns))
    console = Console(highlight=False)
    console.print(table)
    if conditions is None:
        return
    machine = describe_machine()
    console.print(f"{machine['processor']}, {machine['cores']} cores; {conditions.sentence()}")


def write(
    path: Path, part: str, rows: Sequence[Row], conditions: Conditions, **settings: object
) -> None:
    """Write the same, with machine and settings, as JSON.

    Times in milliseconds also stand there as multiples of the unit of work, under their name with
    _UNITS behind it.
    """
    document = {
        "benchmark": part,
        "metadata": {
            "machine": describe_machine(),
            "settings": settings,
            "unit_of_work": UNIT,
            "conditions": asdict(conditions) | {"unit_ms": conditions.unit_ms},
        },
        "cases": [
            {"name": row.name, **_document(row.quantities, conditions.unit_ms)} for row in rows
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _document(quantities: Mapping[str, Spread], unit_ms: float) -> dict[str, object]:
    values: dict[str, object] = {name: asdict(spread) for name, spread in quantities.items()}
    for name, spread in quantities.items():
        if name.endswith(("_LATENCY", "_MS", "_P50", "_P99")):
            values[f"{name}_UNITS"] = spread.median / unit_ms
    return values
