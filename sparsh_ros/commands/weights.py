# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights`: which models there are, fetch one, look into a file, convert one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from sparsh_ros.errors import MissingDependencyError, SparshError
from sparsh_ros.export.inspection import inspect_file
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import list_models, load_model_spec
from sparsh_ros.resources import user_data_path

_LARGE = 1 << 26  # bytes from which reading a file takes long enough to show how far it is


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; 1 if what was inspected would not load.

    Raises:
        ModelError: There is no such model.
        WeightsError: Files are missing, broken, unsafe or of another kind, or cannot be fetched.
        MissingDependencyError: A package is needed that is not installed.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if arguments.action == "inspect":
        return _inspect(arguments.file, arguments.keys, console)
    if arguments.action == "get":
        _get(arguments.name, arguments.out, console)
    elif arguments.action == "convert":
        _convert(arguments, console)
    else:
        console.print(models_table(list_models()))
        console.print(f"weights that are fetched go to {user_data_path('models')}")
    return 0


def _get(name: str, out: Path | None, console: Console) -> None:
    from sparsh_ros.export.weights_get import get_model

    files = get_model(name, out, console.print)
    where = f" weights_dir:={out}" if out else ""
    console.print(f"{len(files)} files; use them with model:={name}{where}")


def _convert(arguments: argparse.Namespace, console: Console) -> None:
    try:
        from sparsh_ros.export.convert import convert
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"weights convert: wanted the Python package {error.name}, found none; "
            f"`pip install {error.name}`"
        ) from error
    given = vars(arguments)
    wanted = {name: given[name] for name in ("what", "out", "model", "weights_dir", "half")}
    with console.status("exporting, then comparing both engines"):
        spec, missing = convert(**wanted)
    console.print(f"{spec.weights}: encoder and {', '.join(spec.heads) or 'no heads'}")
    for head, reason in missing.items():
        console.print(f"not converted: {head}: {reason}")
    console.print(f"use it with model:={spec.weights / spec.name}.yaml")


def models_table(names: Iterable[str]) -> Table:
    """One row per model: size, heads, licence, bytes on disk, or what is wrong with it."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("model", "size", "heads", "licence", "on disk"):
        table.add_column(title, no_wrap=title == "model")
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
        )
    return table


def _disk_use(spec: ModelSpec) -> str:
    if spec.files is None and not (spec.weights / "encoder.onnx").is_file():
        return "not here"
    files = [path for path in spec.weights.rglob("*") if path.is_file()]
    return f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB"


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

    show = console.print
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
