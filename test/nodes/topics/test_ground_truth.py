# SPDX-License-Identifier: Apache-2.0
"""What a simulated sensor publishes of the truth."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from rclpy.node import Node

from sparsh_ros.nodes.topics.ground_truth import GroundTruthPublisher
from sparsh_ros.simulation.simulation import TouchSample


class Recorder:
    """Stands in for the publishers of a node."""

    def __init__(self, node: Node) -> None:
        self.published: dict[str, list] = {}
        node.create_publisher = self._create

    def _create(self, _kind: type, topic: str, _qos: object, **_: object) -> Recorder:
        self.published[topic] = heard = []
        publisher = type("Publisher", (), {"publish": staticmethod(heard.append)})
        return publisher()


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node("truth_teller", context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


def _sample(x_mm: float | None, slip_share: float = 0.0) -> TouchSample:
    touched = x_mm is not None
    field = np.zeros((160, 120), np.float32)
    return TouchSample(
        time_s=0.0,
        image=np.zeros((320, 240, 3), np.uint8),
        force_n=np.array([0.1, 0.2, 1.0]) if touched else np.zeros(3),
        in_contact=touched,
        slide_speed_m_s=0.01 * slip_share,
        slipping=slip_share > 0.9,
        gross_slip=slip_share > 0.9,
        slip_share=slip_share,
        friction_margin=1.0 - slip_share,
        pose=np.array([x_mm * 1e-3, 0.0, 0.5]) if touched else np.full(3, np.nan),
        print_anisotropy=0.5,
        print_angle=0.1,
        normal_stress_pa=field,
        shear_stress_pa=np.stack([field, field]),
        skin_stretch_mm=np.stack([field, field]),
    )


def test_motion_counts_from_the_beginning_of_each_contact(node: Node) -> None:
    recorder = Recorder(node)
    truth = GroundTruthPublisher(node, "", "thumb_gel_frame")
    for stamp_ns, x_mm in enumerate((None, 2.0, 3.0, None, 7.0, 6.5)):
        truth.publish(stamp_ns, _sample(x_mm))
    moved_mm = [1e3 * m.pose.pose.position.x for m in recorder.published["ground_truth/pose"]]
    np.testing.assert_allclose(moved_mm, [np.nan, 0.0, 1.0, np.nan, 0.0, -0.5], atol=1e-9)


def test_slip_carries_the_share_that_slides(node: Node) -> None:
    recorder = Recorder(node)
    truth = GroundTruthPublisher(node, "left/", "left_gel_frame")
    truth.publish(5, _sample(1.0, slip_share=0.4))
    truth.publish(6, _sample(1.0, slip_share=1.0))
    incipient, gross = recorder.published["left/ground_truth/slip"]
    assert incipient.slip_share == pytest.approx(0.4) and not incipient.slipping
    assert gross.slip_share == pytest.approx(1.0) and gross.slipping and gross.probability == 1.0
    assert incipient.slide_speed == pytest.approx(0.004) and incipient.contact_known
    assert incipient.friction_margin == pytest.approx(0.6) and incipient.probability == 0.0
    assert incipient.valid and incipient.header.frame_id == "left_gel_frame"
    assert math.isnan(incipient.threshold)
    assert incipient.header.stamp.nanosec == 5
