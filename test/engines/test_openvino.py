# SPDX-License-Identifier: Apache-2.0
"""Encoders on OpenVINO: how near they are, what is exact, what is measured once."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.engines import create_engine, parity
from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.engines.parity import Parity
from sparsh_ros.errors import MissingDependencyError, ModelError, WeightsError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.resources import user_data_path

ov = pytest.importorskip("openvino", reason="the optional OpenVINO is not installed")

from openvino import opset13 as op  # noqa: E402

from sparsh_ros.engines import openvino_engine, openvino_graph  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def few_scales(home: None):
    """Scales from two of the sensors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_engine, "_CALIBRATION", (("digit", 11), ("gelsight_mini", 13)))
        yield


@pytest.fixture(scope="module")
def touch(spec: ModelSpec) -> np.ndarray:
    return parity.touch(spec, "digit", 5)


@pytest.mark.parametrize("engine", ["openvino", "openvino_int8"])
def test_it_gives_nearly_the_same_numbers_as_float32(
    spec: ModelSpec, touch: np.ndarray, engine: str
) -> None:
    fast = create_engine(spec, "cpu", ("force",), threads=1, engine=engine)
    exact = OnnxEngine(spec, ("force",), threads=1)
    tokens, wanted = fast.encode(*touch), exact.encode(*touch)
    assert tokens.shape == wanted.shape and tokens.dtype == np.float32
    found = Parity.between(wanted, tokens)
    assert found.mean_cosine > 0.999 and found.lowest_cosine > 0.99
    if engine == "openvino_int8":
        assert found.largest_error > 1e-4, "it computes in fewer digits"
    force, right = (e.run_head("force", t)["force"] for e, t in ((fast, tokens), (exact, wanted)))
    assert np.abs(force - right).max() < 0.02
    assert np.array_equal(fast.encode(*touch[:, 1:])[0], tokens[1]), "alone as in a batch"
    assert fast.description.startswith("OpenVINO") and "1 thread, " in fast.description
    assert ("int8" in fast.description) == (engine == "openvino_int8")
    assert "(cosine to float32 0.99" in fast.description or "1.00000)" in fast.description
    assert fast.remedy.startswith("model:=")


def test_in_float32_it_is_the_same_within_rounding(
    spec: ModelSpec, touch: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "best_precision", lambda: "f32")
    fast = create_engine(spec, "cpu", (), threads=1, engine="openvino")
    error = np.abs(fast.encode(*touch) - OnnxEngine(spec, (), threads=1).encode(*touch))
    assert error.max() < 2e-3 and ", float32 (cosine" in fast.description


def test_a_streaming_encoder_keeps_its_digits() -> None:
    spec = load_model_spec(STREAM_MODEL)
    fast, exact = (create_engine(spec, "cpu", engine=name) for name in ("openvino", "float32"))
    images = parity.touch(spec, "digit", 5)
    wanted = exact.encode(*images)
    assert np.abs(fast.encode(*images) - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert ", 1 thread, float32" in fast.description
    fast.warm_up()


def test_scales_are_measured_once(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    create_engine(spec, "cpu", (), threads=1, engine="openvino_int8")
    (note,) = user_data_path("engines").glob("*.ranges.json")
    kept = note.read_text()
    monkeypatch.setattr(openvino_engine, "_measure_inputs", lambda spec: 1 / 0)
    create_engine(spec, "cpu", (), threads=1, engine="openvino_int8")
    note.write_text(kept[:-5])
    with pytest.raises(ZeroDivisionError):
        create_engine(spec, "cpu", (), threads=1, engine="openvino_int8")
    note.write_text(kept)


@pytest.mark.parametrize("kernel", [(4, 4), (2, 4, 4)], ids=["images", "clips"])
def test_patches_are_embedded_exactly_from_whole_grey_levels(kernel: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    extent = [3 * side for side in kernel]
    weight = rng.standard_normal((5, 6, *kernel)).astype(np.float32)
    pixels = op.parameter([-1, 6, *extent], np.float32)
    none = [0] * len(kernel)
    convolved = op.convolution(
        op.divide(pixels, np.float32(255)), op.constant(weight), kernel, none, none, [1] * len(none)
    )
    bias = op.constant(rng.standard_normal(5).astype(np.float32))
    biased = op.add(convolved, op.reshape(bias, [1, 5, *[1] * len(kernel)], False))
    model = ov.Model([biased], [pixels])
    levels = rng.integers(0, 256, (1, 6, *extent)).astype(np.float32)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    wanted = ov.compile_model(model, "CPU", settings)(levels)[0]
    openvino_graph.embed_whole_levels(model)
    kinds = [node.get_type_name() for node in model.get_ops()]
    assert "Convolution" not in kinds and kinds.count("Add") == 1
    found = ov.compile_model(model, "CPU", settings)(levels)[0]
    assert found.shape == wanted.shape and np.abs(found - wanted).max() < 1e-4


def test_other_convolutions_stay_as_they_are() -> None:
    image = op.parameter([-1, 3, 8, 8], np.float32)
    weight = np.ones((2, 3, 3, 3), np.float32)
    convolved = op.convolution(image, op.constant(weight), [1, 1], [1, 1], [1, 1], [1, 1])
    model = ov.Model([convolved], [image])
    openvino_graph.embed_whole_levels(model)
    assert any(node.get_type_name() == "Convolution" for node in model.get_ops())


def test_what_gives_other_tokens_is_refused(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(openvino_engine, "_measure_inputs", lambda spec: [0.01] * 24)
    with pytest.raises(ModelError, match="tokens of openvino_int8 at a cosine"):
        create_engine(spec, "cpu", (), threads=1, engine="openvino_int8")


def test_without_openvino_it_says_what_to_install(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sparsh_ros.engines.openvino_engine")
    whole = builtins.__import__

    def without(name: str, *args, **settings):
        if name.startswith("openvino"):
            raise ModuleNotFoundError("No module named 'openvino'", name="openvino")
        return whole(name, *args, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match="pip install openvino"):
        create_engine(spec, "cpu", (), engine="openvino")


def test_broken_weights_are_found_as_ever(spec: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\nsize: micro\nlicence: MIT\nweights: .\n")
    (tmp_path / "encoder.onnx").write_bytes(b"")
    with pytest.raises(WeightsError, match="wanted an ONNX graph, found an empty file"):
        create_engine(load_model_spec(path), "cpu", (), engine="openvino")
