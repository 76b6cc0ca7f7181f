# SPDX-License-Identifier: Apache-2.0
"""AnyTouch from simulated touches to the table: data, both stages, files, comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsh_ros import cli, load_encoder
from sparsh_ros.errors import DatasetError, WeightsError
from sparsh_ros.export.inspection import inspect_file
from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.training.loop.training import LoopSettings, Training
from sparsh_ros.training.multisensor import across
from sparsh_ros.training.multisensor.anytouch import (
    ANYTOUCH_RECIPES,
    load_mae,
    save_model,
)
from sparsh_ros.training.multisensor.dataset import (
    SEEN_KINDS,
    UNSEEN_KINDS,
    open_touches,
    read_touches,
    simulate_touches,
    write_touches,
)
from sparsh_ros.training.recipes.anytouch.decoder import TouchMae

CONFIG = AnyTouchConfig(64, 1, 1, 8, frames=3, image_size=(16, 16), projection_dim=24)
SPLITS = {"train": 8, "validation": 8, "test": 8}
STAGES = tuple(ANYTOUCH_RECIPES)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with three small splits."""
    folder = tmp_path_factory.mktemp("touches")
    for split, count in SPLITS.items():
        write_touches(simulate_touches(split, count, 24), folder)
    return folder


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    return one_thread


def _recipe(stage):
    torch.manual_seed(0)
    return ANYTOUCH_RECIPES[stage](TouchMae(CONFIG, 32, 1))


def _training(stage, folder, resume=False):
    settings = LoopSettings(6, batch=6, check_batches=2)
    return Training(_recipe(stage), settings, folder, resume)


def test_splits_share_nothing_and_hold_kinds_out(data, tmp_path):
    touches = open_touches(data)
    assert {split: len(found) for split, found in touches.items()} == SPLITS
    assert len(touches["train"].rows_of(SEEN_KINDS)) == 8
    test = touches["test"]
    assert len(test.rows_of(SEEN_KINDS)) == len(test.rows_of(UNSEEN_KINDS)) == 4
    assert test.frames.shape == (8, 3, 4, 24, 24, 3)
    np.testing.assert_array_equal(simulate_touches("test", 2, 24).frames, test.frames[:2])
    write_touches(replace(test, meta={**test.meta, "split": "train"}), tmp_path)
    write_touches(test, tmp_path)
    with pytest.raises(DatasetError, match="wanted no sensor instance in both"):
        open_touches(tmp_path, ("train", "test"))


def test_a_batch_has_what_the_recipes_read(data):
    found = read_touches(data, "train")
    batch = found.clips(np.array([5, 1]))
    assert batch["touch"].tolist() == [5, 1]
    assert torch.equal(batch["frames"], torch.from_numpy(found.frames[[5, 1]]))
    assert batch["words"].shape == (2, 24) and (batch["words"][:, 3] >= 0).all()
    assert batch["has_words"].tolist() == found.labels["has_words"][[5, 1]].tolist()


def test_the_background_is_what_most_touches_leave_alone(data):
    touches = read_touches(data, "train")
    free = touches.without_background().frames[:, 1].astype(float)  # one sensor
    kept = touches.frames[:, 1].reshape(-1, 24, 24, 3)
    background = np.floor(np.median(kept, axis=0))
    np.testing.assert_array_equal(free[3, 2], np.clip(kept[3 * 4 + 2] - background + 130, 0, 255))
    assert abs(np.median(free) - 130) <= 1 and kept.std() > 2.0 * free.std()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", "half"])
def test_damaged_splits_are_refused_by_a_sentence(data, tmp_path, content):
    whole = (data / "test.npz").read_bytes()
    (tmp_path / "test.npz").write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(DatasetError, match="test.npz: cannot be read as touches of several"):
        read_touches(tmp_path, "test")


def test_foreign_splits_are_refused_by_a_sentence(data, tmp_path):
    with pytest.raises(DatasetError, match="found none; make it again with `sparsh-ros simulate-"):
        read_touches(tmp_path, "train")
    touches = read_touches(data, "test")
    write_touches(replace(touches, frames=touches.frames[:, :2]), tmp_path)
    with pytest.raises(DatasetError, match=r"wanted frames \(N, 3, 4, S, S, 3\) uint8"):
        read_touches(tmp_path, "test")
    write_touches(replace(touches, captions=touches.captions[:3]), tmp_path)
    with pytest.raises(DatasetError, match="wanted 8 rows in each column, found 3 in captions"):
        read_touches(tmp_path, "test")


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_goes_on_bit_for_bit(stage, data, tmp_path):
    touches = read_touches(data, "train")
    whole = _training(stage, tmp_path / "whole")
    losses = [whole.train_step(touches)["loss"] for _ in range(6)]
    half = _training(stage, tmp_path / "half")
    before = [half.train_step(touches)["loss"] for _ in range(3)]
    half.save()
    again = _training(stage, tmp_path / "half", resume=True)
    assert before + [again.train_step(touches)["loss"] for _ in range(3)] == losses
    for name, value in whole.recipe.state_dict().items():
        assert torch.equal(again.recipe.state_dict()[name], value), name


