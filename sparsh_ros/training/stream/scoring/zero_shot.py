# SPDX-License-Identifier: Apache-2.0
"""Models on recordings of real gels that nothing was tuned on.

`digit_force_shear`: one press and drag with a force sensor under the object. `gelsight_mini_slip`
and `gelsight_slip_wkoa`: grasps that hold or slip, one label each; their score is the share of the
contact in which the model says slip, which does not depend on a recording's length.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.training.stream.scoring.live import LiveModel

FIRST, LAST = 5, 530
"""Frames of the DIGIT recording between the first touch and the release."""
CONTACT_N = 0.3
STEP_S = 1 / 12
"""Taken for the time between frames where none is known."""
_START_NS = 1_000_000_000
_STILL = slice(10, 21)

Scores = dict[str, float]


def score_digit(model: LiveModel, folder: Path) -> Scores:
    """Force on the DIGIT: correlations over all frames and in contact, MAE of Fz.

    By the visible motion, x of the image is +Fy of the labels and y is -Fx or Fx: both are given.
    """
    profile = load_profile("digit")
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = [profile.to_canonical(cv2.imread(str(folder / row["file"])), "bgr") for row in rows]
    background = profile.to_canonical(cv2.imread(str(folder / "background.png")), "bgr")
    stamps = [_START_NS + round(float(row["t_s"]) * 1e9) for row in rows]
    estimates = model.follow("digit", background, zip(stamps, images, strict=True))
    force = np.array([estimate.force_n for estimate in estimates])[FIRST : LAST + 1]
    columns = ("Fx_N", "Fy_N", "Fz_N")
    truth = np.array([[float(row[c]) for c in columns] for row in rows])[FIRST : LAST + 1]
    load = -truth[:, 2]
    touch = load > CONTACT_N
    return {
        "fz_correlation": _correlation(force[:, 2], load),
        "fz_correlation_contact": _correlation(force[touch, 2], load[touch]),
        "fz_mae_n": float(np.nanmean(np.abs(force[:, 2] - load))),
        "fz_mae_of_median_n": float(np.abs(load - np.median(load)).mean()),
        "shear_x_to_fy": _correlation(force[touch, 0], truth[touch, 1]),
        "shear_y_to_fx": _correlation(force[touch, 1], truth[touch, 0]),
        "shear_norm": _correlation(
            np.hypot(*force[touch, :2].T), np.hypot(truth[touch, 0], truth[touch, 1])
        ),
        "shear_gain_x": _gain(force[touch, 0], truth[touch, 1]),
        "shear_gain_y": _gain(force[touch, 1], truth[touch, 0]),
        "slip_probability_mean": float(np.nanmean([e.slip_probability for e in estimates])),
    }


def score_mini_slip(model: LiveModel, folder: Path) -> Scores:
    """AUC per trial on `gelsight_mini_slip`, the larger of both fingers' shares."""
    profile = load_profile("gelsight_mini")
    with (folder / "recordings.csv").open() as file:
        rows = list(csv.DictReader(file))
    trials: dict[tuple[str, str], list[float]] = {}
    labels: dict[tuple[str, str], bool] = {}
    for row in rows:
        frames = [profile.to_canonical(f, "bgr") for f in _video(folder / row["file"])]
        still = frames[-20:] if row["slip"] == "1" and len(frames) > 60 else frames[_STILL]
        background = np.median(still, axis=0).astype(np.uint8)
        share = _share(model.follow("gelsight_mini", background, _stamped(frames[3:])))
        key = row["object"], row["trial"]
        trials.setdefault(key, []).append(share)
        labels[key] = row["slip"] == "1"
    values = np.array([max(shares) for shares in trials.values()])
    truth = np.array([labels[key] for key in trials])
    return {"auc": _auc(values, truth), "trials": len(truth)}


def score_wkoa(model: LiveModel, folder: Path) -> Scores:
    """AUC per grasp on `gelsight_slip_wkoa`; its first frame has to serve as background, although
    the object is held in it."""
    profile = load_profile("gelsight_2017")
    values, truth = [], []
    for table in sorted(folder.glob("object*_result.dat")):
        grasps = folder / table.name.removesuffix("_result.dat")
        for line in table.read_text().splitlines():
            fields = line.split()
            if len(fields) < 8:
                continue
            paths = sorted((grasps / f"{fields[6]}_mm").glob("*.jpg"))
            paths = [path for path in paths if fields[7] in path.name]
            if not paths:
                continue
            frames = [profile.to_canonical(cv2.imread(str(path)), "bgr") for path in paths]
            values.append(_share(model.follow("gelsight_2017", frames[0], _stamped(frames))))
            truth.append(fields[1] == "fail")
    return {"auc": _auc(np.array(values), np.array(truth)), "trials": len(truth)}


def _video(path: Path) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield frame


def _stamped(frames: list[NDArray[np.uint8]]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for index, frame in enumerate(frames):
        yield _START_NS + round(index * STEP_S * 1e9), frame


def _share(estimates: list[Estimate]) -> float:
    """Mean slip probability over the frames in contact; 0 without any."""
    known = [e.slip_probability for e in estimates if e.valid and e.in_contact]
    return float(np.mean(known)) if known else 0.0


def _auc(values: NDArray, truth: NDArray) -> float:
    """Probability that a positive scores higher than a negative; ties count half."""
    positive, negative = values[truth], values[~truth]
    if not len(positive) or not len(negative):
        return float("nan")
    above = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    return float(above)


def _correlation(first: NDArray, second: NDArray) -> float:
    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < 3 or not first[known].std():
        return float("nan")
    return float(np.corrcoef(first[known], second[known])[0, 1])


def _gain(first: NDArray, second: NDArray) -> float:
    """Slope of the estimate over the truth."""
    known = np.isfinite(first) & np.isfinite(second)
    return float(np.polyfit(second[known], first[known], 1)[0]) if known.sum() > 2 else float("nan")


def score_recordings(model: LiveModel, folder: Path) -> Scores:
    """All scores of one model, named by recording."""
    parts = {
        "digit_force_shear": score_digit,
        "gelsight_mini_slip": score_mini_slip,
        "gelsight_slip_wkoa": score_wkoa,
    }
    found = {}
    for name, score in parts.items():
        found |= {f"{name}: {key}": value for key, value in score(model, folder / name).items()}
    return found
