# SPDX-License-Identifier: Apache-2.0
"""Drawing simulated sensors."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.sensor_instance import SENSORS, SensorInstance


@pytest.mark.parametrize("sensor", SENSORS)
def test_same_seed_gives_the_same_sensor(sensor: str) -> None:
    assert SensorInstance.draw(sensor, 3) == SensorInstance.draw(sensor, 3)


@pytest.mark.parametrize("sensor", SENSORS)
def test_seeds_differ_in_every_drawn_number(sensor: str) -> None:
    units = [SensorInstance.draw(sensor, seed) for seed in range(8)]
    same_for_all = {"sensor", "gel_width_mm", "gel_height_mm"}
    if sensor == "digit":
        same_for_all |= {"marker_pitch_mm", "marker_radius_mm"}
    for name in {field.name for field in fields(SensorInstance)} - same_for_all:
        assert len({getattr(unit, name) for unit in units}) > 1, name


@pytest.mark.parametrize("sensor", SENSORS)
def test_mechanics_stay_in_their_ranges(sensor: str) -> None:
    thickness = (2.5, 3.5) if sensor == "digit" else (3.0, 4.0)
    for seed in range(50):
        unit = SensorInstance.draw(sensor, seed)
        assert 0.27 <= unit.normal_stiffness_n_per_mm3 <= 0.33
        assert 0.25 <= unit.tangential_ratio <= 0.45
        assert 0.4 <= unit.friction <= 1.1
        assert thickness[0] <= unit.thickness_mm <= thickness[1]


@pytest.mark.parametrize("sensor", SENSORS)
def test_image_covers_the_gel_that_the_profile_states(sensor: str) -> None:
    unit, profile = SensorInstance.draw(sensor, 0), load_profile(sensor)
    assert unit.gel_width_mm == profile.gel_width_mm
    assert unit.gel_height_mm == profile.gel_height_mm


def test_markers_are_the_rule_the_exception_or_absent() -> None:
    def marked(sensor: str) -> float:
        return np.mean([SensorInstance.draw(sensor, s).marker_pitch_mm > 0 for s in range(100)])

    assert marked("digit") == 0.0
    assert 0.1 < marked("gelsight_mini") < 0.5
    assert marked("gelsight_2017") == 1.0


def test_unknown_sensor_and_bad_seed_are_refused() -> None:
    with pytest.raises(ParameterError, match="'omnitact' is unknown.*digit"):
        SensorInstance.draw("omnitact", 0)
    with pytest.raises(ParameterError, match="found -1"):
        SensorInstance.draw("digit", -1)
