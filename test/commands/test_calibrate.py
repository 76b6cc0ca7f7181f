# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros calibrate` on a recording; what it stores is used wherever forces are told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.cli import data, main
from sparsh_ros.commands import calibrate as module
from sparsh_ros.names import DEFAULT_MODEL, STREAM_MODEL, TRANSFORMER_MODEL
from sparsh_ros.perception.calibration import CalibrationStore, read_calibration
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.recordings.bags import profile_key
from sparsh_ros.simulation.simulation import TouchSimulation

RATE_HZ = 20
QUICK = ("--threads", "1", "--device", "cpu")


def write(path: Path, images: list[np.ndarray], forces: list[np.ndarray] | None) -> Path:
    """A bag of a DIGIT at 20 Hz, whose first image shows the untouched gel."""
    with BagWriter(path, custom={profile_key("/tactile"): "digit"}) as bag:
        bag.image("/tactile/background", START_NS, images[0], "camera")
        for index, image in enumerate(images):
            stamp_ns = START_NS + round(index * 1e9 / RATE_HZ)
            bag.image("/tactile/image_raw", stamp_ns, image, "camera")
            if forces is not None:
                bag.wrench("/tactile/ground_truth/force", stamp_ns, forces[index], "gel")
    return path


@pytest.fixture(scope="module")
def touch() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images and forces, twice those of the simulation, of 8 s on one gel."""
    simulation = TouchSimulation("digit", 5, touch="demo", rest_s=0.5, rate_hz=RATE_HZ)
    samples = [simulation.step() for _ in range(8 * RATE_HZ)]
    return [s.image for s in samples], [2.0 * s.force_n for s in samples]


@pytest.fixture
def recording(tmp_path: Path, touch: tuple) -> Path:
    return write(tmp_path / "press", *touch)


@pytest.fixture
def weighed(tmp_path: Path, touch: tuple) -> Path:
    """The same touch as a weight: 1 s without, 1 s with it, four times."""
    images, forces = touch
    pressed = images[int(np.argmax([force[2] for force in forces]))]
    rng = np.random.default_rng(0)
    steps = [images[0], pressed] * 4
    shown = [np.clip(i + rng.normal(0, 1, i.shape), 0, 255) for i in np.repeat(steps, RATE_HZ, 0)]
    return write(tmp_path / "weight", [image.astype(np.uint8) for image in shown], None)


def test_a_force_topic_halves_the_error(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.npz"
    assert main(["calibrate", str(recording), "--out", str(out), *QUICK]) == 0
    text = capsys.readouterr().out
    assert "frames that were not fitted to" in text
    row = next(line for line in text.splitlines() if "│ z " in line)
    numbers = [float(n) for n in re.findall(r"-?\d+\.\d+", row)]
    _, _, guess, before, after, *_ = numbers
    assert after < 0.6 * before and after < guess
    assert read_calibration(out).sensor_type == "digit"
    scores = ["--calibration", str(out), "--out", str(tmp_path / "scores")]
    assert main(["evaluate", str(recording), *scores, *QUICK]) == 0


def test_a_weight_is_found_where_it_lies_still(
    weighed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    command = ["calibrate", str(weighed), "--weight", "200g", "--serial", "D1", *QUICK]
    assert main(command) == 0
    calibration = CalibrationStore().load("digit", "D1", DEFAULT_MODEL)
    assert calibration.serial == "D1" and np.isnan(calibration.variance[:2]).all()
    assert calibration.variance[2] < 0.2**2


def test_what_cannot_be_calibrated_is_a_sentence(
    recording: Path, weighed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path / "mine.npz"))
    for arguments, sentence in (
        (["nowhere", *out], "nowhere"),
        ([str(recording)], "name its serial number with --serial, or a file with --out"),
        ([str(weighed), *out], "or put a known weight on the gel and use --weight"),
        ([str(recording), "--weight", "2N", *out], "to lie still on the gel at least twice"),
        ([str(recording), "--force-topics", "/other", *out], "/other"),
    ):
        assert main(["calibrate", *arguments, *QUICK]) == 1
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "mine.npz").exists()


def test_weights_are_read_with_their_units() -> None:
    assert data.weight_n("200g") == pytest.approx(1.96133)
    assert data.weight_n("0.2 kg") == pytest.approx(1.96133)
    assert data.weight_n("2N") == 2.0
    for wrong in ("200", "0g", "-1N", "2lb", ""):
        with pytest.raises(Exception, match="wanted a weight such as 200g or 2N"):
            data.weight_n(wrong)


def test_every_other_time_of_the_weight_is_fitted_to() -> None:
    lies = np.array([np.nan, 0, 2, 2, np.nan, 0, 2, 0, 2])
    assert module._every_other(lies).tolist() == [True] * 4 + [False] * 3 + [True] * 2


@pytest.mark.parametrize(("model", "least"), [(TRANSFORMER_MODEL, 0.9), (STREAM_MODEL, 0.75)])
def test_on_a_real_digit(
    tactile_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, least: float
) -> None:
    source = tactile_data / "digit_force_shear"
    labels = ["--labels", str(source / "labels.csv"), "--force-axes=x,y,-z", "--fps", "30"]
    background = ["--background", str(source / "background.png"), "--out", str(tmp_path)]
    assert main(["import", "plain", str(source / "frames"), *labels, *background]) == 0
    capsys.readouterr()
    out = ["--out", str(tmp_path / "mine.npz")]
    assert main(["calibrate", str(tmp_path / "frames"), "--model", model, *out, *QUICK]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "│ z " in line)
    *_, after, _, correlation = (float(n) for n in re.findall(r"-?\d+\.\d+", row))
    assert after < 0.93 and correlation > least
