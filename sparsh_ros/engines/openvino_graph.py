# SPDX-License-Identifier: Apache-2.0
"""What is changed in an encoder's graph before OpenVINO runs it with fewer digits.

Imports OpenVINO, which is optional.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from sparsh_ros.models.transforms import NEUTRAL

_PATCHES = "patches"  # name of the product that embeds them
_LEVELS = 256
_LARGEST = 127  # of int8


def fix_batch(model: ov.Model) -> None:
    """Make a graph one of single images, whose shapes are all known."""
    model.reshape({node.any_name: [1, *list(node.partial_shape)[1:]] for node in model.inputs})


def embed_whole_levels(model: ov.Model) -> None:
    """Embed patches by a matrix product of differences in whole grey levels.

    With 8 bits of mantissa, pixels around 0.5 would lose half a grey level, more than a light touch
    changes. As differences from the untouched gel, -127 to 128, they are exact, and what is the
    same in all patches becomes part of the bias. And a product is right where oneDNN's convolution
    of bfloat16 on AMX is not (version 2026.4: errors as large as the result at 6 channels).
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and (scale := _scale(node.input_value(0))):
            pixels = node.input_value(0).get_node().input_value(0)
            last, bias = _added(node)
            weight = _constant(node.input_value(1))
            last.output(0).replace(_embed(pixels, weight, scale, bias))
    model.validate_nodes_and_infer_types()


def _added(node: ov.Node) -> tuple[ov.Node, NDArray[np.float32]]:
    """The bias that is added to a convolution, and the node that adds it: what is the same in all
    patches may be large and cancel with it, which has to happen before anything is rounded."""
    readers = [target.get_node() for target in node.output(0).get_target_inputs()]
    readers = [reader for reader in readers if reader.get_type_name() != "ShapeOf"]
    if len(readers) == 1 and readers[0].get_type_name() == "Add":
        for index in (0, 1):
            bias = _constant(readers[0].input_value(index))
            if bias is not None:
                return readers[0], bias.reshape(-1)
    return node, np.zeros(1, np.float32)


def _scale(source: ov.Output) -> float:
    """What pixels are divided by, 0 where they are not."""
    node = source.get_node()
    if node.get_type_name() != "Divide":
        return 0.0
    divisor = _constant(node.input_value(1))
    return float(divisor.item()) if divisor is not None and divisor.size == 1 else 0.0


def _embed(
    pixels: ov.Output, weight: NDArray[np.float32], scale: float, bias: NDArray[np.float32]
) -> ov.Output:
    """Convolution of (B, C, S...) with (D, C, K...), each step one kernel wide, and its bias."""
    count, channels, *kernel = weight.shape
    extent = [size.get_length() for size in list(pixels.get_partial_shape())[2:]]
    grid = [size // width for size, width in zip(extent, kernel, strict=True)]
    split = [side for pair in zip(grid, kernel, strict=True) for side in pair]
    axes = len(kernel)
    order = [0, *range(2, 2 + 2 * axes, 2), 1, *range(3, 3 + 2 * axes, 2)]
    matrix = weight.reshape(count, -1)
    whole = op.subtract(pixels, np.float32(NEUTRAL))
    patches = op.transpose(op.reshape(whole, [1, channels, *split], False), order)
    rows = op.reshape(patches, [1, int(np.prod(grid)), matrix.shape[1]], False)
    product = op.matmul(rows, op.constant(matrix / np.float32(scale)), False, True)
    product.set_friendly_name(_PATCHES)
    whole_bias = bias + matrix.sum(axis=1, dtype=np.float64) * NEUTRAL / scale
    biased = op.add(product, op.constant(whole_bias.astype(np.float32)))
    tokens = op.transpose(biased, [0, 2, 1])
    return op.reshape(tokens, [1, count, *grid], False).output(0)


def watch_layers(model: ov.Model) -> None:
    """Give a graph two more outputs per linear layer: least and largest value of what it reads."""
    outputs = []
    for node, _ in _linear_layers(model):
        source = node.input_value(0)
        axes = np.arange(len(source.get_partial_shape()))
        outputs += [op.reduce_min(source, axes).output(0), op.reduce_max(source, axes).output(0)]
    model.add_outputs(outputs)


def quantise_layers(model: ov.Model, largest: Sequence[float]) -> None:
    """Compute linear layers in int8: matrices by channel, what they read by a fixed scale each.

    Args:
        model: A graph as of `embed_whole_levels`.
        largest: Absolute value that each layer's input is cut off at, in the order of
            `watch_layers`.
    """
    for (node, matrix), limit in zip(_linear_layers(model), largest, strict=True):
        high = np.float32(limit)
        low = -high * np.float32((_LARGEST + 1) / _LARGEST)
        source = op.fake_quantize(node.input_value(0), low, high, low, high, _LEVELS)
        step = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.float32(1e-12)) / _LARGEST
        whole = op.convert(op.constant(np.rint(matrix / step).astype(np.int8)), "f32")
        product = op.matmul(source, op.multiply(whole, op.constant(step)), False, True)
        node.output(0).replace(product.output(0))
    model.validate_nodes_and_infer_types()


def _linear_layers(model: ov.Model) -> Iterator[tuple[ov.Node, NDArray[np.float32]]]:
    """Products with a constant matrix, and it as (outputs, inputs); not that of the patches."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.get_friendly_name() == _PATCHES:
            continue
        matrix = _constant(node.input_value(1))
        if matrix is not None and matrix.ndim == 2:
            yield node, matrix if node.get_attributes()["transpose_b"] else matrix.T


def _constant(source: ov.Output) -> NDArray[np.float32] | None:
    """The float32 values of a constant, through what only moves them; None if it is none."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "Constant":
        return np.array(node.data, np.float32)
    if kind == "Convert":
        return _constant(node.input_value(0))
    if kind == "Reshape":
        values = _constant(node.input_value(0))
        return None if values is None else values.reshape(node.get_output_shape(0))
    if kind == "Transpose":
        values, order = (_constant(node.input_value(index)) for index in (0, 1))
        return None if values is None else values.transpose(order.astype(int))
    return None
