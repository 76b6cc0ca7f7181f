# SPDX-License-Identifier: Apache-2.0
"""Losses and masks of both stages of AnyTouch, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import anytouch
from reference.anytouch import training as reference

from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.training.recipes.anytouch import align, masked, text, views
from sparsh_ros.training.recipes.anytouch.decoder import TouchMae

CONFIG = AnyTouchConfig(64, 2, 1, 4, frames=3, image_size=(16, 16), projection_dim=24)
CELLS = 4


def _rng(seed=0):
    return np.random.default_rng(seed)


def _random(*shape, seed=0):
    return torch.tensor(_rng(seed).normal(size=shape), dtype=torch.float32)


def _unit(*shape, seed=0):
    return torch.nn.functional.normalize(_random(*shape, seed=seed), dim=-1)


def _exact(*tensors):
    return [np.asarray(t, bool if t.dtype == torch.bool else np.float64) for t in tensors]


def _model():
    """With values away from the ones and zeros that hide mistakes."""
    torch.manual_seed(0)
    model = TouchMae(CONFIG, 64, 2)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    model.load_state_dict(anytouch.draw(shapes), strict=False)
    weights = anytouch.doubles(model.state_dict())
    kernel = weights.pop("touch_model.embeddings.patch_embedding.weight")
    return model, weights | {"video_patch_embedding.weight": kernel}


@pytest.mark.parametrize("frames", [1, 4])
def test_patches_are_cut_row_by_row_frame_by_frame(frames):
    images = _random(2, frames, 3, 8, 12)
    wanted = [
        np.concatenate([reference.cut(image, 4) for image in clip], axis=1)
        for clip in images.numpy()
    ]
    np.testing.assert_array_equal(masked.cut_patches(images, 4), np.array(wanted))


def test_a_quarter_of_the_patches_is_seen():
    places = masked.draw_masks(_rng(), 200, 49).numpy()
    assert places.shape == (200, 12)  # of 256 it is 64
    assert masked.draw_masks(_rng(), 2, 256).shape == (2, 64)
    assert (np.diff(places, axis=1) > 0).all() and set(places.ravel()) == set(range(49))
    assert len({tuple(row) for row in places}) == 200


def test_the_losses_of_masked_patches_agree():
    seen = masked.draw_masks(_rng(), 3, 16)
    found, wanted = _random(3, 16, 12), _random(3, 16, 12, seed=1)
    expected = reference.image_loss(*_exact(found, wanted), seen.numpy())
    assert masked.image_loss(found, wanted, seen).item() == pytest.approx(expected, rel=1e-5)
    found, wanted = _random(3, 16, 48), _random(3, 16, 48, seed=1)
    expected = reference.video_loss(*_exact(found, wanted), seen.numpy())
    both = [value.item() for value in masked.video_loss(found, wanted, seen)]
    assert both == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("video", [False, True])
def test_stage_1_agrees_from_pixels_to_loss(video):
    model, weights = _model()
    clips = torch.rand(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    seen, sensors = masked.draw_masks(_rng(3), 2, 16), torch.tensor([1, -1])
    mean, std = (np.array(value)[:, None, None] for value in anytouch.STATISTICS[1])
    found, wanted = [], []
    for clip, places, sensor in zip(clips.double().numpy(), seen.numpy(), sensors, strict=True):
        frames = clip if video else clip[-1:]
        given = clip[:3] if video else clip[-1]
        hidden = anytouch.encode(1, given, weights, 1, int(sensor), seen=places)
        found.append(reference.decode(hidden, weights, places, CELLS, video))
        wanted.append(np.concatenate([reference.cut((f - mean) / std, 4) for f in frames], axis=1))
    losses = masked.masked_losses(model, clips, sensors, seen, video)
    whole = np.array(found), np.array(wanted), seen.numpy()
    parts = reference.video_loss(*whole) if video else (reference.image_loss(*whole), 0.0)
    assert losses["hidden"].item() == pytest.approx(parts[0], rel=1e-5)
    assert losses["next"].item() == pytest.approx(parts[1], rel=1e-5)
    assert losses["loss"].item() == pytest.approx(sum(parts), rel=1e-5)


def test_alignment_agrees_where_modalities_are_missing():
    touch, picture, words = (_unit(6, 8, seed=seed) for seed in range(3))
    for seen, told in (("110101", "101100"), ("111111", "111111"), ("000000", "010000")):
        masks = [torch.tensor([c == "1" for c in has]) for has in (seen, told)]
        wanted = reference.alignment(*_exact(touch, picture, words, *masks), 1 / 0.07)
        found = align.alignment_loss(touch, picture, words, *masks, torch.tensor(1 / 0.07))
        assert found.item() == pytest.approx(wanted, rel=1e-5)
    none = torch.zeros(6, dtype=torch.bool)
    assert align.alignment_loss(touch, picture, words, none, none, torch.tensor(9.0)).item() == 0.0


def test_matching_agrees():
    same, different = 2.0 * _random(5), 2.0 * _random(5, seed=1)
    wanted = reference.matching(*_exact(same, different))
    assert align.matching_loss(same, different).item() == pytest.approx(wanted, rel=1e-5)


def test_words_are_rows_and_sentences_their_mean():
    one, other = text.word_ids("A rough ring, of steel!"), text.word_ids("steel RING rough")
    assert (one >= 0).sum() == 3 and sorted(one) == sorted(other)
    assert text.word_ids("of the")[0] == text.NO_WORD
    torch.manual_seed(0)
    model = text.TextModel(4)
    rows = model.token_embedding.weight.detach().numpy()[one[:3]]
    found = model(torch.from_numpy(np.stack([one, other, text.word_ids("")])))
    np.testing.assert_allclose(found[0], rows.mean(0), rtol=1e-5)
    torch.testing.assert_close(found[0], found[1])
    assert found[2].abs().max() == 0.0
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_universal_tokens_grow_from_none_to_three_quarters():
    draw = views.draw_views(_rng(), 4000, 3)
    slots = [views.sensor_slots(draw, 0, share) for share in (0.0, 0.5, 1.0)]
    shares = [(found == -1).float().mean().item() for found in slots]
    assert shares == pytest.approx([0.0, 0.375, 0.75], abs=0.03)
    assert set(slots[0].tolist()) == {0, 1, 3}
    others = [views.sensor_slots(draw, place, 0.7) == -1 for place in (0, 1, 2)]
    assert torch.equal(others[0], others[1]) and torch.equal(others[0], others[2])
    ids = torch.stack([views.sensor_slots(draw, place, 0.0) for place in range(3)])
    assert (ids.sort(dim=0).values == torch.tensor([[0], [1], [3]])).all()


def test_clips_are_of_the_sensor_that_was_drawn_oldest_first_and_mirrored():
    frames = torch.from_numpy(_rng().integers(0, 256, (2, 3, 4, 6, 6, 3), dtype=np.uint8))
    draw = {
        "sensor": torch.tensor([[2], [0]]),
        "flip": torch.tensor([[True, False], [False, True]]),
        "colour": torch.zeros(2, 1, 4),
    }
    found = views.cut_clips(frames, draw).numpy()
    for row, (sensor, axis) in enumerate(((2, -2), (0, -1))):
        clip = frames[row, sensor].numpy()[::-1].transpose(0, 3, 1, 2) / 255.0
        np.testing.assert_allclose(found[row], np.flip(clip, axis), atol=1e-5)
    draw["colour"] = torch.tensor([[[0.4, 0.0, 0.0, 0.0]], [[0.0] * 4]])
    brighter = views.cut_clips(frames, draw).numpy()
    np.testing.assert_allclose(brighter[0], np.clip(1.4 * found[0], 0, 1), atol=1e-5)


@pytest.mark.parametrize("tower", ["touch", "pictures"])
def test_a_fresh_class_token_sees_the_image(tower):
    torch.manual_seed(0)
    recipe = align.AnyTouchAlign(TouchMae(CONFIG, 64, 2))
    images = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    embed = recipe.embed_pictures if tower == "pictures" else recipe.touch_mae_model.embed
    with torch.no_grad():
        vectors = embed(images)
    varied = (vectors - vectors.mean(dim=0)).square().sum() / vectors.square().sum()
    assert varied > 1e-3  # 2e-5 with weights of a deviation of 0.02


def test_brightness_stays_where_there_is_no_background():
    changed = [views.draw_views(_rng(), 4, 2, bare)["colour"] for bare in (False, True)]
    assert changed[0][..., 0].abs().min() > 0.0 and changed[1][..., 0].abs().max() == 0.0
    torch.testing.assert_close(changed[0][..., 1:], changed[1][..., 1:])
