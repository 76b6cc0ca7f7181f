# SPDX-License-Identifier: Apache-2.0
"""The torch engine in bfloat16, and in padded batches as a GPU runs them: here without one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsh_ros import engines
from sparsh_ros.engines import create_engine, cuda_graphs, parity
from sparsh_ros.engines.bfloat16 import Bfloat16Encoder, cut_patches
from sparsh_ros.engines.cuda_graphs import PREPARED_SIZES, GraphedBatches, padded_size
from sparsh_ros.engines.parity import Parity
from sparsh_ros.engines.torch_engine import TorchEngine
from sparsh_ros.errors import MissingDependencyError, ModelError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL, TRANSFORMER_MODEL

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_model_spec(TRANSFORMER_MODEL)


@pytest.fixture(scope="module")
def exact(spec: ModelSpec) -> TorchEngine:
    return TorchEngine(spec, spec.heads, device="cpu", graphs=False)


@pytest.fixture(scope="module")
def touch(spec: ModelSpec) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "_PAIRS", 3)
        return parity.touch(spec, "digit", 5)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(parity, "_PAIRS", 2)


def test_bfloat16_gives_nearly_the_same_tokens(
    spec: ModelSpec, exact: TorchEngine, touch: np.ndarray
) -> None:
    engine = create_engine(spec, "cpu", ("force",), engine="bfloat16")
    tokens = engine.encode(*touch)
    assert tokens.dtype == torch.float32
    found = Parity.between(exact.encode(*touch).numpy(), tokens.numpy())
    assert found.passes and found.largest_error > 1e-4
    assert "bfloat16 (cosine to float32 0.999" in engine.description
    assert engine.run_head("force", tokens)["force"].dtype == np.float32


def test_bfloat16_that_gives_other_tokens_is_refused(spec: ModelSpec, monkeypatch) -> None:
    monkeypatch.setattr(Bfloat16Encoder, "forward", lambda self, *images: torch.ones(2, 300, 192))
    with pytest.raises(ModelError, match="tokens of bfloat16 at a cosine"):
        create_engine(spec, "cpu", (), engine="bfloat16")


def test_bfloat16_is_for_transformers() -> None:
    with pytest.raises(ModelError, match="bfloat16: wanted a transformer, found one that streams"):
        create_engine(load_model_spec(STREAM_MODEL), "cpu", engine="bfloat16")


def test_bfloat16_on_a_gpu_needs_torch_there(spec: ModelSpec, monkeypatch) -> None:
    monkeypatch.setattr(engines, "_cuda_backend", lambda: "onnxruntime")
    with pytest.raises(MissingDependencyError, match="wanted torch with CUDA for device cuda"):
        create_engine(spec, "cuda", engine="bfloat16")


def test_tensorrt_needs_a_gpu(spec: ModelSpec) -> None:
    with pytest.raises(ModelError, match="tensorrt: wanted .* found device cpu"):
        create_engine(spec, "cpu", engine="tensorrt")


@pytest.mark.parametrize("kernel", [(4, 3), (2, 4, 3)], ids=["images", "clips"])
def test_patches_are_what_a_convolution_sees(kernel: tuple[int, ...]) -> None:
    extent = [3 * kernel[0], *(2 * side for side in kernel[1:])]
    images = torch.randn(2, 3, *extent)
    convolution = (nn.Conv2d if len(kernel) == 2 else nn.Conv3d)(3, 7, kernel, stride=kernel)
    patches = cut_patches(images, kernel)
    found = patches @ convolution.weight.flatten(1).T + convolution.bias
    assert torch.allclose(found, convolution(images).flatten(2).transpose(1, 2), atol=1e-5)


def test_batches_are_padded_to_what_is_captured() -> None:
    sizes = {batch: padded_size(batch) for batch in (1, 2, 3, 5, 8, 9, 16, 17, 100)}
    assert sizes == {1: 1, 2: 2, 3: 4, 5: 8, 8: 8, 9: 16, 16: 16, 17: 32, 100: 112}


def double(values: Tensor, offset: Tensor) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
    tokens = 2.0 * values.float() + offset
    return tokens, {"sum": {"whole": tokens.sum(1), "square": tokens.reshape(-1, 2, 2)}, "none": {}}


def test_padding_reaches_no_answer_and_answers_stay() -> None:
    batches = GraphedBatches(double, CPU)
    rng = np.random.default_rng(0)
    kept = []
    for batch in (3, 4, 1, 3, 20):
        values = rng.integers(0, 256, (batch, 4), dtype=np.uint8)
        offset = rng.standard_normal((batch, 4)).astype(np.float32)
        tokens, outputs = batches.run([values, offset])
        kept.append((2.0 * values + offset, tokens, outputs["sum"]))
    for wanted, tokens, named in kept:  # those of earlier batches were not overwritten
        assert np.allclose(tokens.numpy(), wanted)
        assert np.allclose(named["whole"][:, None], wanted.sum(1)[:, None])
        assert named["square"].shape == (len(wanted), 2, 2)
        assert np.allclose(named["square"].reshape(len(wanted), 4), wanted)
        assert named["whole"].dtype == np.float32


def test_what_a_graph_writes_again_was_copied_before() -> None:
    batches = GraphedBatches(double, CPU)
    zeros = [np.zeros((1, 4), np.uint8), np.zeros((1, 4), np.float32)]
    batches.prepare(zeros)
    call = batches._calls[4]

    def replay() -> None:  # as a graph does: from and to the same memory
        for written, values in zip(call.made[:2], call.compute()[:2], strict=True):
            written.copy_(values)

    call.graph = SimpleNamespace(replay=replay)
    kept = []
    for level in (1, 2):
        arrays = [np.full((3, 4), level, np.uint8), np.zeros((3, 4), np.float32)]
        kept.append(batches.run(arrays))
    for level, (tokens, outputs) in zip((1, 2), kept, strict=True):
        assert tokens.shape == (3, 4) and bool((tokens == 2.0 * level).all())
        assert (outputs["sum"]["square"] == 2.0 * level).all()


def test_each_size_is_captured_once_the_usual_ones_before_the_first_frame() -> None:
    sizes = []

    def compute(values: Tensor) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
        sizes.append(len(values))
        return values.float(), {}

    batches = GraphedBatches(compute, CPU)
    batches.prepare([np.zeros((1, 2), np.uint8)])
    assert sizes == list(PREPARED_SIZES)
    buffers = {size: call.device[0].data_ptr() for size, call in batches._calls.items()}
    for batch in (3, 3, 17):
        batches.run([np.zeros((batch, 2), np.uint8)])
    assert sorted(batches._calls) == [*PREPARED_SIZES, 32]
    assert all(batches._calls[size].device[0].data_ptr() == at for size, at in buffers.items())


@pytest.mark.parametrize("batch", [1, 3])
def test_encoder_and_heads_in_one_are_those_one_by_one(
    spec: ModelSpec, exact: TorchEngine, touch: np.ndarray, batch: int, monkeypatch
) -> None:
    monkeypatch.setattr(cuda_graphs, "PREPARED_SIZES", (1, 4))
    engine = TorchEngine(spec, spec.heads, device="cpu", graphs=True)
    engine.warm_up()
    images = touch[:, :batch]
    tokens, wanted = engine.encode(*images), exact.encode(*images)
    assert torch.allclose(tokens, wanted, atol=1e-4)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_heads", {})  # their numbers came with the tokens
        together = {head: engine.run_head(head, tokens) for head in spec.heads}
    for head in spec.heads:
        alone = exact.run_head(head, wanted)
        # Tokens from elsewhere, as of another batch, are read anew.
        again = engine.run_head(head, tokens.clone())
        assert list(together[head]) == list(alone)
        for name, values in alone.items():
            assert together[head][name].shape == values.shape
            assert np.allclose(together[head][name], values, atol=1e-4)
            assert np.allclose(again[name], values, atol=1e-4)
