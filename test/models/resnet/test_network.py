# SPDX-License-Identifier: Apache-2.0
"""ResNet-18 is the published one."""

from __future__ import annotations

import torch

from sparsh_ros.models.resnet.network import RESNETS, ResNet18


def test_it_has_the_published_parameters_and_names():
    encoder = ResNet18()
    assert sum(p.numel() for p in encoder.parameters()) == 11_176_512
    names = set(encoder.state_dict())
    assert len(names) == 120
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
        "layer2.0.downsample.1.bias",
        "layer4.1.bn2.num_batches_tracked",
    } <= names


def test_maps_have_the_published_sizes():
    with torch.device("meta"):
        encoder = ResNet18()
        maps = encoder.maps(torch.zeros(1, 3, 224, 224))
    assert [tuple(m.shape[1:]) for m in maps] == [(128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_the_small_one_keeps_maps_of_small_images():
    encoder = ResNet18(RESNETS["resnet18-nano"]).eval()
    images = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    maps = encoder.maps(images)
    assert [tuple(m.shape[1:]) for m in maps] == [(32, 12, 12), (64, 6, 6), (128, 3, 3)]
    torch.testing.assert_close(encoder(images), maps[-1].mean(dim=(2, 3)))


def test_pixels_are_scaled_inside():
    encoder, seen = ResNet18(RESNETS["resnet18-nano"]).eval(), []
    encoder.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    encoder(torch.tensor([0.0, 0.25, 1.0])[None, :, None, None].expand(1, 3, 16, 16))
    assert seen[0][0, :, 3, 3].tolist() == [-1.0, -0.5, 1.0]
