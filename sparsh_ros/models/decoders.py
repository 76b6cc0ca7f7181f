# SPDX-License-Identifier: Apache-2.0
"""Load a decoder from its official file in one line: what it is follows from the tensors alone.

Files of TacBench's training (Higuera et al., 2024, arXiv:2410.24090): `epoch-XXXX.pth` with the
keys `model_task.*`, whole modules with `model_encoder.*` beside them, and `last.ckpt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.checkpoints import load_tensors, read_tensors
from sparsh_ros.models.dpt import GRID, MAPS, ForceFieldDecoder
from sparsh_ros.models.heads import HEADS
from sparsh_ros.models.zoo import recognise_encoder

TASK_PREFIX = "model_task."
POOLER_HEADS = 12  # of every official pooler, whatever the width of its encoder
_PATCH_SIZE = 16
_WRAPPERS = ("module", "_orig_mod")  # of distributed training and of torch.compile
_MAP_KEYS = dict(zip(MAPS, ("probe.dispconv.", "probe.shear_mlp."), strict=True))
_TASK_OF_OUTPUTS = {3: "force", 2: "grasp", 20: "textile"}

Shapes = Mapping[str, tuple[int, ...]]


def load_head(
    path: str | Path,
    task: str | None = None,
    attention_heads: int | None = None,
    image_size: tuple[int, int] | None = None,
) -> nn.Module:
    """Load a decoder, in evaluation mode, float32 on the CPU.

    Its ``task`` is "force", "slip", "pose", "grasp", "textile" (see `sparsh_ros.models.heads`) or
    "forcefield" (see `sparsh_ros.models.dpt`); it returns a dictionary of tensors, with the keys
    ``outputs``.

    Args:
        path: `.pth`, `.ckpt` or `.safetensors`.
        task: What the file must be; None takes what it is.
        attention_heads: Attention heads of the pooler, which leave no trace in the tensors; None:
            12. Force fields have no pooler.
        image_size: Height and width in pixels of the encoder's input, which a force field needs;
            None: 224 x 224. The other heads take any number of tokens.

    Raises:
        WeightsError: The file is missing, broken, unsafe, no decoder, of another task, or its
            tensors are not exactly those of the decoder.
        ModelError: ``attention_heads`` or ``image_size`` cannot go with the file's tensors.
    """
    tensors = _own_tensors(read_tensors(path))
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    found = recognise_head(shapes)
    if not found:
        raise WeightsError(
            f"{path}: wanted a decoder, keys {TASK_PREFIX}*, found {_describe(shapes)}; "
            f"see `sparsh-ros weights inspect {path}`"
        )
    if task not in (None, found):
        raise WeightsError(f"{path}: wanted a {task} head, found a {found} head; give its own file")
    if found == "forcefield":
        head = _build_force_field(shapes, image_size, path)
    else:
        head = _build_probe(found, shapes, attention_heads, path)
    load_tensors(head, tensors, path)
    return head.eval()


def recognise_head(shapes: Shapes) -> str:
    """Name the task of the decoder that a state dict's shapes belong to; "" if to none."""
    groups = {name.split(".")[0] for name in shapes}
    if groups & {"reassembles", "fusions"}:
        return "forcefield"
    if groups & {"probe_tx", "probe_ty", "probe_yaw"}:
        return "pose"
    if groups & {"fc_norm", "force_probe"}:
        return "slip"
    outputs = shapes.get("probe.2.weight", (0,))
    return _TASK_OF_OUTPUTS.get(outputs[0], "") if outputs else ""


def _own_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the decoder, by their own names: a whole module's file holds an encoder as well."""
    plain = {
        ".".join(part for part in name.split(".") if part not in _WRAPPERS): value
        for name, value in tensors.items()
    }
    own = {
        name.removeprefix(TASK_PREFIX): value
        for name, value in plain.items()
        if name.startswith(TASK_PREFIX)
    }
    return own or plain


def _build_probe(
    task: str, shapes: Shapes, attention_heads: int | None, path: str | Path
) -> nn.Module:
    width = _size(shapes, "pooler.query_tokens", 2, path)
    heads = POOLER_HEADS if attention_heads is None else attention_heads
    if heads < 1 or width % heads:
        raise ModelError(
            f"{path}: a pooler of width {width} cannot have {heads} attention heads; give "
            f"attention_heads, a divisor of {width}"
        )
    hidden_layer = "pooler.cross_attention_block.mlp.fc1.weight"
    probe = f"{next(iter(HEADS[task].probes))}.0.weight"
    sizes = {
        "mlp_width": _size(shapes, hidden_layer, 0, path),
        "hidden": _size(shapes, probe, 0, path),
    }
    if task == "pose":
        sizes["fingers"] = max(1, _size(shapes, probe, 1, path) // width)
    return HEADS[task](width, heads, **sizes)


def _build_force_field(
    shapes: Shapes, image_size: tuple[int, int] | None, path: str | Path
) -> ForceFieldDecoder:
    grid = GRID
    if image_size is not None:
        if any(side % _PATCH_SIZE for side in image_size):
            raise ModelError(
                f"{path}: wanted an image_size in multiples of {_PATCH_SIZE} pixels, found "
                f"{image_size[0]} x {image_size[1]}; use 224 x 224"
            )
        grid = (image_size[0] // _PATCH_SIZE, image_size[1] // _PATCH_SIZE)
    maps = [name for name, key in _MAP_KEYS.items() if any(k.startswith(key) for k in shapes)]
    return ForceFieldDecoder(
        width=_size(shapes, "norm.weight", 0, path),
        channels=_size(shapes, "reassembles.0.resample.conv1.weight", 0, path),
        grid=grid,
        maps=maps or MAPS,
    )


def _size(shapes: Shapes, name: str, axis: int, path: str | Path) -> int:
    shape = shapes.get(name, ())
    if len(shape) <= axis or shape[axis] < 1:
        found = f"of shape {shape}" if name in shapes else "none"
        raise WeightsError(
            f"{path}: wanted a tensor {name}, found {found}; "
            f"see `sparsh-ros weights inspect {path}`"
        )
    return shape[axis]


def _describe(shapes: Shapes) -> str:
    groups = sorted({name.split(".")[0] for name in shapes})
    return recognise_encoder(shapes) or f"those of {', '.join(groups) or 'nothing'}"
