# SPDX-License-Identifier: Apache-2.0
"""Write a trained model as a weights folder: ONNX graphs beside safetensors.

    encoder.onnx           preprocessing and encoder: uint8 frames and background -> tokens
    forcefield.onnx        with a force-field decoder: the same images -> its maps
    <head>.onnx            one graph per head: tokens -> outputs
    encoder.safetensors    the same weights for torch
    heads.safetensors      the same, keys `<head>.<parameter>`
    heads.json             what training found out: heads, slip threshold, pose bins

Weight matrices are rounded to float16 here, once, unless they must stay exact. Both formats then
hold the same numbers in half the space, and every engine computes with them in float32.
"""

from __future__ import annotations

import argparse
import copy
import logging
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from sparsh_ros.engines.onnx_engine import SENSOR_INPUT, OnnxEngine, image_inputs
from sparsh_ros.engines.torch_engine import TorchEngine
from sparsh_ros.errors import WeightsError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.anytouch.encoder import AnyTouch
from sparsh_ros.models.graphs import encoder_graph, head_graph
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import load_model_spec, write_trained_values
from sparsh_ros.names import ENCODER_FILE, HEADS_FILE

OPSET = 20  # the first with Gelu, which ONNX Runtime fuses with the bias before it
IR_VERSION = 9  # the one that came with opset 20; older ONNX Runtimes refuse later ones
PARITY_TOLERANCE = 1e-3  # absolute, for tokens of unit variance and logits; else relative to them
_MIN_FLOAT16_VALUES = 1024  # below this a second node costs more than the bytes it saves


def export_model(
    encoder: VisionTransformer | AnyTouch,
    heads: Mapping[str, nn.Module],
    spec: ModelSpec,
    folder: str | Path,
    exact: bool = False,
) -> ModelSpec:
    """Write all files of a weights folder and prove that ONNX Runtime and torch agree on them.

    Args:
        encoder: Trained encoder of ``spec``'s architecture; left as it is.
        heads: Trained heads by name, only those worth shipping, and perhaps a decoder under the
            name "forcefield"; left as they are.
        spec: The model, with what training found out: give `slip_threshold`, `pose_bin_edges_mm`,
            `pose_bin_edges_deg`, `pose_bin_values_mm` and `pose_bin_values_deg` with
            `dataclasses.replace(load_model_spec(name), ...)`. `heads` is filled in here.
        folder: Weights folder, made if needed. Other files in it stay; ours are replaced only
            after the check passed.
        exact: Keep every digit of the weights, at twice the size.

    Returns:
        The spec as it can be loaded from the folder.

    Raises:
        WeightsError: The two engines differ by more than `PARITY_TOLERANCE`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    encoder = _copy(encoder, exact)
    heads = {name: _copy(head, exact) for name, head in heads.items()}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        draft = replace(spec, heads=tuple(heads), weights=Path(scratch), files=None)
        _write_safetensors(encoder, heads, draft)
        _write_graphs(encoder, heads, draft)
        write_trained_values(draft, draft.weights)
        _check_parity(draft)
        for file in draft.weights.iterdir():
            shutil.move(file, folder / file.name)
    return replace(draft, weights=folder)


def _is_matrix(name: str, value: Tensor) -> bool:
    return name.endswith("weight") and value.ndim >= 2


def _copy(module: nn.Module, exact: bool) -> nn.Module:
    """Copy a module to the CPU for inference, its weight matrices rounded to float16 values unless
    they are to stay exact."""
    module = copy.deepcopy(module).cpu().float().eval()
    return module if exact else round_to_float16(module)


@torch.no_grad()
def round_to_float16(module: nn.Module) -> nn.Module:
    """Round weight matrices to values that float16 holds, in place; returns the module."""
    for name, parameter in module.named_parameters():
        if _is_matrix(name, parameter):
            parameter.copy_(parameter.half())
    return module


def _write_safetensors(encoder: nn.Module, heads: Mapping[str, nn.Module], spec: ModelSpec) -> None:
    (spec.weights / ENCODER_FILE).write_bytes(save(compact_state(encoder)))
    tensors = {
        f"{name}.{key}": value
        for name, head in heads.items()
        for key, value in compact_state(head).items()
    }
    (spec.weights / HEADS_FILE).write_bytes(save(tensors))


def compact_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module, matrices that float16 holds exactly as such."""
    return {
        name: value.half() if _fits_half(name, value) else value.contiguous()
        for name, value in module.state_dict().items()
    }


