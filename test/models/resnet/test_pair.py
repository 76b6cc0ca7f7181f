# SPDX-License-Identifier: Apache-2.0
"""A ResNet that SARL trained, as a model of frame pairs: exported, and refused where damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save

from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.errors import WeightsError
from sparsh_ros.export.export import export_model
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.preprocess import Preprocess
from sparsh_ros.models.resnet.files import describe_run, save_encoder
from sparsh_ros.models.resnet.network import RESNETS, ResNet18, ResNetPair
from sparsh_ros.models.spec import ModelSpec

CONFIG = RESNETS["resnet18-nano"]
NAN = torch.full((16, 3, 7, 7), torch.nan)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResNet18, ModelSpec]:
    """What `train sarl` leaves."""
    folder = tmp_path_factory.mktemp("sarl")
    torch.manual_seed(0)
    encoder = ResNet18(CONFIG).eval()
    for name, value in encoder.named_buffers():
        if name.endswith("running_mean"):
            value.uniform_(-0.2, 0.2)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    save_encoder(encoder, folder)
    return encoder, describe_run("sarl", CONFIG, folder)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    out = tmp_path_factory.mktemp("out")
    return export_model(load_model_encoder(trained[1]), {}, trained[1], out, exact=True)


def test_a_place_of_both_maps_is_a_token(trained) -> None:
    encoder, spec = trained
    pair = load_model_encoder(spec)
    images = torch.rand(3, 6, 48, 48)
    maps = [encoder.maps(part)[-1] for part in images.split(3, dim=1)]
    tokens = pair(images)
    assert isinstance(pair, ResNetPair)
    assert tokens.shape == (3, spec.tokens, spec.embed_dim) == (3, 9, 256)
    torch.testing.assert_close(tokens[:, 5], torch.cat(maps, dim=1)[:, :, 1, 2])


def test_bytes_to_tokens(trained, exported: ModelSpec) -> None:
    encoder, _ = trained
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 320, 240, 3), dtype=np.uint8)
    found = OnnxEngine(exported, ()).encode(*images)
    pixels = Preprocess((320, 240), (48, 48), False)(*map(torch.from_numpy, images))
    maps = [encoder.maps(part)[-1].flatten(2) for part in pixels.split(3, dim=1)]
    wanted = torch.cat(maps, dim=1).transpose(1, 2).detach().numpy()
    assert wanted.std() > 0.1 and np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    own, kept = (load_file(s.weights / "encoder.safetensors") for s in (trained[1], exported))
    assert own.keys() == kept.keys() and all(own[name].equal(kept[name]) for name in own)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], "is no ResNet-18 as model sarl describes it"),
        (lambda data: b"\x80\x04c os\nsystem\n", "is no ResNet-18 as model sarl describes it"),
        (lambda data: save({"foreign": torch.zeros(2)}), "Missing key(s) in state_dict"),
        (lambda data: save(load(data) | {"conv1.weight": NAN}), "found NaN or infinity in conv1"),
        (lambda data: b"", "is no ResNet-18 as model sarl describes it"),
    ],
    ids=["truncated", "hostile", "foreign", "diverged", "empty"],
)
def test_damaged_files_are_refused_by_a_sentence(trained, tmp_path: Path, spoil, reason) -> None:
    data = (trained[1].weights / "encoder.safetensors").read_bytes()
    (tmp_path / "encoder.safetensors").write_bytes(spoil(data))
    with pytest.raises(WeightsError) as caught:
        load_model_encoder(replace(trained[1], weights=tmp_path))
    message = str(caught.value)
    assert reason in message and "train it again" in message and "\n" not in message
