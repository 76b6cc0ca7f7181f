# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights list` and `sparsh-ros weights inspect FILE`.

torch and safetensors are imported only to look into a file of theirs; nothing in a file is run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from sparsh_ros.engines.onnx_engine import open_session
from sparsh_ros.errors import SparshError
from sparsh_ros.models.zoo import ModelSpec, list_models, load_model_spec, recognise_encoder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `sparsh-ros weights`."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("list", help="the models, and which of their weights are here")
    inspect = commands.add_parser("inspect", help="what a weights file holds")
    inspect.add_argument("file", type=Path, help=".onnx, .safetensors or a torch file")


def run(arguments: argparse.Namespace) -> int:
    """Print the list or the inspection.

    Raises:
        WeightsError: The file to inspect is missing, broken or unsafe.
    """
    console = Console()
    if arguments.action == "list":
        console.print(models_table(list_models()))
    else:
        for line in inspect_file(arguments.file):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
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


def inspect_file(path: Path) -> list[str]:
    """Describe a weights file in lines of text: format, contents, and what it belongs to.

    Raises:
        WeightsError: The file is missing, broken or unsafe.
    """
    if path.suffix == ".onnx":
        return _inspect_onnx(path)
    from sparsh_ros.models.checkpoints import read_tensors

    tensors = read_tensors(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()})
    values = sum(tensor.numel() for tensor in tensors.values())
    summary = f"{path}: {len(shapes)} tensors, {values:,} values, {' and '.join(types)}"
    return [summary, *_belongs_to(shapes), *(f"  {name} {shapes[name]}" for name in shapes)]


def _belongs_to(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    if encoder := recognise_encoder(shapes):
        return [encoder]
    marker = ".pooler.query_tokens"
    heads = [name.removesuffix(marker) for name in shapes if name.endswith(marker)]
    return [f"heads: {', '.join(heads)}"] if heads else []


def _inspect_onnx(path: Path) -> list[str]:
    session = open_session(path, threads=1)
    facts = session.get_modelmeta().custom_metadata_map
    return [
        f"{path}: ONNX graph, {path.stat().st_size / 1e6:.1f} MB",
        *(f"{key}: {value}" for key, value in facts.items()),
        *(f"  input {_signature(node)}" for node in session.get_inputs()),
        *(f"  output {_signature(node)}" for node in session.get_outputs()),
    ]


def _signature(node: ort.NodeArg) -> str:
    shape = ", ".join(str(size) for size in node.shape)
    return f"{node.name} ({shape}) {node.type.removeprefix('tensor(').removesuffix(')')}"
