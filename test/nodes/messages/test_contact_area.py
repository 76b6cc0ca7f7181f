# SPDX-License-Identifier: Apache-2.0
"""Where the contact is found, and the markers that show it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from visualization_msgs.msg import Marker

from sparsh_ros.nodes.messages.contact_area import ContactArea, find_contact_area
from sparsh_ros.nodes.messages.contact_markers import METRES_PER_NEWTON, contact_to_msg
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.simulation.simulation import TouchSimulation

GEL = np.full((320, 240, 3), 100, np.uint8)
METRES_PER_PIXEL = 1e-4


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 90.0, 150.0])
def test_an_ellipse_is_found_again(angle_deg: float) -> None:
    image = cv2.ellipse(GEL.copy(), ((90, 200), (80, 40), angle_deg), (160, 160, 160), -1)
    area = find_contact_area(image, GEL)
    assert area.center == pytest.approx((90, 200), abs=2)
    assert area.radii == pytest.approx((40, 20), abs=9)
    apart = (area.angle - math.radians(angle_deg) + math.pi / 2) % math.pi - math.pi / 2
    assert abs(apart) < math.radians(3)


def test_the_larger_change_wins_and_noise_is_none() -> None:
    image = cv2.circle(GEL.copy(), (60, 60), 12, (130, 130, 130), -1)
    image = cv2.circle(image, (180, 250), 30, (200, 200, 200), -1)
    assert find_contact_area(image, GEL).center == pytest.approx((180, 250), abs=2)
    noise = np.random.default_rng(0).integers(-8, 9, GEL.shape)
    assert find_contact_area((GEL + noise).astype(np.uint8), GEL) is None


def test_a_simulated_touch_is_found_where_it_presses() -> None:
    errors_px, pressed = [], 0
    for seed in range(4):
        simulation = TouchSimulation("gelsight_mini", seed=seed, rate_hz=15)
        background = simulation.background()
        for sample in (simulation.step() for _ in range(40)):
            if sample.force_n[2] < 1.0:
                continue
            pressed += 1
            if (area := find_contact_area(sample.image, background)) is None:
                continue
            pressure = sample.normal_stress_pa
            rows, columns = np.nonzero(pressure > 0.1 * pressure.max())
            middle = 2 * np.array((columns.mean(), rows.mean()))
            errors_px.append(np.hypot(*(middle - area.center)))
    assert len(errors_px) > max(20, 0.8 * pressed) and np.median(errors_px) < 30


def _estimate(**known: object) -> Estimate:
    return Estimate("thumb", 7, valid=True, in_contact=True, **known)


def test_markers_lie_in_the_gel_frame() -> None:
    area = ContactArea((119.5 + 50, 159.5 + 20), (30.0, 10.0), math.pi / 2)
    estimate = _estimate(force_n=np.array([1.0, -2.0, 4.0]), slip_probability=0.25)
    message = contact_to_msg(estimate, area, METRES_PER_PIXEL, "thumb_gel_frame")
    by_type = {marker.type: marker for marker in message.markers}
    assert len(by_type) == len(message.markers) == 3
    ellipse, arrow = by_type[Marker.CYLINDER], by_type[Marker.ARROW]
    text = by_type[Marker.TEXT_VIEW_FACING]
    place = ellipse.pose.position
    assert (place.x, place.y, place.z) == pytest.approx((5e-3, -2e-3, 0.0))
    assert (ellipse.scale.x, ellipse.scale.y) == pytest.approx((6e-3, 2e-3))
    assert ellipse.pose.orientation.z == pytest.approx(-math.sqrt(0.5))
    start, end = arrow.points
    vector = np.array((end.x - start.x, end.y - start.y, end.z - start.z)) / METRES_PER_NEWTON
    np.testing.assert_allclose(vector, (1.0, -2.0, 4.0))
    assert text.text == "4.6 N, holding, slip 25 %"
    assert len({marker.id for marker in message.markers}) == 3
    for marker in message.markers:
        assert marker.header.frame_id == "thumb_gel_frame" and marker.lifetime.nanosec > 0


def test_slip_is_red() -> None:
    area = ContactArea((100.0, 100.0), (30.0, 10.0), 0.0)
    holds, slips = (
        contact_to_msg(_estimate(slipping=slipping), area, METRES_PER_PIXEL, "gel").markers[1]
        for slipping in (False, True)
    )
    assert holds.color.g > holds.color.r and slips.color.r > slips.color.g


@pytest.mark.parametrize(
    "estimate",
    [
        Estimate("thumb", 0),
        Estimate("thumb", 0, valid=True),
        Estimate("thumb", 0, valid=True, in_contact=False, force_n=np.ones(3)),
    ],
)
def test_what_is_not_known_to_touch_removes_the_markers(estimate: Estimate) -> None:
    (marker,) = contact_to_msg(estimate, None, METRES_PER_PIXEL, "gel").markers
    assert marker.action == Marker.DELETEALL


def test_an_unknown_force_is_no_arrow() -> None:
    markers = contact_to_msg(_estimate(), None, METRES_PER_PIXEL, "gel").markers
    assert [marker.type for marker in markers] == [Marker.TEXT_VIEW_FACING]
