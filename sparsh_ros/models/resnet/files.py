# SPDX-License-Identifier: Apache-2.0
"""A trained ResNet-18 in a folder: `encoder.safetensors` and `resnet.json`, its architecture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.resnet.network import ResNet18, ResNetConfig, ResNetPair
from sparsh_ros.models.spec import RESNET, ModelSpec
from sparsh_ros.names import ENCODER_FILE

CONFIG_FILE = "resnet.json"


def save_encoder(encoder: ResNet18, folder: Path) -> None:
    """Write `encoder.safetensors` and `resnet.json`."""
    state = {name: value.cpu().contiguous() for name, value in encoder.state_dict().items()}
    save_file(state, folder / ENCODER_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(encoder.config)) + "\n")


def load_resnet(folder: Path) -> ResNet18:
    """The encoder of a folder.

    Raises:
        ModelError: It holds none.
        WeightsError: Its weights do not fit its architecture.
    """
    try:
        config = ResNetConfig(**json.loads((folder / CONFIG_FILE).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{folder}: wanted a pre-training run with {CONFIG_FILE}, found none that can be read "
            f"({error}); `sparsh-ros train sarl --run {folder}` makes one"
        ) from error
    encoder = ResNet18(config).to(memory_format=torch.channels_last)
    return _fill(encoder, folder / ENCODER_FILE, CONFIG_FILE)


def load_pair(spec: ModelSpec, path: Path) -> ResNetPair:
    """The encoder that a model's description is about.

    Raises:
        WeightsError: The file is missing or damaged, or does not fit the description.
    """
    return _fill(ResNetPair(spec.encoder_config), path, f"model {spec.name}")


def describe_run(name: str, config: ResNetConfig, folder: Path) -> ModelSpec:
    """The description of an encoder that a run trained, by which heads are trained and run."""
    size = f"{RESNET}-nano" if config.is_light else RESNET
    side = {"image_height": config.image_size, "image_width": config.image_size}
    return ModelSpec(name, size, "Apache-2.0", folder, RESNET, 0, patch_size=config.stride, **side)


_Network = TypeVar("_Network", bound=ResNet18)


def _fill(encoder: _Network, path: Path, described: str) -> _Network:
    try:
        state = load_file(path)
        encoder.load_state_dict(state)
    except (OSError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())[:160]
        message = f"{path}: is no ResNet-18 as {described} describes it ({why}); train it again"
        raise WeightsError(message) from error
    if broken := [name for name, value in state.items() if not value.isfinite().all()]:
        raise WeightsError(
            f"{path}: wanted finite numbers, found NaN or infinity in {broken[0]}; train it again"
        )
    return encoder.eval().requires_grad_(False)