def _fits_half(name: str, value: Tensor) -> bool:
    return _is_matrix(name, value) and torch.equal(value.half().float(), value)


def _write_graphs(encoder: nn.Module, heads: Mapping[str, nn.Module], spec: ModelSpec) -> None:
    # Batches of 2: one of 1 would be taken for a constant. One tensor each: the exporter takes a
    # tensor given twice for one and the same input.
    images = {
        name: torch.zeros((2, *IMAGE_SHAPE), dtype=torch.uint8)
        for name in image_inputs(spec.frames)
    }
    told = {SENSOR_INPUT: torch.zeros(2, dtype=torch.int64)} if spec.tells_sensor else {}
    write_graph(encoder_graph(encoder), images | told, ["tokens"], spec, "encoder")
    tokens = {"tokens": torch.zeros(2, spec.tokens, spec.embed_dim)}
    for name, head in heads.items():
        inputs = images if name in READS_IMAGES else tokens
        write_graph(head_graph(name, head, encoder), inputs, list(head.outputs), spec, name)


def write_graph(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str], spec: ModelSpec, part: str
) -> None:
    """Write a module as `<part>.onnx` in the weights folder of ``spec``.

    Args:
        module: Takes the inputs in their order; returns a tensor or a dictionary of tensors.
        inputs: One example each, by name, the batch on axis 0, which stays free.
        outputs: Their names, in the module's order.
        spec: The model that the file says it belongs to.
        part: "encoder" or the head's name.
    """
    module, examples = module.eval(), tuple(inputs.values())
    batch, shapes = torch.export.Dim("batch"), torch.export.ShapesCollection()
    for example in examples:
        shapes[example] = {0: batch}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of operators not in use
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            examples,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=shapes.dynamic_shapes(module, examples),
            verbose=False,
        )
    model = program.model_proto
    model.ir_version = IR_VERSION
    drop_traces(model)
    _store_as_float16(model.graph)
    helper.set_model_props(model, {"model": spec.name, "part": part, "licence": spec.licence})
    onnx.checker.check_model(model)
    onnx.save(model, spec.weights / f"{part}.onnx")


def drop_traces(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes: stack traces with paths of the machine it ran on."""
    for item in (model.graph, *model.graph.node, *model.graph.initializer):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    model.graph.ClearField("value_info")


def _store_as_float16(graph: onnx.GraphProto) -> None:
    """Store every large constant that float16 holds exactly as such, cast back on use.

    ONNX Runtime folds the casts when it loads the graph: no cost per run, no change of numbers.
    """
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if values.size < _MIN_FLOAT16_VALUES or not np.array_equal(halves, values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}_float16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    graph.ClearField("node")
    graph.node.extend(nodes)


def _check_parity(spec: ModelSpec) -> None:
    """Raise WeightsError unless both engines, loading what was written, give the same numbers."""
    shape = (spec.frames + 1, 2, *IMAGE_SHAPE)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ours, reference = OnnxEngine(spec, spec.heads), TorchEngine(spec, spec.heads, device="cpu")
    tokens = ours.encode(*images)
    expected = reference.encode(*images)
    errors = {"encoder": _difference(tokens, expected.numpy())}
    for head in ours.heads:
        reads_images = head in READS_IMAGES
        outputs = ours.run_head(head, *(images if reads_images else [tokens]))
        wanted = reference.run_head(head, *(images if reads_images else [expected]))
        for name, value in wanted.items():
            errors[f"{head}.{name}"] = _difference(outputs[name], value)
    wrong = {name: error for name, error in errors.items() if not error < PARITY_TOLERANCE}
    if wrong:
        raise WeightsError(
            f"export of {spec.name}: ONNX Runtime and torch differ by {wrong}, wanted less than "
            f"{PARITY_TOLERANCE}; nothing was written"
        )


def _difference(found: NDArray, wanted: NDArray) -> float:
    """Largest difference, in units of the size of what is wanted where that is above 1."""
    size = float(np.sqrt(np.square(wanted, dtype=np.float64).mean()))
    return float(np.abs(found - wanted).max()) / max(1.0, size)


def run(arguments: argparse.Namespace) -> int:
    """Write a model's weights folder from its safetensors or torch files."""
    spec = load_model_spec(arguments.model)
    encoder = load_model_encoder(spec, arguments.encoder)
    heads = load_model_heads(spec.heads, spec, arguments.heads)
    folder = arguments.out or spec.weights
    written = export_model(encoder, heads, spec, folder, arguments.exact)
    Console().print(f"{written.weights}: encoder and {', '.join(written.heads) or 'no heads'}")
    return 0
