# SPDX-License-Identifier: Apache-2.0
"""`engine:=auto`: the faster engine, measured once, and a reason that the doctor shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sparsh_ros.doctor.environment import check_compute
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.engines import create_engine, fastest
from sparsh_ros.errors import MissingDependencyError, ModelError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL, TRANSFORMER_MODEL
from sparsh_ros.resources import user_data_path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.fixture
def spec() -> ModelSpec:
    return load_model_spec(TRANSFORMER_MODEL)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float | None], list[bool]]:
    """Makes a machine on which a pass takes so many ms in float32 and in int8, which None refuses;
    gives the list of passes, whether each was in int8."""
    clock, passes = SimpleNamespace(now_s=0.0), []
    monkeypatch.setattr(fastest.time, "perf_counter", lambda: clock.now_s)

    def make(plain_ms: float, int8_ms: float | None) -> list[bool]:
        class Engine:
            def __init__(self, spec, heads, threads=None, int8=False) -> None:
                if int8 and int8_ms is None:
                    raise ModelError("other tokens")
                self.int8 = int8

            def encode(self, *images: np.ndarray) -> None:
                # The first pass of any engine is slow.
                first = 1e3 * (self.int8 not in passes)
                clock.now_s += 1e-3 * ((int8_ms if self.int8 else plain_ms) + first)
                passes.append(self.int8)

        monkeypatch.setattr(fastest, "OnnxEngine", Engine)
        return passes

    return make


@pytest.mark.parametrize(
    ("int8_ms", "engine"), [(40.0, "int8"), (89.0, "int8"), (91.0, "float32"), (200.0, "float32")]
)
def test_the_faster_one_is_chosen(spec: ModelSpec, machine, int8_ms: float, engine: str) -> None:
    passes = machine(100.0, int8_ms)
    choice = fastest.fastest(spec)
    assert choice.engine == engine
    assert f"{int8_ms:.0f} ms in int8, 100 ms in float32" in choice.reason
    assert passes == [False, True] * (len(passes) // 2), "they take turns"


def test_it_is_measured_once_for_weights_and_threads(spec: ModelSpec, machine) -> None:
    passes = machine(100.0, 40.0)
    first = fastest.fastest(spec)
    count = len(passes)
    assert fastest.fastest(replace(spec, name="same weights")) == first and len(passes) == count
    fastest.fastest(spec, threads=7)
    assert len(passes) == 2 * count


def test_without_int8_it_is_float32_and_says_why(spec: ModelSpec, machine) -> None:
    machine(100.0, None)
    assert fastest.fastest(spec) == fastest.Choice(
        TRANSFORMER_MODEL, "float32", "int8 cannot be had: other tokens"
    )


def test_a_damaged_note_is_made_again(spec: ModelSpec, machine) -> None:
    machine(100.0, 40.0)
    choice = fastest.fastest(spec)
    (note,) = user_data_path("engines").glob("*.choice.json")
    for damage in ("[]", '{"model": "toy", "engine": "auto", "reason": ""}', ""):
        note.write_text(damage)
        assert list(fastest.choices()) == []
        assert fastest.fastest(spec) == choice == next(fastest.choices())


def test_what_can_be_mended_is_tried_again(spec: ModelSpec, machine, monkeypatch) -> None:
    machine(100.0, 40.0)
    whole = fastest.OnnxEngine

    def without_onnx(*args, int8: bool = False, **settings):
        if int8:
            raise MissingDependencyError("no onnx")
        return whole(*args, **settings)

    monkeypatch.setattr(fastest, "OnnxEngine", without_onnx)
    assert fastest.fastest(spec).reason == "int8 cannot be had: no onnx"
    monkeypatch.setattr(fastest, "OnnxEngine", whole)
    assert fastest.fastest(spec).engine == "int8"


def test_the_engine_and_the_doctor_say_what_was_chosen(spec: ModelSpec, machine) -> None:
    machine(100.0, 95.0)
    engine = create_engine(spec, "cpu", ("slip",), engine="auto")
    assert ", float32; chosen because a pass takes 95 ms in int8" in engine.description
    said = [finding.text for finding in check_compute(Machine())]
    assert any(f"engine auto: float32 for {TRANSFORMER_MODEL}" in text for text in said)


def test_a_model_with_one_engine_gets_that() -> None:
    engine = create_engine(load_model_spec(STREAM_MODEL), "cpu", engine="auto")
    assert engine.description.endswith("1 thread, float32")
