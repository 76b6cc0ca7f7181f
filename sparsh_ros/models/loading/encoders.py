# SPDX-License-Identifier: Apache-2.0
"""Load encoders of Sparsh and AnyTouch: safetensors, or torch files as data only.

Nothing in a file is ever run: a pickle that would call anything is refused. Loading is strict: a
file either has exactly the tensors of the module, or is refused with what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.anytouch.encoder import AnyTouch, build_anytouch
from sparsh_ros.models.checkpoints.anytouch.config import (
    POSITION_IDS,
    AnyTouchConfig,
    InferredAnyTouch,
)
from sparsh_ros.models.checkpoints.architecture import (
    IMAGE_SIZE,
    EncoderConfig,
    InferredConfig,
    height_and_width,
)
from sparsh_ros.models.checkpoints.checkpoint import Checkpoint, open_checkpoint
from sparsh_ros.models.checkpoints.tensor_info import some
from sparsh_ros.models.resnet.files import load_pair
from sparsh_ros.models.resnet.network import ResNetPair
from sparsh_ros.models.spec import RESNET, ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import describe_encoder
from sparsh_ros.names import ENCODER_FILE

_DESCRIBED = ("embed_dim", "depth", "patch_size", "in_channels", "tubelet", "registers")
"""What a model's description says of its encoder's tensors."""

_Module = TypeVar("_Module", bound=nn.Module)


class Differences(NamedTuple):
    """In what the tensors of a file are not those of a module; all empty if they are.

    Attributes:
        missing: Names that the file lacks.
        unexpected: Names that the module lacks.
        reshaped: Names with the shape found and the one wanted.
        retyped: Names with a type that is no floating-point number.
    """

    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]
    retyped: list[str]

    def labelled(self) -> list[tuple[str, list[str]]]:
        """Each kind of difference in words, with its names."""
        words = ("missing", "unexpected", "other shape", "not floating-point")
        return list(zip(words, self, strict=True))


def load_encoder(
    path: str | Path | Checkpoint,
    *,
    image_size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    num_heads: int | None = None,
    zero_registers: int = 0,
) -> VisionTransformer | AnyTouch:
    """Load an encoder of Sparsh, AnyTouch or AnyTouch 2 from any file that holds one.

    Takes the published `.safetensors`, `.ckpt` and `.pth` files, state dicts, and either wrapped by
    `torch.compile` or distributed training. The architecture is told from the tensors; of a
    training checkpoint of Sparsh the moving average is taken, of one of AnyTouch the encoder of
    touch, and nothing else is read.

    Args:
        path: Weights file, or one that is open.
        image_size: Height and width of the input in pixels, or the side of a square; sinusoidal
            positions fit any. None takes 320 x 240 for Sparsh, and what the learned positions of
            AnyTouch fit.
        frames: Frames of a clip, for a video encoder; None takes as many as have learned positions,
            else 4.
        num_heads: Attention heads, which no tensor tells; None takes one per 64 channels, as all
            published encoders have.
        zero_registers: Registers of zeros to add, for probes of TacBench on an I-JEPA or V-JEPA
            encoder; see `VisionTransformer.add_zero_registers`.

    Returns:
        The encoder in evaluation mode, float32, on the CPU. An image encoder maps
        (B, 6, 320, 240) floats in [0, 1], current RGB frame first, to tokens (B, 300, D); a video
        encoder maps (B, 3, 4, 320, 240), newest frame first, to (B, 600, D). `intermediate` gives
        the outputs of its blocks. AnyTouch is another matter, see `models.anytouch.encoder`; its
        `ignored` lists what else the file holds.

    Raises:
        WeightsError: The file is missing, broken, unsafe, holds no encoder, lacks tensors or has
            unknown ones, or contradicts an argument.
        ModelError: Zero registers are wanted and the file has registers of its own.
        MissingDependencyError: The package safetensors is needed and not installed.
    """
    file = open_checkpoint(path)
    _refuse_unexpected(file)
    size = None if image_size is None else height_and_width(image_size)
    if file.encoder_keys.anytouch:
        if zero_registers:
            raise ModelError(f"{file.path}: wanted no zero_registers for AnyTouch, which has none")
        return _load(file, file.encoder_config.complete(size, frames, num_heads))
    encoder = _load(file, file.encoder_config.complete(size or IMAGE_SIZE, frames, num_heads))
    if zero_registers:
        encoder.add_zero_registers(zero_registers)
    return encoder


def _load(file: Checkpoint, config: EncoderConfig | AnyTouchConfig) -> VisionTransformer | AnyTouch:
    keys = file.encoder_keys
    encoder = load_weights(build_on_meta(config), file, keys.names)
    if keys.anytouch:
        _check_order(file, config.patches + 1)
        encoder.ignored = {part: tuple(names) for part, names in keys.others.items()}
    return encoder


def _check_order(file: Checkpoint, count: int) -> None:
    """AnyTouch 2 looks its positions up by running numbers, which the file brings along."""
    for name in file.encoder_keys.others.get(POSITION_IDS, ()):
        ids = file.read([name])[name].flatten()
        if ids.tolist() != list(range(count)):
            raise WeightsError(
                f"{file.path}: wanted {name} to count from 0 to {count - 1}, found another order; "
                "the file is damaged or foreign, use other weights"
            )


def load_model_encoder(
    spec: ModelSpec, path: Path | None = None
) -> VisionTransformer | AnyTouch | ResNetPair:
    """Load the encoder that a model's description is about, as `load_encoder` does.

    Args:
        spec: The model.
        path: Weights file; None takes the model's own: its published file, else
            `encoder.safetensors` in its folder.

    Raises:
        WeightsError: As `load_encoder`, or the file holds another architecture.
    """
    own = spec.files.encoder if spec.files else spec.weights / ENCODER_FILE
    if spec.family == RESNET:
        return load_pair(spec, path or own)
    file = open_checkpoint(path or own)
    _refuse_unexpected(file)
    inferred, wanted = file.encoder_config, spec.encoder_config
    _check_described(file.path, inferred, spec)
    encoder = _load(file, inferred.complete(wanted.image_size, wanted.frames, wanted.num_heads))
    if spec.zero_registers and not encoder.config.registers:  # a file of our own has them already
        encoder.add_zero_registers(spec.zero_registers)
    return encoder


def load_weights(module: _Module, file: Checkpoint, names: Mapping[str, str]) -> _Module:
    """Give a module the tensors of a file, all of them and nothing else, as float32.

    Args:
        module: Encoder or head on the meta device: shapes alone, so that a refused file costs no
            memory and another no random start.
        file: Where the tensors are.
        names: The module's name of each tensor -> its name in the file.

    Returns:
        The module, in evaluation mode on the CPU.

    Raises:
        WeightsError: Names, shapes or types differ from the module's, values are not finite, or
            the file is damaged.
    """
    _refuse(differences(module, file, names), file.path)
    values = file.read(names.values())
    if broken := not_finite(values):
        raise WeightsError(
            f"{file.path}: wanted finite numbers, found NaN or infinity in {some(broken)}; the "
            "training that wrote it had diverged, or it is damaged: use other weights"
        )
    tensors = {name: values[in_file].float() for name, in_file in names.items()}
    module.load_state_dict(tensors, assign=True)
    return module.eval()


def not_finite(values: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity."""
    return [name for name, value in values.items() if not value.isfinite().all()]


