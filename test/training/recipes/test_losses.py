# SPDX-License-Identifier: Apache-2.0
"""The losses of the self-supervised recipes, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import pretraining as reference

from sparsh_ros.models.checkpoints.architecture import EncoderConfig
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.patches import cut_clips, join_clips
from sparsh_ros.training.recipes import dino, dinov2, ijepa, mae, parts, vjepa

TENTH, SHARP = dino.STUDENT_TEMPERATURE, 0.05


def _random(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def _exact(*tensors):
    return [tensor.numpy().astype(np.float64) for tensor in tensors]


def _agree(found, wanted):
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_reconstruction_loss_agrees():
    found, wanted = _random(3, 9, 20), _random(3, 9, 20, seed=1)
    _agree(mae.reconstruction_loss(found, wanted), reference.mean_squares(*_exact(found, wanted)))


def test_distillation_loss_agrees():
    student, teacher, centre = _random(4, 10, 32), _random(4, 2, 32, seed=1), _random(32, seed=2)
    wanted = reference.distillation(*_exact(student, teacher, centre), TENTH, SHARP)
    _agree(dino.distillation_loss(student, teacher, centre, SHARP), wanted)


def test_the_centre_follows_the_teacher():
    centre, logits = _random(32), _random(4, 2, 32, seed=1)
    wanted = reference.moved_centre(*_exact(centre, logits), 0.9)
    np.testing.assert_allclose(dino.moved_centre(centre, logits), wanted, rtol=1e-5, atol=1e-6)


def test_patch_loss_agrees():
    student, teacher, centre = _random(3, 2, 5, 16), _random(3, 2, 5, 16, seed=1), _random(16)
    wanted = reference.patches(*_exact(student, teacher, centre), TENTH, SHARP)
    _agree(dinov2.patch_loss(student, teacher, centre, SHARP), wanted)


def test_koleo_agrees():
    classes = _random(8, 6)
    _agree(dinov2.koleo_loss(classes), reference.koleo(*_exact(classes)))
    assert dinov2.koleo_loss(classes[:1]).item() == 0.0


def test_smooth_l1_agrees():
    found, wanted = 2.0 * _random(3, 7, 12), _random(3, 7, 12, seed=1)
    _agree(ijepa.prediction_loss(found, wanted), reference.smooth_l1(*_exact(found, wanted)))


def test_l1_agrees():
    found, wanted = _random(3, 7, 12), _random(3, 7, 12, seed=1)
    _agree(vjepa.prediction_loss(found, wanted), reference.l1(*_exact(found, wanted)))


def test_the_teachers_temperature_rises_and_stays():
    assert dino.ramp(0.0, (0.04, 0.07), 0.05) == pytest.approx(0.04)
    assert dino.ramp(0.025, (0.04, 0.07), 0.05) == pytest.approx(0.055)
    assert dino.ramp(0.8, (0.04, 0.07), 0.05) == pytest.approx(0.07)


def test_targets_are_the_teachers_tokens_normalised():
    torch.manual_seed(0)
    teacher = VisionTransformer.from_config(EncoderConfig(64, 1, 1, (32, 32)))
    patches, places = _random(2, 4, 1536), torch.tensor([[3, 0], [1, 2]])
    tokens = teacher.forward_patches(patches).detach().numpy().astype(np.float64)
    wanted = reference.layer_norm(tokens)[[[0, 0], [1, 1]], places.numpy()]
    found = parts.wanted_tokens(teacher, patches, places)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tubelet", [None, 2])
def test_clips_are_cut_as_the_encoder_wants_them(tubelet):
    clips = np.random.default_rng(9).integers(0, 256, (2, 4, 6, 4, 3), dtype=np.uint8)
    found = cut_clips(torch.from_numpy(clips), 2, tubelet)
    np.testing.assert_array_equal(found, reference.cut(clips, 2, tubelet))
    if tubelet is None:
        np.testing.assert_array_equal(join_clips(found, (4, 6, 4), 2), clips)


@pytest.mark.parametrize("frames", [None, 4])
def test_patches_give_what_images_give(frames):
    """The encoder answers the same whether it cuts the image itself or gets patches."""
    channels, tubelet = (6, None) if frames is None else (3, 2)
    config = EncoderConfig(64, 1, 1, (20, 30), 10, channels, frames=frames, tubelet=tubelet)
    encoder = VisionTransformer.from_config(config)
    clips = torch.rand(2, frames or 2, 20, 30, 3, generator=torch.Generator().manual_seed(0))
    images = clips.permute(0, 4, 1, 2, 3) if frames else clips.permute(0, 1, 4, 2, 3).flatten(1, 2)
    found = encoder.forward_patches(cut_clips(clips, 10, tubelet))
    torch.testing.assert_close(found, encoder(images), rtol=1e-4, atol=1e-5)


def test_a_projection_knows_only_directions():
    torch.manual_seed(0)
    head = parts.ProjectionHead(8, 16, 4, 5)
    before = head(_random(3, 8))
    with torch.no_grad():
        head.prototypes.mul_(7.0)
    torch.testing.assert_close(head(_random(3, 8)), before)
    assert before.abs().max() <= 1.0 + 1e-6
