# SPDX-License-Identifier: Apache-2.0
"""What a sensor is worth: the scores of answers that need none.

A baseline takes the place of the estimates of a sensor, where these are known, so that it is scored
on the same frames. It may know more than any sensor does: the mean is that of the labels
themselves, and the speedometer knows the true speed of the object. No threshold is fitted: the
speedometer's is the speed from which the label says that it slips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsh_ros.evaluation.metrics import Scores, force_errors, pose_scores, slip_scores
from sparsh_ros.evaluation.result import UNKNOWN, SensorResult
from sparsh_ros.models.spec import POSE_BINS

SLIDE_FROM_M_S = 1e-3
"""Speed from which a contact slides."""

_SLIDING = ("slide_speed_m_s", "slip_share", "friction_margin")


@dataclass(frozen=True)
class Baseline:
    """An answer that needs no sensor.

    Attributes:
        answer: Takes the sensors and gives, for each, the columns of the estimates to replace;
            None where it knows nothing.
        scores: How the names of the scores begin that it says something about.
    """

    answer: Callable[[Sequence[SensorResult]], list[dict[str, NDArray[Any]]] | None]
    scores: tuple[str, ...]


def apply_baseline(
    baseline: Baseline, sensors: Sequence[SensorResult]
) -> list[SensorResult] | None:
    """The sensors with a baseline in the place of their estimates; None where it knows nothing."""
    answers = baseline.answer(sensors)
    if answers is None:
        return None
    return [
        replace(sensor, estimates=replace(sensor.estimates, **columns))
        for sensor, columns in zip(sensors, answers, strict=True)
    ]


def _mean_force(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]]:
    return _means(sensors, ("force_n",))


def _mean_sliding(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]]:
    return _means(sensors, _SLIDING)


def _means(sensors: Sequence[SensorResult], names: Sequence[str]) -> list[dict[str, NDArray[Any]]]:
    """Each quantity the mean of its labels, of the frames of which it is estimated."""
    answers: list[dict[str, NDArray[Any]]] = [{} for _ in sensors]
    for name in names:
        said = [getattr(sensor.estimates, name) for sensor in sensors]
        true = np.concatenate([getattr(sensor.labels, name) for sensor in sensors])
        both = np.isfinite(np.concatenate(said)) & np.isfinite(true)
        count = both.sum(axis=0)
        mean = np.where(both, true, 0).sum(axis=0) / np.maximum(count, 1)
        for answer, values in zip(answers, said, strict=True):
            answer[name] = np.where(np.isfinite(values), mean, np.nan).astype(np.float32)
    return answers


def _contact(value: int) -> Callable[[Sequence[SensorResult]], list[dict[str, NDArray[Any]]]]:
    def answer(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]]:
        return [{"in_contact": _where_known(s.estimates.in_contact, value)} for s in sensors]

    return answer


def _slip(value: int) -> Callable[[Sequence[SensorResult]], list[dict[str, NDArray[Any]]]]:
    def answer(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]]:
        return [
            _decided(sensor, np.full(len(sensor.estimates), value, float)) for sensor in sensors
        ]

    return answer


def _speedometer(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]] | None:
    """Slip wherever the object moves fast enough, with the probability 1/2 at that speed."""
    speeds = [sensor.labels.object_speed_m_s for sensor in sensors]
    if not any(np.isfinite(speed).any() for speed in speeds):
        return None
    return [
        _decided(sensor, np.nan_to_num(speed / (speed + SLIDE_FROM_M_S)), 0.5)
        for sensor, speed in zip(sensors, speeds, strict=True)
    ]


def _decided(
    sensor: SensorResult, probability: NDArray[np.float64], threshold: float = 0.5
) -> dict[str, NDArray[Any]]:
    estimates = sensor.estimates
    known = np.isfinite(estimates.slip_probability)
    return {
        "in_contact": np.full(len(estimates), UNKNOWN, np.int8),
        "slip_probability": np.where(known, probability, np.nan).astype(np.float32),
        "slipping": _where_known(estimates.slipping, probability >= threshold),
    }


def _no_change(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]]:
    return [{"delta_force_n": 0 * sensor.estimates.delta_force_n} for sensor in sensors]


def _no_motion(sensors: Sequence[SensorResult]) -> list[dict[str, NDArray[Any]]]:
    return [
        {
            "pose_change": 0 * sensor.estimates.pose_change,
            "pose": 0 * sensor.estimates.pose,
            "pose_bins": _where_known(sensor.estimates.pose_bins, POSE_BINS // 2),
        }
        for sensor in sensors
    ]


def _where_known(column: NDArray[np.int8], value: ArrayLike) -> NDArray[np.int8]:
    return np.where(column == UNKNOWN, UNKNOWN, value).astype(np.int8)


_OF_SLIP = (
    *("precision", "recall", "f1", "average_precision", "event_f1", "missed_onsets", "delay_"),
    *("false_alarms_per_minute", "quiet_alarmed", "moving_", "gross_", "published_"),
)
_OF_CONTACT = _OF_SLIP[:3] + _OF_SLIP[4:9]

BASELINES: dict[str, dict[str, Baseline]] = {
    "force": {"mean": Baseline(_mean_force, ("mae_", "rmse_", "published_", "touch_"))},
    "contact": {
        "always": Baseline(_contact(1), _OF_CONTACT),
        "never": Baseline(_contact(0), _OF_CONTACT),
    },
    "slip": {
        "always": Baseline(_slip(1), _OF_SLIP),
        "never": Baseline(_slip(0), _OF_SLIP),
        "speedometer": Baseline(_speedometer, _OF_SLIP),
        "mean": Baseline(_mean_sliding, tuple(name.replace("_m_s", "_mm_s") for name in _SLIDING)),
        "no change": Baseline(_no_change, ("delta_mae",)),
    },
    "pose": {
        "no motion": Baseline(_no_motion, ("accuracy", "balanced_accuracy", "mae_", "drift_"))
    },
}
"""Task -> name -> baseline."""


def baseline_force(train_force_n: ArrayLike, truth_n: ArrayLike) -> Scores:
    """Force errors of always answering the mean force of the training set."""
    truth = np.asarray(truth_n, dtype=np.float64)
    mean = np.asarray(train_force_n, dtype=np.float64).mean(axis=0)
    return force_errors(np.broadcast_to(mean, truth.shape), truth)


def baseline_slip(slipping: ArrayLike) -> Scores:
    """The better in F1 of the two constant answers: "always slipping" (never has F1 = 0)."""
    truth = np.asarray(slipping, dtype=bool)
    return slip_scores(np.ones(len(truth)), truth, threshold=0.5)


def baseline_pose(train_bins: ArrayLike, true_bins: ArrayLike, truth: ArrayLike) -> Scores:
    """Scores of always answering the training set's commonest bin, and of "it did not move".

    Args:
        train_bins: (m, 3) bins of the training set.
        true_bins: (n, 3) bins to be guessed.
        truth: (n, 3) true motion, mm, mm, degrees.
    """
    columns = np.asarray(train_bins, dtype=np.int64).T
    commonest = np.array([np.bincount(column).argmax() for column in columns])
    wanted = np.asarray(true_bins)
    return pose_scores(
        np.broadcast_to(commonest, wanted.shape), wanted, np.zeros_like(truth, dtype=float), truth
    )
