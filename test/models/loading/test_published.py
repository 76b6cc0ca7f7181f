# SPDX-License-Identifier: Apache-2.0
"""Published models: their entries, and their files from a folder to an engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import encoder as reference
from reference import heads as reference_heads
from reference.official import doubles, random_weights, save_epoch
from reference.preprocess import preprocess
from safetensors.torch import load_file, save_file

from sparsh_ros import engines
from sparsh_ros.bench import models
from sparsh_ros.engines import create_engine
from sparsh_ros.errors import MissingDependencyError, ModelError, WeightsError
from sparsh_ros.frames import Frame
from sparsh_ros.models.spec import SIZES, Architecture
from sparsh_ros.models.zoo import describe_model, list_models, load_model_spec
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.resources import user_data_path
from sparsh_ros.sensors import load_profile

WIDTH, DEPTH = 96, 2
YAML = """name: sparsh-toy
size: toy
licence: CC-BY-NC-4.0
registers: null
pooler_num_heads: 12
transforms: sparsh
sources:
  - repository: facebook/sparsh-toy
    files: [toy_vit.safetensors, toy_vit.ckpt]
"""


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "toy", Architecture(WIDTH, DEPTH, 3))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "sparsh-toy.yaml"
    path.write_text(YAML)
    return path


def download(folder: Path, width: int = WIDTH) -> Path:
    """An encoder and a force head as a user has them."""
    folder.mkdir()
    drawn = reference.draw(reference.shapes(WIDTH, DEPTH, registers=0))
    save_file(drawn, folder / "toy_vit.safetensors")
    save_epoch(random_weights(reference_heads.shapes("force", width)), folder)
    return folder


PUBLISHED = [
    name for name in list_models() if name.startswith("sparsh-") and describe_model(name).sources
]


def test_the_whole_family_has_entries() -> None:
    methods = ("mae", "dino", "ijepa", "vjepa")
    encoders = {f"sparsh-{method}-{size}" for method in methods for size in ("small", "base")}
    fields = {"sparsh-digit-forcefield", "sparsh-gelsight-forcefield"}
    assert set(PUBLISHED) == encoders | {"sparsh-dinov2-base"} | fields


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_entry_says_what_it_takes(name: str) -> None:
    spec = describe_model(name)
    assert spec.licence == "CC-BY-NC-4.0" and spec.registers is None and spec.transforms == "sparsh"
    assert spec.weights == user_data_path("models", name) and spec.files is None
    video, field = "vjepa" in name, "forcefield" in name
    assert spec.frames == (4 if video else 2) and spec.interval_s == (0.1 if video else 5 / 60)
    assert spec.tokens == (600 if video else 196 if field else 300)
    assert name.endswith((spec.size, "forcefield"))
    for source in spec.sources:
        assert source.repository.startswith("facebook/sparsh-")
        assert len(source.files) == 2 and source.files[0].endswith((".safetensors", ".pth"))


def test_what_is_not_here_says_how_to_get_it() -> None:
    spec = load_model_spec("sparsh-vjepa-base")
    assert spec.files is None and spec.heads == ()
    with pytest.raises(WeightsError, match="`sparsh-ros weights get sparsh-vjepa-base` fetches"):
        create_engine(spec)
    with pytest.raises(WeightsError, match="wanted a folder with weights, found none"):
        load_model_spec("sparsh-vjepa-base", "nowhere")


def test_published_files_give_the_numbers_of_the_reference(model: Path, tmp_path: Path) -> None:
    spec = load_model_spec(model, download(tmp_path / "files"))
    assert spec.heads == ("force",) and spec.weights == tmp_path / "files"
    engine = create_engine(spec, "cpu")
    assert engine.description.startswith("torch") and not engine.on_gpu
    engine.warm_up()
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 320, 240, 3), dtype=np.uint8)
    tokens = engine.encode(*images)
    weights = reference.doubles(load_file(spec.files.encoder.path))
    wanted, _ = reference.encode(preprocess(*images[:, 0]), weights, 3)
    assert np.abs(tokens.numpy()[0] - wanted).max() < 1e-4
    head = doubles(random_weights(reference_heads.shapes("force", WIDTH)))
    force = reference_heads.decode("force", [wanted], head, 12)["force"]
    assert np.abs(engine.run_head("force", tokens)["force"][0] - force).max() < 1e-4


def test_files_are_found_where_get_puts_them(model: Path) -> None:
    folder = user_data_path("models", "sparsh-toy")
    assert load_model_spec(model).files is None
    folder.parent.mkdir(parents=True, exist_ok=True)
    spec = load_model_spec(model, download(folder))
    again = load_model_spec(model)
    assert again.files.encoder.path == spec.files.encoder.path
    assert again == replace(spec, files=again.files)


def test_a_video_model_sees_its_clips_live(model: Path, tmp_path: Path) -> None:
    offsets = "[0.0, 0.033333, 0.066667, 0.1]"
    model.write_text(f"{YAML}tubelet: 2\nframe_offsets_s: {offsets}\n")
    drawn = reference.shapes(WIDTH, DEPTH, channels=3, kernel=(2, 16, 16), registers=0)
    folder = download(tmp_path / "files")
    save_file(reference.draw(drawn), folder / "toy_vit.safetensors")
    perception = Perception(model, device="cpu", weights_dir=folder)
    assert perception.spec.terms == "licence CC-BY-NC-4.0, for non-commercial use only"
    assert "weights convert" in perception.notes[0]
    perception.add_sensor("gel", load_profile("gelsight_2017"))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 320, 240, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        perception.push("gel", Frame(round(number / 60 * 1e9), image))
    (touch,) = perception.infer()
    assert touch.valid and np.isfinite(touch.force_n).all() and np.isnan(touch.slip_probability)
    # The rule for this sensor: its colours exchanged, no background taken away.
    seen = [pixels[index][..., ::-1] for index in (7, 5, 3, 1)]
    weights = reference.doubles(load_file(folder / "toy_vit.safetensors"))
    neutral = np.full((320, 240, 3), 127, np.uint8)
    tokens, _ = reference.encode(preprocess(*seen, neutral, clip=True), weights, 3)
    head = doubles(random_weights(reference_heads.shapes("force", WIDTH)))
    force = reference_heads.decode("force", [tokens], head, 12)["force"]
    np.testing.assert_allclose(touch.force_n, force * (1.5, 1.5, 2.0), atol=1e-4)


def test_a_head_of_another_encoder_is_refused(model: Path, tmp_path: Path) -> None:
    spec = load_model_spec(model, download(tmp_path / "files", width=48))
    with pytest.raises(WeightsError, match=r"96 channels of model sparsh-toy, found a force head"):
        create_engine(spec, "cpu")


def test_an_encoder_of_another_size_is_refused(model: Path, tmp_path: Path) -> None:
    spec = load_model_spec(model, download(tmp_path / "files"))
    with pytest.raises(WeightsError, match="of another architecture"):
        create_engine(replace(spec, size="small"), "cpu", heads=())


def test_without_torch_it_is_said_what_to_do(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_model_spec(model, download(tmp_path / "files"))
    monkeypatch.setitem(__import__("sys").modules, "sparsh_ros.engines.torch_engine", None)
    with pytest.raises(MissingDependencyError, match="weights convert sparsh-toy"):
        create_engine(spec, "cpu")


def test_cuda_for_published_files_is_torch_alone(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_model_spec(model, download(tmp_path / "files"))
    monkeypatch.setattr(engines, "_cuda_backend", lambda: "onnxruntime")
    with pytest.raises(
        MissingDependencyError, match="wanted an NVIDIA driver and torch with CUDA, found"
    ):
        create_engine(spec, "cuda")
    assert "on CPU" in create_engine(spec, "auto").description


def test_bench_runs_them_on_torch(model: Path, tmp_path: Path) -> None:
    spec = load_model_spec(model, download(tmp_path / "files"))
    cases = models.candidate_cases(spec)
    assert [case.batch for case in cases] == [1, models.LARGE_BATCH]
    assert all(case.engine.description.startswith("torch") for case in cases)


def test_threads_are_those_asked_for(model: Path, tmp_path: Path) -> None:
    spec = load_model_spec(model, download(tmp_path / "files"))
    before = torch.get_num_threads()
    try:
        assert create_engine(spec, "cpu", threads=1).description.endswith("CPU, 1 thread, float32")
    finally:
        torch.set_num_threads(before)


def test_the_force_field_of_an_engine_without_one(model: Path, tmp_path: Path) -> None:
    engine = create_engine(load_model_spec(model, download(tmp_path / "files")), "cpu")
    images = np.zeros((3, 1, 320, 240, 3), np.uint8)
    with pytest.raises(ModelError, match="forcefield.*not loaded"):
        engine.run_head("forcefield", *images)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sources: [3]", "wanted repository, files"),
        ("sources: [{repository: a}]", "wanted repository, files"),
        ("transforms: other", "model sparsh-toy: transforms: wanted one of"),
        ("pooler_num_heads: 0", "pooler_num_heads wants 1 or more, found 0"),
        ("files: {encoder: a}", "unknown entries"),
    ],
)
def test_entries_that_cannot_be_used(model: Path, line: str, message: str) -> None:
    model.write_text(YAML.split("sources")[0].replace("transforms: sparsh\n", "") + line)
    with pytest.raises(ModelError, match=message):
        load_model_spec(model)


def test_torch_loads_nothing_from_the_wrong_pickle(model: Path, tmp_path: Path) -> None:
    folder = download(tmp_path / "files")
    torch.save(print, folder / "evil.pth")
    with pytest.raises(WeightsError, match="evil.pth"):
        load_model_spec(model, folder)
