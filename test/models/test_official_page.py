# SPDX-License-Identifier: Apache-2.0
"""docs/official_weights.md says of every published file what its entry says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sparsh_ros.models.spec import ModelSpec, Source
from sparsh_ros.models.transforms import load_transforms
from sparsh_ros.models.zoo import describe_model, list_models
from sparsh_ros.resources import config_path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "official_weights.md").read_text()
COLUMNS = ("file", "model", "holds", "known of the file", "could not be verified without it")


def table() -> str:
    """The page's table of files, made from config/models."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    return "\n".join([*lines, *dict.fromkeys(rows())])


def rows() -> Iterator[str]:
    for spec in map(describe_model, list_models()):
        for part, source in enumerate(spec.sources):
            if part == 0 and len(spec.sources) > 1:
                continue  # the encoder has a row as a model of its own
            for place, file in enumerate(source.files):
                cells = (f"`{file}`", spec.name, holds(spec, file), known(source, place))
                yield f"| {' | '.join((*cells, '; '.join(spec.unverified) or '-'))} |"


def holds(spec: ModelSpec, file: str) -> str:
    if len(spec.sources) > 1:
        return "force field of 224 x 224 pixels, normal and shear"
    frames = f"clips of {spec.frames}" if spec.tubelet else "pairs"
    where = "bare" if file.endswith(".safetensors") else "in a training checkpoint"
    return f"encoder, {where}: {spec.embed_dim} x {spec.depth}, {frames}, {spec.tokens} tokens"


def known(source: Source, place: int) -> str:
    config = []
    if place == 0:
        config = [f"{source.size:,} bytes"] if source.size else []
        config += [f"sha256 {source.sha256}..."] if source.sha256 else []
    return ", ".join(config) or "name"


def test_the_table_of_files_is_that_of_the_entries() -> None:
    assert table() in PAGE


def test_every_set_of_transforms_is_explained() -> None:
    for path in config_path("transforms").glob("*.yaml"):
        assert f"`{path.stem}`" in PAGE
        for kind, rule in load_transforms(path.stem).items():
            assert f"`{kind}`" in PAGE, (kind, rule)
