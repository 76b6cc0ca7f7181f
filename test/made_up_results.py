# SPDX-License-Identifier: Apache-2.0
"""Results made up for the tests of scores, comparisons and reports."""

from __future__ import annotations

from copy import copy

import numpy as np

from sparsh_ros.evaluation.result import UNKNOWN, Estimates, Labels, Result, Runtime, SensorResult
from sparsh_ros.evaluation.run import describe
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.sensors.profiles import load_profile

PERIOD_NS = 10_000_000
NAN = np.float32(np.nan)


def make_sensor(recording: str, force_error_n: float, count: int = 20, **changes) -> SensorResult:
    """A sensor of which only the force is known: the truth is 1 N along z, the estimate off by
    `force_error_n` along x. `changes` replace columns of the estimates and labels."""
    truth = np.tile(np.array([0, 0, 1], np.float32), (count, 1))
    estimate = truth + np.array([force_error_n, 0, 0], np.float32)
    unknown, flags = np.full((count, 3), NAN), np.full(count, UNKNOWN, np.int8)
    bins = np.full((count, 3), UNKNOWN, np.int8)
    sliding = dict.fromkeys(("slide_speed_m_s", "slip_share", "friction_margin"), unknown[:, 0])
    estimates = {
        "stamp_ns": np.arange(count, dtype=np.int64) * PERIOD_NS,
        "reason": np.full(count, UNKNOWN, np.int16),
        "reasons": (),
        "interval_ns": np.full(count, 8 * PERIOD_NS),
        "force_n": estimate,
        "in_contact": np.ones(count, np.int8),
        "slip_probability": unknown[:, 0],
        "slipping": flags,
        **sliding,
        "delta_force_n": unknown,
        "pose_change": unknown,
        "pose_bins": bins,
        "pose": unknown,
    }
    labels = {
        "force_n": truth,
        "delta_force_n": unknown,
        "in_contact": flags,
        "slipping": flags,
        **sliding,
        "pose_change": unknown,
        "pose_bins": bins,
        "pose": unknown,
        "object_speed_m_s": unknown[:, 0],
    }
    # Each column its own array, so that tests can change one.
    estimates, labels = (
        {name: copy(column) for name, column in columns.items()} for columns in (estimates, labels)
    )
    return SensorResult(
        recording=recording,
        sensor="left",
        image_topic="/left/image_raw",
        profile=load_profile("digit"),
        sensor_type_source="given",
        background="topic /left/background",
        estimates=Estimates(**estimates | changes.get("estimates", {})),
        labels=Labels(**labels | changes.get("labels", {})),
        label_topics={"force": "/left/ground_truth/force", "slip": "", "pose": ""},
        unaligned={"force": {}, "slip": {}, "pose": {}},
        frames={"received": count, "missing": 0},
        period_ns=PERIOD_NS,
        notes=changes.get("notes", ()),
    )


def make_slips(recording: str, probability: list[float], slipping: str) -> SensorResult:
    """A sensor of which only slip is known, with the threshold 0.5, in contact all the time."""
    answer = np.array(probability, np.float32)
    true = np.array([int(letter) for letter in slipping], np.int8)
    unknown = np.full((len(true), 3), NAN)
    return make_sensor(
        recording,
        0.0,
        len(true),
        estimates={"slip_probability": answer, "slipping": (answer >= 0.5).astype(np.int8)},
        labels={"slipping": true, "force_n": unknown},
    )


def make_result(*sensors: SensorResult) -> Result:
    """A result, without metrics, of sensors."""
    frames = sum(len(sensor.estimates) for sensor in sensors)
    runtime = Runtime(np.full(frames, 5.0, np.float32), wall_s=2.0, engine="fake")
    return Result(describe(load_model_spec("sparsh-sim-micro")), sensors, runtime)
