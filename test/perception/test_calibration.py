# SPDX-License-Identifier: Apache-2.0
"""The layer that adapts a force to one sensor: its fit, its file, and who is served by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import TRANSFORMER_MODEL
from sparsh_ros.perception.calibration import (
    Calibration,
    CalibrationStore,
    find_calibration,
    read_calibration,
    save_calibration,
)
from sparsh_ros.perception.calibration.fit import (
    MOST_FRAMES,
    CalibrationData,
    fit_calibration,
    thin_out,
)
from sparsh_ros.perception.head_runner import EncodedFrame, Features, HeadRunner
from sparsh_ros.sensors import load_profile

COUNT, TOKENS, CHANNELS = 120, 6, 4


def made_up(seed: int = 0, shear: float = 1.0) -> CalibrationData:
    """A sensor whose model is off by gain, turn and offset, and by what two tokens show."""
    rng = np.random.default_rng(seed)
    model_n = np.cumsum(rng.normal(0, 0.3, (COUNT, 3)), axis=0)
    model_n[:, 0] *= shear
    tokens = rng.normal(0, 1, (COUNT, TOKENS, CHANNELS)) * (1, 10, 0.1, 1)
    turned = np.column_stack([-model_n[:, 1], model_n[:, 0], 1.5 * model_n[:, 2]])
    measured = 2 * turned + (0.1, -0.2, 20.0)
    measured[:, 2] += tokens[:, 1, 1] * 0.1
    return CalibrationData(tokens.astype(np.float16), model_n, measured)


def errors(calibration: Calibration, data: CalibrationData) -> np.ndarray:
    found = calibration.apply(data.force_n, data.tokens)
    return np.abs(found - data.measured_n).mean(axis=0)


def test_gain_turn_offset_and_tokens_are_found() -> None:
    data = made_up()
    first, second = (data.take(rows) for rows in np.array_split(np.arange(COUNT), 2))
    calibration, choices = fit_calibration(first, "toy", "digit", "D1")
    assert (calibration.model, calibration.serial) == ("toy", "D1")
    assert set(choices) == {"shear", "pressing"} and choices["pressing"].ridge is not None
    np.testing.assert_allclose(calibration.gain[:2, :2], [[0, -2], [2, 0]], atol=0.05)
    assert (errors(calibration, second)[:2] < 0.1).all()
    # Gain and offset alone leave what the token shows, 0.8 N.
    assert errors(calibration, second)[2] < 0.3
    assert calibration.variance[2] < 0.3


def test_an_axis_without_shear_has_the_gain_of_the_other() -> None:
    data = made_up(shear=0.0)
    data.measured_n[:, 1] = -0.2
    calibration, _ = fit_calibration(data, "toy", "digit")
    shown = replace(made_up(1), tokens=data.tokens)
    assert errors(calibration, shown)[1] < 0.15
    assert (calibration.weights[:, 1] == 0).all()


def test_what_was_not_measured_stays_as_it_is() -> None:
    data = made_up()
    data.measured_n[:, :2] = np.nan
    calibration, choices = fit_calibration(data, "toy", "digit")
    assert set(choices) == {"pressing"} and np.isnan(calibration.variance[:2]).all()
    found = calibration.apply(data.force_n, data.tokens)
    np.testing.assert_allclose(found[:, :2], data.force_n[:, :2])


def test_two_weights_teach_a_line_and_no_more() -> None:
    data = made_up()
    data.measured_n[:, :2] = np.nan
    data.measured_n[:, 2] = np.where(data.force_n[:, 2] > 0, 2.0, 0.0)
    calibration, choices = fit_calibration(data, "toy", "digit")
    assert choices["pressing"].ridge is None and (calibration.weights == 0).all()


def test_too_few_frames_are_a_sentence() -> None:
    with pytest.raises(ParameterError, match="at least 30 frames with a measured force, found 20"):
        fit_calibration(made_up().take(np.arange(20)), "toy", "digit")


def test_thinning_out_keeps_both_ends() -> None:
    assert thin_out(5).tolist() == [0, 1, 2, 3, 4]
    rows = thin_out(10 * MOST_FRAMES)
    assert len(rows) == MOST_FRAMES and rows[[0, -1]].tolist() == [0, 10 * MOST_FRAMES - 1]


def test_a_correction_cannot_run_away_and_nothing_pulls() -> None:
    data = made_up()
    calibration, _ = fit_calibration(data, "toy", "digit")
    usual = calibration.apply(data.force_n[0], data.tokens[0])
    strange = calibration.apply(data.force_n[0], 1000 * data.tokens[0].astype(np.float32))
    assert np.isfinite(strange).all()
    assert (np.abs(strange - usual) <= 2 * calibration.limit_n + 1e-6).all()
    assert calibration.apply(np.array([0, 0, -100.0]), data.tokens[0])[2] == 0


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    calibration, _ = fit_calibration(made_up(), "toy", "digit", "D1")
    path = tmp_path / "deep" / "mine.npz"
    save_calibration(path, calibration)
    read = read_calibration(path)
    for name in Calibration.__annotations__:
        np.testing.assert_array_equal(getattr(read, name), getattr(calibration, name))
    assert [file.name for file in path.parent.iterdir()] == ["mine.npz"]


@pytest.mark.parametrize(
    "wrong", ["missing", "empty", "text", "pickle", "shape", "nan", "damaged", "version"]
)
def test_broken_files_are_sentences(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "broken.npz"
    calibration, _ = fit_calibration(made_up(), "toy", "digit")
    values = {name: getattr(calibration, name) for name in Calibration.__annotations__}
    if wrong in ("empty", "text"):
        path.write_bytes(b"" if wrong == "empty" else b"no archive at all")
    elif wrong in ("damaged", "version"):
        save_calibration(path, calibration)
        content = path.read_bytes()
        at = (
            content.index(b"weights.npy") + 60
            if wrong == "damaged"
            else content.rfind(b"PK\1\2") + 6
        )
        path.write_bytes(content[:at] + b"\xff\xff" + content[at + 2 :])
    elif wrong != "missing":
        odd = {
            "pickle": {"gain": np.array([print], object)},
            "shape": {"gain": np.eye(2, dtype=np.float32)},
            "nan": {"offset": np.full(3, np.nan, np.float32)},
        }
        np.savez(path, **(values | odd[wrong]))
    with pytest.raises(ParameterError, match=r"broken.npz: no .*sparsh-ros calibrate"):
        read_calibration(path)


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    calibration, _ = fit_calibration(made_up(), "toy", "digit")
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(ParameterError, match="cannot be written"):
        save_calibration(tmp_path / "folder" / "mine.npz", calibration)


def test_the_store_keeps_one_for_each_sensor_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = CalibrationStore()
    calibration, _ = fit_calibration(made_up(), "toy", "digit", "../D1")
    path = store.save(calibration)
    assert path.parent == tmp_path / "sparsh_ros" / "calibrations"
    assert store.load("digit", "../D1", "toy").serial == "../D1"
    for missing in (("digit", "D2", "toy"), ("digit", "../D1", "other"), ("digit", "", "toy")):
        assert store.load(*missing) is None
    assert find_calibration("auto", "digit", "../D1", "toy").serial == "../D1"
    assert find_calibration("none", "digit", "../D1", "toy") is None
    assert find_calibration(str(path), "digit", "", "toy").serial == "../D1"


class Heads:
    """An engine that presses with 0.5 of its scale, whatever the tokens."""

    heads = ("force",)

    def run_head(self, _head: str, tokens: np.ndarray) -> dict[str, np.ndarray]:
        return {"force": np.tile(np.float32([0, 0, 0.5]), (len(tokens), 1))}


def test_heads_serve_the_sensor_that_is_calibrated_and_nobody_else() -> None:
    spec = load_model_spec(TRANSFORMER_MODEL)
    size = spec.tokens * spec.embed_dim
    nothing = np.zeros(3, np.float32)
    weights = np.zeros((size, 3), np.float32)
    weights[0, 2] = 1.0
    single = (np.eye(3, dtype=np.float32), np.float32([1, 0, 0]), weights, nothing)
    limit, variance = np.full(3, 9, np.float32), np.float32([np.nan, np.nan, 0.04])
    mine = Calibration(spec.name, "digit", "D1", *single, limit, variance)
    runner = HeadRunner(spec, Heads())
    for name, sensor_type in (("left", "digit"), ("right", "digit"), ("mini", "gelsight_mini")):
        runner.add_sensor(name, load_profile(sensor_type))
    runner.set_calibration("left", mine)
    tokens = np.zeros((2, spec.tokens, spec.embed_dim), np.float32)
    tokens[:, 0, 0] = -2.0
    frames = (
        EncodedFrame("mini", 10**9, reason="stale"),
        *(EncodedFrame(name, 10**9, 5 / 60) for name in ("left", "right")),
    )
    lost, left, right = runner.run(Features(frames, tokens))
    pressing = 0.5 * load_profile("digit").force_scale_n[2]
    np.testing.assert_allclose(left.force_n, [1, 0, pressing - 2])
    np.testing.assert_allclose(right.force_n, [0, 0, pressing])
    assert left.force_covariance[2, 2] == pytest.approx(0.04) and left.in_contact
    assert not lost.valid and np.isnan(lost.force_n).all()
    with pytest.raises(ParameterError, match=r"wanted one of sparsh-sim-micro on a gelsight_mini"):
        runner.set_calibration("mini", mine)
    with pytest.raises(ParameterError, match="unknown to the heads"):
        runner.set_calibration("thumb", mine)
    runner.add_sensor("left", load_profile("digit"))
    assert runner.run(Features(frames, tokens))[1].force_n[0] == 0
