# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights convert`: published files -> a weights folder for ONNX Runtime.

Values are kept to the last digit unless half the size is asked for. The graphs are run beside the
torch modules before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.export.export import export_model
from sparsh_ros.models.checkpoints.weight_files import choose_files
from sparsh_ros.models.head_choice import choose_heads
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import (
    describe_as_yaml,
    describe_model,
    list_models,
    load_model_spec,
)


def convert(
    what: Sequence[str],
    out: Path,
    model: str = "",
    weights_dir: Path | None = None,
    half: bool = False,
) -> tuple[ModelSpec, Mapping[str, str]]:
    """Convert a published model.

    Args:
        what: Name of a model, or files: one with the encoder and any with decoders.
        out: Folder to write; see `sparsh_ros.export.export`. A description of the model,
            `<name>.yaml`, is put beside the weights.
        model: Name of the description that the files go with; "" takes the one that names the
            encoder's file.
        weights_dir: Where the named model's files are, if not where it is looked for.
        half: Round weight matrices to float16, for half the size.

    Returns:
        The model as it can be loaded from the folder, and the heads that cannot be run, with the
        reason for each.

    Raises:
        ModelError: There is no such model.
        WeightsError: The files cannot be used, or the two engines differ.
    """
    spec = _spec(what, model, weights_dir)
    choice = choose_heads(spec)
    encoder = load_model_encoder(spec)
    heads = load_model_heads(choice.usable, spec)
    if not spec.tells_sensor:
        spec = replace(spec, registers=encoder.config.registers, zero_registers=0)
    written = export_model(encoder, heads, spec, out, exact=not half)
    text = describe_as_yaml(replace(written, weights=Path(".")))
    (out / f"{spec.name}.yaml").write_text(text)
    present = {name: why for name, why in choice.missing.items() if name in spec.heads}
    return written, present


def _spec(what: Sequence[str], model: str, weights_dir: Path | None) -> ModelSpec:
    if len(what) == 1 and what[0] in list_models():
        spec = load_model_spec(what[0], weights_dir)
        if spec.files is None:
            found = "our own format" if spec.heads else "none"
            raise WeightsError(
                f"model {spec.name}: wanted published files in {spec.weights}, found {found}; "
                f"`sparsh-ros weights get {spec.name}` fetches them"
            )
        return spec
    files = choose_files([Path(name) for name in what])
    spec = describe_model(model or _described_by(files.encoder.path))
    return replace(spec, files=files, heads=tuple(files.heads))


def _described_by(encoder: Path) -> str:
    for name in list_models():
        sources = describe_model(name).sources
        if sources and len(sources) == 1 and encoder.name in sources[0].files:
            return name
    raise ModelError(
        f"{encoder}: no model's published file has that name; name the model that it goes with, "
        f"--model NAME, one of {', '.join(list_models())}"
    )
