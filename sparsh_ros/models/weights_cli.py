# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights list` and `sparsh-ros weights inspect FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from sparsh_ros.errors import SparshError
from sparsh_ros.models.inspection import inspect_file
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import list_models, load_model_spec

_LARGE = 1 << 26  # bytes from which reading a file takes long enough to show how far it is


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `sparsh-ros weights`."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("list", help="the models, and which of their weights are here")
    inspect = commands.add_parser("inspect", help="what a weights file holds")
    inspect.add_argument("file", type=Path, help=".onnx, .safetensors or a torch file")
    inspect.add_argument("--keys", action="store_true", help="list every tensor")


def run(arguments: argparse.Namespace) -> int:
    """Print the list or the inspection; 1 if what was inspected would not load.

    Raises:
        WeightsError: The file to inspect is missing, broken, unsafe or of another kind.
    """
    console = Console()
    if arguments.action == "inspect":
        return _inspect(arguments.file, arguments.keys, console)
    console.print(models_table(list_models()))
    return 0


def models_table(names: Iterable[str]) -> Table:
    """One row per model: size, heads, licence, bytes on disk, folder, or what is wrong with it."""
    table = Table("model", "size", "heads", "licence", "on disk", box=None)
    table.add_column("folder", overflow="fold")
    for name in names:
        try:
            spec = load_model_spec(name)
        except SparshError as error:
            table.add_row(name, str(error))
            continue
        table.add_row(
            spec.name,
            spec.size,
            ", ".join(spec.heads) or "-",
            spec.licence,
            _disk_use(spec),
            str(spec.weights),
        )
    return table


def _disk_use(spec: ModelSpec) -> str:
    if not (spec.weights / "encoder.onnx").is_file():
        return "not here"
    size = sum(path.stat().st_size for path in spec.weights.iterdir() if path.is_file())
    return f"{size / 1e6:.1f} MB"


def _inspect(path: Path, keys: bool, console: Console) -> int:
    size = path.stat().st_size if path.is_file() else 0
    bar = Progress(
        TextColumn("reading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=size < _LARGE or not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(path.name, total=size)
        report = inspect_file(path, lambda count: bar.advance(task, count))

    def show(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    show(f"{path}")
    for label, text in report.facts:
        show(f"  {label:<9}  {text}")
    for kind, names in report.problems.items():
        show(f"  {kind} ({len(names)})")
        for name in names:
            show(f"    {name}")
    if keys:
        for line in report.keys:
            show(f"    {line}")
    return 1 if report.problems else 0