def differences(module: nn.Module, file: Checkpoint, names: Mapping[str, str]) -> Differences:
    """Compare a module's tensors with those of a file.

    Args:
        module: Encoder or head, on the meta device if one likes.
        file: Where the tensors are.
        names: The module's name of each tensor -> its name in the file.
    """
    found = {name: file.tensors[in_file] for name, in_file in names.items()}
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    return Differences(
        missing=[name for name in wanted if name not in found],
        unexpected=[name for name in found if name not in wanted],
        reshaped=[
            f"{name} {info.shape} instead of {wanted[name]}"
            for name, info in found.items()
            if name in wanted and info.shape != wanted[name]
        ],
        retyped=[f"{name} {i.dtype}" for name, i in found.items() if "float" not in i.dtype],
    )


def _refuse_unexpected(file: Checkpoint) -> None:
    if file.encoder_keys.unexpected:
        raise WeightsError(
            f"{file.path}: unexpected: {some(file.encoder_keys.unexpected)}, of no module that a "
            f"checkpoint of {_family(file)} has; see `sparsh-ros weights inspect {file.path}`"
        )


def _family(file: Checkpoint) -> str:
    return "AnyTouch" if file.encoder_keys.anytouch else "Sparsh"


def resized(encoder: VisionTransformer, image_size: tuple[int, int]) -> VisionTransformer:
    """The same encoder for images of another height and width; it shares all tensors.

    Raises:
        ModelError: Its positions are learned, which fit one size alone.
    """
    if encoder.config.learned_positions and image_size != encoder.config.image_size:
        raise ModelError(
            f"encoder: wanted sinusoidal positions for images of {image_size}, found learned ones "
            f"for {encoder.config.image_size}"
        )
    twin = build_on_meta(replace(encoder.config, image_size=image_size))
    twin.load_state_dict(encoder.state_dict(), assign=True)
    return twin.eval()


def build_on_meta(config: EncoderConfig | AnyTouchConfig) -> VisionTransformer | AnyTouch:
    """Build an encoder without values, on the meta device."""
    with torch.device("meta"):
        if isinstance(config, AnyTouchConfig):
            return build_anytouch(config)
        return VisionTransformer.from_config(config)


def _check_described(
    path: Path, config: InferredConfig | InferredAnyTouch, spec: ModelSpec
) -> None:
    if spec.tells_sensor or isinstance(config, InferredAnyTouch):
        names = ("family", "embed_dim", "depth", "patch_size", "tubelet")
        stated = {name: getattr(spec.encoder_config, name, spec.family) for name in names}
    else:
        config = replace(config, registers=config.registers or spec.zero_registers)
        stated = {name: getattr(spec.encoder_config, name) for name in _DESCRIBED}
        if spec.registers is None:
            del stated["registers"]
    differing = [name for name, value in stated.items() if value != getattr(config, name, None)]
    if differing:
        raise WeightsError(
            f"{path}: of another architecture: model {spec.name} wants "
            f"{describe_encoder(spec.encoder_config)}, found {describe_encoder(config)}; "
            f"differing: {', '.join(differing)}"
        )


def _refuse(found: Differences, path: Path) -> None:
    if any(found):
        listed = [f"{label}: {some(names)}" for label, names in found.labelled() if names]
        raise WeightsError(
            f"{path}: wanted exactly the tensors of the module it is for, found "
            f"{'; '.join(listed)}; see `sparsh-ros weights inspect {path}`"
        )