@pytest.mark.parametrize("stage", STAGES)
def test_it_learns(stage, data, tmp_path):
    touches = read_touches(data, "train")
    settings = LoopSettings(30, batch=8, rate=2e-3, check_batches=8)
    training = Training(_recipe(stage), settings, tmp_path)
    before = training.check(touches)
    for _ in range(30):
        training.train_step(touches)
    after = training.check(touches)
    learned = "masked" if stage == "anytouch-align" else "loss"  # alignment takes many more steps
    assert after[learned] < 0.95 * before[learned]
    assert set(after) == set(before) and all(np.isfinite(value) for value in after.values())


def test_files_have_the_names_of_the_published_ones(tmp_path):
    for stage, prefix in zip(STAGES, ("", "touch_mae_model."), strict=True):
        recipe, path = _recipe(stage), tmp_path / f"{stage}.pth"
        save_model(recipe, path)
        names = set(torch.load(path, weights_only=True)["model"])
        assert {f"{prefix}{name}" for name in (
            "sensor_token", "video_patch_embedding.weight", "touch_projection.weight",
            "mask_token", "decoder_pos_embed", "decoder_embed.bias", "decoder_pred_video.weight",
            "touch_decoder_blocks.0.attention.attention.query.weight",
            "touch_decoder_blocks.0.attention.output.dense.bias",
            "touch_decoder_blocks.0.intermediate.dense.weight",
            "touch_decoder_blocks.0.output.dense.weight",
            "touch_decoder_blocks.0.layernorm_before.weight", "decoder_norm.weight",
            "decoder_pred.bias",
        )} <= names  # fmt: skip
        encoder = load_encoder(path)
        assert encoder.config == CONFIG or encoder.config.image_size == (16, 16)
        images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        own = recipe.exported().eval()
        torch.testing.assert_close(encoder.embed(images, "digit"), own.embed(images, "digit"))
    assert {"logit_scale", "visual_projection.weight", "text_projection.weight"} <= names
    assert {"cross_sensor_head.weight", "vision_model.pre_layrnorm.weight"} <= names
    said = " ".join(" ".join(fact) for fact in inspect_file(path).facts)
    assert "matcher of touches across sensors" in said and "decoder of the pre-training" in said


def test_stage_2_starts_from_files_of_stage_1_alone(tmp_path):
    model = _recipe("anytouch")
    save_model(model, tmp_path / "checkpoint.pth")
    loaded = load_mae(tmp_path).state_dict()
    for name, value in model.model.state_dict().items():
        assert torch.equal(loaded[name], value), name
    save_model(_recipe("anytouch-align"), tmp_path / "second.pth")
    with pytest.raises(WeightsError, match="wanted the decoder of stage 1 beside the encoder"):
        load_mae(tmp_path / "second.pth")
    state = torch.load(tmp_path / "checkpoint.pth", weights_only=True)["model"]
    for lost in ("decoder_embed.weight", "touch_decoder_blocks.0.output.dense.bias"):
        torch.save({"model": {n: v for n, v in state.items() if n != lost}}, tmp_path / "cut.pth")
        with pytest.raises(WeightsError, match="found none that fits"):
            load_mae(tmp_path / "cut.pth")


def test_retrieval_counts_who_finds_its_own():
    vectors = torch.eye(4)
    assert across.retrieve(vectors, 3.0 * vectors, 4) == 100.0
    assert across.retrieve(vectors, vectors.roll(1, dims=0), 4) == 0.0
    assert across.retrieve(vectors, vectors[[1, 0, 2, 3]], 4) == 50.0
    noise = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    assert across.retrieve(noise, noise.flip(0), 10) < 30.0


def test_from_the_commands_to_the_table(data, tmp_path, capsys):
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "bench/across.json"
    common = f"--data {data} --steps 2 --batch 4 --float32 --threads 1"
    assert cli.main(f"train anytouch --run {first} {common}".split()) == 0
    assert cli.main(f"train anytouch-align --start {first} --run {second} {common}".split()) == 0
    assert json.loads((second / "anytouch-align.json").read_text())["start"] == str(first)
    spec = load_model_spec(second / "model.yaml", weights_dir=second)
    assert (spec.name, spec.family) == ("anytouch-align-nano", "anytouch")
    assert load_model_encoder(spec).config.frames == len(spec.frame_offsets_s) == 3
    bench = f"bench cross-sensor --subtract --encoders {first} {second} --data {data} --out {out}"
    assert cli.main(f"{bench} --gallery 4 --threads 1".split()) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("first", "second", "untrained", "chance"))
    found = json.loads(out.read_text())["encoders"]
    assert list(found) == ["first", "second", "untrained", "chance"]
    row = found["second"]
    assert len(row["retrieval"]["seen kinds"]) == 7  # the mean and six pairs of sensors
    assert {len(values) for values in row["transfer"].values()} == {3}
    assert found["chance"]["retrieval"]["seen kinds"]["mean"] == 25.0
