# SPDX-License-Identifier: Apache-2.0
"""The contact as markers for RViz and Foxglove: its area, the force, and whether it slips."""

from __future__ import annotations

import math

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.contact_area import ContactArea
from sparsh_ros.perception.postprocess import Estimate

METRES_PER_NEWTON = 0.002
"""Length of the arrow."""

_HOLDING = ColorRGBA(r=0.15, g=0.75, b=0.35, a=0.9)
_SLIPPING = ColorRGBA(r=0.9, g=0.2, b=0.15, a=0.9)
_WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
_THICKNESS_M = 0.0005
_SHAFT_M, _HEAD_M, _TEXT_M = 0.001, 0.002, 0.003
# A viewer drops what is not renewed: nothing stands after the estimates have ended.
_LIFETIME = Duration(nanosec=500_000_000)


def contact_to_msg(
    estimate: Estimate, area: ContactArea | None, metres_per_pixel: float, frame_id: str
) -> MarkerArray:
    """Markers in the gel frame; the former ones are removed where nothing is known to touch.

    Args:
        estimate: What is known.
        area: Where the contact is; None: not known, then the middle of the gel stands for it.
        metres_per_pixel: Of gel in the canonical image.
        frame_id: Name of the gel frame.
    """
    header = conversions.header(estimate.stamp_ns, frame_id)
    if not (estimate.valid and estimate.in_contact):
        return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    center = _center(area, metres_per_pixel)
    color = _SLIPPING if estimate.slipping else _HOLDING
    markers = [_text(estimate, center)]
    if area is not None:
        markers.append(_ellipse(area, center, metres_per_pixel, color))
    if np.isfinite(estimate.force_n).all():
        markers.append(_arrow(estimate.force_n, center, color))
    for number, marker in enumerate(markers):
        marker.header, marker.ns, marker.lifetime = header, "contact", _LIFETIME
        marker.id = number
    return MarkerArray(markers=markers)


def _center(area: ContactArea | None, metres_per_pixel: float) -> Point:
    """The middle of the contact in the gel frame, whose y points up in the image."""
    if area is None:
        return Point()
    column, row = area.center
    return Point(
        x=(column - (IMAGE_WIDTH - 1) / 2) * metres_per_pixel,
        y=((IMAGE_HEIGHT - 1) / 2 - row) * metres_per_pixel,
    )


def _ellipse(area: ContactArea, center: Point, metres_per_pixel: float, color: ColorRGBA) -> Marker:
    marker = Marker(type=Marker.CYLINDER, color=color)
    marker.pose.position = center
    marker.pose.orientation = conversions.yaw_to_quaternion(-area.angle)
    long, short = (2 * radius * metres_per_pixel for radius in area.radii)
    marker.scale = Vector3(x=long, y=short, z=_THICKNESS_M)
    return marker


def _arrow(force_n: np.ndarray, center: Point, color: ColorRGBA) -> Marker:
    x, y, z = (float(value) * METRES_PER_NEWTON for value in force_n)
    marker = Marker(type=Marker.ARROW, color=color)
    marker.pose.orientation.w = 1.0
    marker.points = [center, Point(x=center.x + x, y=center.y + y, z=center.z + z)]
    marker.scale = Vector3(x=_SHAFT_M, y=_HEAD_M, z=0.0)
    return marker


def _text(estimate: Estimate, center: Point) -> Marker:
    marker = Marker(type=Marker.TEXT_VIEW_FACING, color=_WHITE, text=contact_text(estimate))
    # Below the contact: the arrow points up in most views.
    marker.pose.position = Point(x=center.x, y=center.y - 2 * _TEXT_M, z=_TEXT_M)
    marker.pose.orientation.w = 1.0
    marker.scale.z = _TEXT_M
    return marker


def contact_text(estimate: Estimate) -> str:
    """Force and slip in a few words, without what is not known."""
    words = []
    if np.isfinite(estimate.force_n).all():
        words.append(f"{float(np.linalg.norm(estimate.force_n)):.1f} N")
    if math.isfinite(estimate.slip_probability):
        state = "slipping" if estimate.slipping else "holding"
        words.append(f"{state}, slip {100 * estimate.slip_probability:.0f} %")
    return ", ".join(words)
