# SPDX-License-Identifier: Apache-2.0
"""Model descriptions: what ships, what a user writes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.spec import ModelSpec, bin_centres
from sparsh_ros.models.zoo import list_models, load_model_spec, write_trained_values

YAML = "name: mine\nsize: small\nlicence: MIT\nregisters: 0\nweights: files\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_every_model_that_ships_loads() -> None:
    assert "sparsh-sim-micro" in list_models()
    for name in list_models():
        spec = load_model_spec(name)
        assert spec.name == name
        assert spec.weights.name == name
    assert load_model_spec("sparsh-sim-micro").tokens == 300


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    spec = load_model_spec(write(tmp_path, YAML))
    assert (spec.embed_dim, spec.depth, spec.num_heads) == (384, 12, 6)
    assert spec.weights == tmp_path / "files"
    assert spec.interval_s == 5 / 60
    assert spec.heads == ()


def test_a_video_model(tmp_path: Path) -> None:
    text = YAML + "tubelet: 2\nframe_offsets_s: [0, 0.03, 0.06, 0.1]\n"
    spec = load_model_spec(write(tmp_path, text))
    assert (spec.frames, spec.interval_s, spec.tokens) == (4, 0.1, 600)
    assert spec.encoder_config.input_shape == (3, 4, 320, 240)
    assert spec.encoder_config.grid == (2, 20, 15)


def test_trained_values_travel_with_the_weights(tmp_path: Path) -> None:
    path = write(tmp_path, YAML)
    edges = tuple(float(edge) for edge in range(-5, 5))
    trained = replace(
        load_model_spec(path),
        heads=("force", "slip"),
        slip_threshold=0.7,
        pose_bin_edges_mm=edges,
        pose_bin_values_mm=(bin_centres(edges), tuple(range(11))),
    )
    trained.weights.mkdir()
    write_trained_values(trained, trained.weights)
    assert load_model_spec(path) == trained


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"heads": []}', '{"heads": 3}'])
def test_damaged_trained_values_are_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, YAML)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "heads.json").write_text(text)
    with pytest.raises(WeightsError, match="heads.json"):
        load_model_spec(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size: [", "cannot be read"),
        ("- a list", "wanted a mapping, found list"),
        ("size: small\nlicence: MIT\n", "name"),
        (YAML + "colour: red\n", "colour"),
        (YAML.replace("small", "enormous"), "'enormous' is unknown; use one of nano, micro"),
        (YAML.replace("small", "12"), "size wants str, found 12"),
        (YAML.replace("registers: 0", "registers: two"), "registers wants int .*None, found 'two'"),
        (YAML + "frame_offsets_s: fast\n", "frame_offsets_s wants tuple.*, found 'fast'"),
        (YAML + "frame_offsets_s: [0]\n", r"wants 0, then ascending seconds, found \[0\]"),
        (YAML + "frame_offsets_s: [0, fast]\n", "wants 0, then ascending seconds"),
        (YAML + "frame_offsets_s: [0, 0.1, 0.1]\n", "wants 0, then ascending seconds"),
        (YAML + "frame_offsets_s: [0.1, 0.2]\n", "wants 0, then ascending seconds"),
        (YAML + "tubelet: 0\n", "tubelet wants 1 or more, found 0"),
        (YAML + "tubelet: 4\n", "2 frames are no multiple of the tubelet 4"),
        (YAML + "patch_size: 0\n", "patch_size wants 1 or more, found 0"),
        (YAML.replace("name: mine", "name: 3"), "name wants str, found 3"),
        (YAML + "image_width: 0\n", "0 is no multiple"),
        (YAML + "image_height: 321\n", "321 is no multiple of the patch size 16"),
    ],
)
def test_a_bad_description_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model_spec(write(tmp_path, text))


def test_a_folder_that_no_disk_can_have_is_a_sentence(tmp_path: Path) -> None:
    text = YAML.replace("weights: files", f"weights: {'x' * 300}")
    with pytest.raises(WeightsError, match="cannot be read .File name too long"):
        load_model_spec(write(tmp_path, text))


def test_unknown_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'nothing': unknown; choose one of .*sparsh-sim-micro"):
        load_model_spec("nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model_spec(tmp_path / "absent.yaml")


def test_bins_are_checked() -> None:
    spec = ModelSpec("m", "micro", "MIT", Path("m"))
    with pytest.raises(ModelError, match="pose_bin_edges_mm wants 10 ascending values"):
        replace(spec, pose_bin_edges_mm=spec.pose_bin_edges_mm[::-1])
    with pytest.raises(ModelError, match="11 values each"):
        replace(spec, pose_bin_values_deg=(0.0,))


def test_bin_centres() -> None:
    assert bin_centres((-2.0, 0.0, 1.0)) == (-3.0, -1.0, 0.5, 1.5)
