# SPDX-License-Identifier: Apache-2.0
"""A tiny model, exported once: both engines agree, need what they should, refuse bad input."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto

import sparsh_ros.engines
from sparsh_ros.engines import create_engine, onnx_engine
from sparsh_ros.engines.onnx_engine import DeviceTokens, OnnxEngine
from sparsh_ros.engines.torch_engine import TorchEngine
from sparsh_ros.errors import FrameError, MissingDependencyError, ModelError, WeightsError
from sparsh_ros.export.export import export_model
from sparsh_ros.export.inspection import inspect_file
from sparsh_ros.models.heads import build_head
from sparsh_ros.models.spec import SIZES, Architecture, ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import load_model_spec

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4  # absolute; tokens have unit variance
YAML = "name: toy\nsize: toy\nlicence: MIT\nweights: weights\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAML file of an exported model with random weights and three heads."""
    SIZES["toy"] = Architecture(64, 2, 2)
    path = tmp_path_factory.mktemp("model") / "toy.yaml"
    path.write_text(YAML)
    torch.manual_seed(0)
    spec = load_model_spec(path)
    encoder = VisionTransformer.from_spec(spec)
    with torch.no_grad():  # away from the initial ones and zeros, which hide mistakes
        for parameter in encoder.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    heads = {name: build_head(name, spec) for name in ("force", "slip", "pose")}
    export_model(encoder, heads, replace(spec, slip_threshold=0.6), spec.weights)
    yield path
    del SIZES["toy"]


@pytest.fixture
def spec(model: Path) -> ModelSpec:
    return load_model_spec(model)


@pytest.fixture
def copied(spec: ModelSpec, tmp_path: Path) -> ModelSpec:
    """The same model in a folder that a test may damage."""
    shutil.copytree(spec.weights, tmp_path / "weights")
    return replace(spec, weights=tmp_path / "weights")


def images(batch: int = 2) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, batch, 320, 240, 3), dtype=np.uint8)


def test_what_training_found_out_comes_back(spec: ModelSpec) -> None:
    assert spec.heads == ("force", "slip", "pose")
    assert spec.slip_threshold == 0.6


@pytest.mark.parametrize("batch", [1, 3])
def test_both_engines_give_the_same_numbers(spec: ModelSpec, batch: int) -> None:
    ours, reference = OnnxEngine(spec, spec.heads), TorchEngine(spec, spec.heads, device="cpu")
    tokens = ours.encode(*images(batch))
    expected = reference.encode(*images(batch))
    assert tokens.shape == (batch, 300, 64)
    assert tokens.dtype == np.float32
    assert tokens.std() > 0.5
    assert np.abs(tokens - expected.numpy()).max() < TOLERANCE
    for head in spec.heads:
        found, wanted = ours.run_head(head, tokens), reference.run_head(head, expected)
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            assert found[name].dtype == np.float32
            assert np.abs(found[name] - value).max() < TOLERANCE


def test_every_image_matters_and_batches_do_not_mix(spec: ModelSpec) -> None:
    engine = OnnxEngine(spec, ())
    triple = images(2)
    tokens = engine.encode(*triple)
    for index in range(3):
        changed = triple.copy()
        changed[index, 1] = 255 - changed[index, 1]
        again = engine.encode(*changed)
        assert np.allclose(again[0], tokens[0], atol=1e-4)
        assert not np.allclose(again[1], tokens[1], atol=1e-2)


def test_heads_alone_take_tokens_from_elsewhere(spec: ModelSpec) -> None:
    tokens = OnnxEngine(spec, ()).encode(*images())
    for engine in (
        create_engine(spec, "cpu", heads=["slip"], encoder=False),
        TorchEngine(spec, ["slip"], encoder=False, device="cpu"),
    ):
        engine.warm_up()
        assert engine.run_head("slip", tokens)["slip"].shape == (2, 2)
        with pytest.raises(ModelError, match="'force': not loaded; this engine has slip"):
            engine.run_head("force", tokens)


