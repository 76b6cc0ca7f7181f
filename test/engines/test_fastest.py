# SPDX-License-Identifier: Apache-2.0
"""`engine:=auto`: the faster engine, measured once, and a reason that the doctor shows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sparsh_ros.doctor.environment import check_compute
from sparsh_ros.doctor.machine import Machine as ThisMachine
from sparsh_ros.engines import create_engine, fastest, parity
from sparsh_ros.errors import ModelError
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


class Machine:
    """A machine on which a pass takes so many milliseconds by engine; None refuses it.

    Attributes:
        passes: Names of the engines, in the order in which they computed.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **ms: float | None) -> None:
        self.ms, self.passes, self._now_s = ms, [], 0.0
        monkeypatch.setattr(fastest.time, "perf_counter", lambda: self._now_s)

    def make(self, name: str) -> SimpleNamespace:
        if self.ms[name] is None:
            raise ModelError("other tokens")
        return SimpleNamespace(encode=lambda *images: self._compute(name))

    def choose(self, spec: ModelSpec, **settings) -> fastest.Choice:
        others = [name for name in self.ms if name != "float32"]
        return fastest.fastest(spec, others, self.make, **settings)

    def _compute(self, name: str) -> None:
        first = 1e3 * (name not in self.passes)  # the first pass of any engine is slow
        self._now_s += 1e-3 * (self.ms[name] + first)
        self.passes.append(name)


@pytest.mark.parametrize(
    ("int8_ms", "engine"), [(40.0, "int8"), (89.0, "int8"), (91.0, "float32"), (200.0, "float32")]
)
def test_the_faster_one_is_chosen(spec: ModelSpec, monkeypatch, int8_ms, engine) -> None:
    machine = Machine(monkeypatch, float32=100.0, int8=int8_ms)
    choice = machine.choose(spec)
    assert choice.engine == engine
    assert f"{int8_ms:.3g} ms in int8" in choice.reason and "100 ms in float32" in choice.reason
    assert machine.passes == ["float32", "int8"] * (len(machine.passes) // 2), "they take turns"


def test_the_fastest_of_several_that_can_be_had(spec: ModelSpec, monkeypatch) -> None:
    machine = Machine(monkeypatch, float32=100.0, int8=60.0, openvino=30.0, bfloat16=None)
    assert machine.choose(spec) == fastest.Choice(
        TRANSFORMER_MODEL,
        "openvino",
        "a pass takes 30 ms in openvino, 60 ms in int8, 100 ms in float32; "
        "bfloat16 cannot be had: other tokens",
    )


def test_it_is_measured_once_for_weights_threads_and_device(spec: ModelSpec, monkeypatch) -> None:
    machine = Machine(monkeypatch, float32=100.0, int8=40.0)
    first = machine.choose(spec)
    count = len(machine.passes)
    assert machine.choose(replace(spec, name="same weights")) == first
    assert len(machine.passes) == count
    machine.choose(spec, threads=7)
    machine.choose(spec, device="cuda")
    assert len(machine.passes) == 3 * count


def test_it_is_measured_again_with_another_library(spec: ModelSpec, monkeypatch) -> None:
    machine = Machine(monkeypatch, float32=100.0, openvino=None)
    assert machine.choose(spec).engine == "float32"
    machine.ms["openvino"] = 10.0
    assert machine.choose(spec).engine == "float32" and machine.passes == []
    monkeypatch.setattr(fastest, "_version", lambda package: "another")
    assert machine.choose(spec).engine == "openvino"


def test_without_others_it_is_float32_and_says_why(spec: ModelSpec, monkeypatch) -> None:
    machine = Machine(monkeypatch, float32=100.0, int8=None)
    assert machine.choose(spec) == fastest.Choice(
        TRANSFORMER_MODEL, "float32", "int8 cannot be had: other tokens"
    )


def test_a_damaged_note_is_made_again(spec: ModelSpec, monkeypatch) -> None:
    machine = Machine(monkeypatch, float32=100.0, int8=40.0)
    choice = machine.choose(spec)
    (note,) = user_data_path("engines").glob("*.choice.json")
    for damage in ("[]", '{"model": "toy", "engine": "auto", "reason": ""}', ""):
        note.write_text(damage)
        assert list(fastest.choices()) == []
        assert machine.choose(spec) == choice == next(fastest.choices())


def test_what_can_be_mended_is_tried_again(spec: ModelSpec, monkeypatch) -> None:
    machine = Machine(monkeypatch, float32=100.0, int8=40.0)
    make = machine.make

    def on_a_full_disk(name: str) -> SimpleNamespace:
        if name == "int8":
            raise OSError("no space left")
        return make(name)

    machine.make = on_a_full_disk
    assert machine.choose(spec).reason == "int8 cannot be had: no space left"
    machine.make = make
    assert machine.choose(spec).engine == "int8"


def test_the_engine_and_the_doctor_say_what_was_chosen(spec: ModelSpec, monkeypatch) -> None:
    reason = "a pass takes 95 ms in int8, 100 ms in float32"
    asked = []

    def choose(spec: ModelSpec, candidates: list[str], make, device, threads) -> fastest.Choice:
        asked.append((candidates, device, threads))
        machine = Machine(monkeypatch, float32=100.0, int8=95.0)
        return fastest_of(spec, ["int8"], machine.make, device, threads)

    fastest_of = fastest.fastest
    monkeypatch.setattr(fastest, "fastest", choose)
    monkeypatch.setattr(parity, "has_bfloat16", lambda: True)
    engine = create_engine(spec, "cpu", ("slip",), threads=2, engine="auto")
    assert asked == [(["int8", "openvino", "openvino_int8", "bfloat16"], "cpu", 2)]
    assert engine.description.endswith(f", float32; chosen because {reason}")
    said = [finding.text for finding in check_compute(ThisMachine())]
    assert any(f"engine auto: float32 for {TRANSFORMER_MODEL}; {reason}" in text for text in said)


def test_a_streaming_model_chooses_between_float32_engines(monkeypatch) -> None:
    asked = []

    def choose(spec: ModelSpec, candidates: list[str], make, device, threads) -> fastest.Choice:
        asked.append((candidates, device))
        return fastest.Choice(spec.name, "float32", "of this test")

    monkeypatch.setattr(fastest, "fastest", choose)
    engine = create_engine(load_model_spec(STREAM_MODEL), "cpu", engine="auto")
    assert engine.description.endswith("1 thread, float32; chosen because of this test")
    assert asked == [(["openvino"], "cpu")]


def test_heads_alone_have_nothing_to_choose(spec: ModelSpec) -> None:
    engine = create_engine(spec, "cpu", ("slip",), encoder=False, engine="auto")
    assert "chosen" not in engine.description
