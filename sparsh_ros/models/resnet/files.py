# SPDX-License-Identifier: Apache-2.0
"""A trained ResNet-18 in a folder: `encoder.safetensors` and `resnet.json`, its architecture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.resnet.network import ResNet18, ResNetConfig
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
    try:
        encoder.load_state_dict(load_file(folder / ENCODER_FILE))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise WeightsError(
            f"{folder / ENCODER_FILE}: is no ResNet-18 as {CONFIG_FILE} describes it "
            f"({str(error).splitlines()[0]}); train it again"
        ) from error
    return encoder.eval().requires_grad_(False)