def test_onnx_files_are_half_the_size(spec: ModelSpec) -> None:
    values = sum(
        np.prod(tensor.shape) for tensor in VisionTransformer.from_spec(spec).state_dict().values()
    )
    table = 4 * spec.tokens * spec.embed_dim
    size = (spec.weights / "encoder.onnx").stat().st_size - table
    assert size < 0.5 * 4 * values + 60_000  # the graph itself


def test_float16_weights_are_unpacked_once_at_load(spec: ModelSpec, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(spec.weights / "encoder.onnx", options)
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    assert graph.initializer
    assert all(tensor.data_type != TensorProto.FLOAT16 for tensor in graph.initializer)


def test_onnx_files_hold_no_traces_of_the_machine(spec: ModelSpec) -> None:
    for path in spec.weights.glob("*.onnx"):
        assert str(ROOT).encode() not in path.read_bytes()


def test_preprocessing_at_the_standard_size_does_not_resample(spec: ModelSpec) -> None:
    graph = onnx.load(spec.weights / "encoder.onnx").graph
    kinds = {node.op_type for node in graph.node}
    assert "Floor" not in kinds
    assert [tensor.type.tensor_type.elem_type for tensor in graph.input] == [TensorProto.UINT8] * 3


def test_another_image_size_resamples_inside_the_graph(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "square.yaml"
    path.write_text(YAML + "image_height: 224\nimage_width: 224\n")
    spec = load_model_spec(path)
    spec = export_model(VisionTransformer.from_spec(spec), {}, spec, spec.weights)
    assert OnnxEngine(spec, ()).encode(*images()).shape == (2, 196, 64)


LIVE_PATH = """
import sys
for name in ("torch", "onnx", "onnxscript", "safetensors", "rclpy"):
    sys.modules[name] = None
import numpy as np
from sparsh_ros.engines import create_engine
from sparsh_ros.models.spec import SIZES, Architecture
from sparsh_ros.models.zoo import load_model_spec

SIZES["toy"] = Architecture(64, 2, 2)
spec = load_model_spec(sys.argv[1])
engine = create_engine(spec, "auto", threads=1)
engine.warm_up()
image = np.zeros((1, 320, 240, 3), np.uint8)
outputs = engine.run_head("force", engine.encode(image, image, image))
assert outputs["force"].shape == (1, 3)
"""


def test_the_live_path_needs_no_torch(model: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LIVE_PATH, str(model)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_auto_is_onnx_runtime_without_a_gpu(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparsh_ros.engines, "_cuda_backend", lambda: None)
    engine = create_engine(spec, threads=1)
    assert isinstance(engine, OnnxEngine)
    assert "CPU, 1 thread," in engine.description
    with pytest.raises(MissingDependencyError, match="install one or use device cpu"):
        create_engine(spec, "cuda")


def test_onnx_runtime_must_not_fall_back_to_the_cpu_behind_our_back(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparsh_ros.engines, "_cuda_backend", lambda: "onnxruntime")
    if "CUDAExecutionProvider" in OnnxEngine(spec, ())._sessions["encoder"].get_providers():
        pytest.skip("CUDA works here")
    with pytest.raises(MissingDependencyError, match="found CPUExecutionProvider; install"):
        create_engine(spec, "cuda")
    engine = create_engine(spec, "auto")
    assert not engine.on_gpu and "on CPU" in engine.description


def test_tokens_that_stay_on_the_device_are_the_same(spec: ModelSpec) -> None:
    bound, plain = OnnxEngine(spec, spec.heads), OnnxEngine(spec, spec.heads)
    bound._device = "cpu"  # as "cuda" on a GPU
    bound.warm_up()
    tokens, wanted = bound.encode(*images()), plain.encode(*images())
    assert isinstance(tokens, DeviceTokens) and tokens.shape == wanted.shape
    assert np.array_equal(np.asarray(tokens, np.float16), wanted.astype(np.float16))
    assert [row.shape for row in tokens] == [(300, 64)] * 2
    for head in spec.heads:
        found, right = bound.run_head(head, tokens), plain.run_head(head, wanted)
        assert list(found) == list(right)
        assert all(np.array_equal(found[name], right[name]) for name in right)
        assert np.array_equal(
            *(list(bound.run_head(head, x).values())[0] for x in (tokens, wanted))
        )


def test_tensorrt_must_not_fall_back_behind_our_back(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_engine, "_CUDA", "CPUExecutionProvider")  # passes for a GPU
    if "TensorrtExecutionProvider" in ort.get_available_providers():
        pytest.skip("TensorRT works here")
    with pytest.raises(
        MissingDependencyError, match="encoder with TensorrtExecutionProvider, found"
    ):
        OnnxEngine(spec, (), cuda=True, tensorrt=True)


def test_weights_that_are_no_numbers_are_found_before_the_first_frame(
    spec: ModelSpec, tmp_path: Path
) -> None:
    model = onnx.load(spec.weights / "force.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 1:
            values = np.full(tuple(tensor.dims), np.nan, np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
            break
    broken = tmp_path / "broken"
    shutil.copytree(spec.weights, broken)
    onnx.save(model, broken / "force.onnx")
    with pytest.raises(WeightsError, match=f"{broken}: wanted finite numbers of the force"):
        OnnxEngine(replace(spec, weights=broken), ["force"]).warm_up()
    report = inspect_file(broken / "force.onnx")
    assert report.problems == {"NaN or infinite for inputs of zeros": ["force"]}
    assert not inspect_file(spec.weights / "force.onnx").problems


def test_bad_requests(spec: ModelSpec) -> None:
    with pytest.raises(ModelError, match="no weights for head grasp; .* has force, slip, pose"):
        create_engine(spec, heads=["grasp"])
    with pytest.raises(ModelError, match="'tpu': unknown; choose one of auto, cpu, cuda"):
        create_engine(spec, "tpu")


def test_bad_images_cost_only_that_call(spec: ModelSpec) -> None:
    good = images()
    for engine in (OnnxEngine(spec, ()), TorchEngine(spec, (), device="cpu")):
        for bad in (good[0][:1], good[0][:, :, :, :1], good[0].astype(np.float32), good[0][:, 1:]):
            with pytest.raises(FrameError, match="engine input: wanted uint8 images"):
                engine.encode(good[0], bad, good[2])
        assert engine.encode(*good).shape == (2, 300, 64)


def test_tokens_of_another_model_cost_only_that_call(spec: ModelSpec) -> None:
    good = OnnxEngine(spec, ()).encode(*images())
    for engine in (
        OnnxEngine(spec, ["slip"], encoder=False),
        TorchEngine(spec, ["slip"], encoder=False, device="cpu"),
    ):
        for bad in (good[0], good[:, :7], good[:, :, :32], good.astype(np.float16)):
            with pytest.raises(ModelError, match=r"head 'slip': wanted tokens \(B, 300, 64\)"):
                engine.run_head("slip", bad)
        assert engine.run_head("slip", good)["slip"].shape == (2, 2)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.999])
@pytest.mark.parametrize("name", ["encoder", "force"])
def test_a_truncated_graph(copied: ModelSpec, name: str, kept: float) -> None:
    path = copied.weights / f"{name}.onnx"
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(WeightsError, match=f"{name}.onnx: wanted"):
        create_engine(copied, "cpu")


def test_a_graph_of_another_model(copied: ModelSpec) -> None:
    shutil.copy(copied.weights / "force.onnx", copied.weights / "encoder.onnx")
    with pytest.raises(WeightsError, match="wanted inputs .*current.* found .*tokens"):
        create_engine(copied, "cpu")
    with pytest.raises(WeightsError, match=r"wanted inputs .*\(300, 192\).*found .*\(300, 64\)"):
        OnnxEngine(replace(copied, size="micro"), ["force"], encoder=False)


def test_an_encoder_of_another_size(copied: ModelSpec) -> None:
    with pytest.raises(WeightsError, match=r"wanted tokens \(300, 192\) of model toy \(micro\)"):
        OnnxEngine(replace(copied, size="micro"), ())


def test_a_missing_file(copied: ModelSpec) -> None:
    (copied.weights / "slip.onnx").unlink()
    with pytest.raises(WeightsError, match=r"slip.onnx: not found; `sparsh-ros weights list`"):
        create_engine(copied, "cpu")
