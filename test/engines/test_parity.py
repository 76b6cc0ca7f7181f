# SPDX-License-Identifier: Apache-2.0
"""What admits an encoder: how near its tokens are, asked once for all that it is made of."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sparsh_ros.engines import parity
from sparsh_ros.engines.parity import Parity, admit
from sparsh_ros.errors import ModelError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL, TRANSFORMER_MODEL
from sparsh_ros.resources import user_data_path

TOKENS = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)


@pytest.fixture
def spec(tmp_path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(parity, "touch", lambda spec: np.zeros((3, 2, 1, 1, 3), np.uint8))
    return load_model_spec(TRANSFORMER_MODEL)


def test_what_differs_is_told() -> None:
    found = TOKENS.copy()
    found[0, 0] *= -1.0
    other = Parity.between(TOKENS, found)
    assert other.lowest_cosine == pytest.approx(-1.0) and other.mean_cosine == pytest.approx(0.8)
    assert other.largest_error == pytest.approx(2.0 * np.abs(TOKENS[0, 0]).max())
    assert not other.passes and Parity.between(TOKENS, TOKENS).passes
    assert not Parity(math.nan, math.nan, math.nan).passes


def test_tokens_of_zeros_are_alike() -> None:
    blank = TOKENS.copy()
    blank[1] = 0.0
    assert Parity.between(blank, blank).passes
    assert not Parity.between(blank, TOKENS).passes


def test_it_is_asked_once_for_weights_recipe_and_processor(spec: ModelSpec, monkeypatch) -> None:
    asked = []

    def found(*clips: np.ndarray) -> np.ndarray:
        asked.append(len(clips))
        return TOKENS + 1e-3

    def ask(of: ModelSpec = spec, recipe: str = "recipe") -> Parity:
        return admit(of, "fast", recipe, lambda *clips: TOKENS, found)

    first = ask()
    assert first.passes and asked == [3], "frames and background"
    assert ask(replace(spec, name="same weights")) == first and len(asked) == 1
    ask(recipe="another")
    ask(load_model_spec(STREAM_MODEL))
    monkeypatch.setattr(parity, "processor", lambda: "another")
    ask()
    assert len(asked) == 4


def test_a_damaged_note_is_made_again(spec: ModelSpec) -> None:
    first = admit(spec, "fast", "recipe", lambda *_: TOKENS, lambda *_: TOKENS)
    (note,) = user_data_path("engines").iterdir()
    for damage in ("", "[]", '{"mean_cosine": 0.5, "lowest_cosine": 0.1, "largest_error": 3.0}'):
        note.write_text(damage)
        assert admit(spec, "fast", "recipe", lambda *_: TOKENS, lambda *_: TOKENS) == first


def test_other_tokens_are_refused_and_nothing_is_kept(spec: ModelSpec) -> None:
    for _ in range(2):
        with pytest.raises(ModelError, match="tokens of fast at a cosine .* use engine float32"):
            admit(spec, "fast", "recipe", lambda *_: TOKENS, lambda *_: TOKENS[:, ::-1])
    assert not user_data_path("engines").exists()


@pytest.mark.parametrize("name", [TRANSFORMER_MODEL, STREAM_MODEL])
def test_the_touch_is_one_that_the_model_can_see(name: str, monkeypatch) -> None:
    monkeypatch.setattr(parity, "_PAIRS", 2)
    spec = load_model_spec(name)
    clips = parity.touch(spec)
    assert clips.shape == (spec.frames + 1, 2, *spec.image_shape) and clips.dtype == np.uint8
    assert np.array_equal(clips[-1, 0], clips[-1, 1]), "one background"
    assert not np.array_equal(clips[0, 0], clips[1, 0])
    assert not np.array_equal(clips, parity.touch(spec, "gelsight_mini", 4))
