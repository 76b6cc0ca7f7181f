# SPDX-License-Identifier: Apache-2.0
"""The whole graph in its own processes, without torch, heard by an outside subscriber."""

from __future__ import annotations

import math
from itertools import groupby

import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from sparsh_ros.msg import PoseChange, Slip

MOST_ATTEMPTS = 500
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ESTIMATES = {
    "force": WrenchStamped,
    "slip": Slip,
    "pose_change": PoseChange,
    "pose": PoseWithCovarianceStamped,
    "ground_truth/force": WrenchStamped,
    "ground_truth/slip": Slip,
    "ground_truth/pose": PoseWithCovarianceStamped,
}


@pytest.fixture(scope="module")
def heard(outsider, start_graph) -> dict[str, list]:
    """Messages by topic of a simulated DIGIT, from the first one on."""

    def listen(topic: str, kind: type) -> list:
        return outsider.listen(kind, f"/tactile/{topic}", 100)

    start_graph(fps="30", seed="5", listeners="2")
    messages = {topic: listen(topic, kind) for topic, kind in ESTIMATES.items()}
    messages["background"] = outsider.listen(Image, "/tactile/background", LATCHED)
    outsider.wait_for(
        lambda: all(outsider.node.count_publishers(f"/tactile/{topic}") for topic in messages),
        "the topics",
    )
    # The sensor waits for its second listener.
    messages["image_raw"] = outsider.listen(Image, "/tactile/image_raw", 10)
    outsider.wait_for(
        lambda: any(math.isfinite(message.pose.pose.position.x) for message in messages["pose"]),
        "a pose",
    )
    # At first the sensor says that it has none yet.
    outsider.wait_for(lambda: any(image.data for image in messages["background"]), "the background")
    return messages


def test_all_estimates_carry_the_stamp_of_their_image(heard) -> None:
    images = {_stamp(message) for message in heard["image_raw"]}
    for topic in ("force", "slip", "pose_change", "pose"):
        # On a busy machine silence is told with the stamp of the frame before it once more.
        stamps = [stamp for stamp, _ in groupby(map(_stamp, heard[topic]))]
        assert stamps == sorted(set(stamps)), topic
        # The image before the first one heard may have been encoded as well.
        assert len(set(stamps) - images) <= 1, topic


def test_frame_ids(heard) -> None:
    for topic, messages in heard.items():
        is_image = topic in ("image_raw", "background")
        wanted = "digit_camera_optical_frame" if is_image else "digit_gel_frame"
        assert messages[0].header.frame_id == wanted, topic


def test_images_are_standard(heard) -> None:
    for topic in ("image_raw", "background"):
        image = heard[topic][-1]
        assert (image.height, image.width, image.encoding) == (320, 240, "rgb8")
        assert len(image.data) == 320 * 240 * 3


@pytest.mark.parametrize(
    ("topic", "reliability", "durability"),
    [
        ("image_raw", ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
        ("background", ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
        ("force", ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
        ("slip", ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
        ("pose_change", ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
        ("pose", ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    ],
)
def test_quality_of_service(heard, outsider, topic, reliability, durability) -> None:
    (publisher,) = outsider.node.get_publishers_info_by_topic(f"/tactile/{topic}")
    assert publisher.qos_profile.reliability == reliability
    assert publisher.qos_profile.durability == durability


def test_nothing_is_claimed_before_there_is_a_background_and_a_pair(heard) -> None:
    assert not heard["slip"][0].valid
    assert math.isnan(heard["slip"][0].probability)
    assert math.isnan(heard["force"][0].wrench.force.z)
    assert math.isnan(heard["pose"][0].pose.pose.position.x)


def test_numbers_that_nobody_estimates_are_nan(heard) -> None:
    torque = heard["force"][-1].wrench.torque
    assert all(map(math.isnan, (torque.x, torque.y, torque.z)))


def test_valid_estimates_are_in_range(heard) -> None:
    slips = [message for message in heard["slip"] if message.valid]
    assert slips
    for slip in slips:
        assert 0.0 <= slip.probability <= 1.0 and 0.0 < slip.threshold < 1.0
        assert slip.interval.nanosec == pytest.approx(83e6, abs=42e6)
        assert not slip.slipping or slip.probability >= slip.threshold
    forces = [message.wrench.force.z for message in heard["force"]]
    assert all(force >= 0.0 for force in forces if math.isfinite(force))


def test_truth_comes_with_every_image(heard) -> None:
    images = {_stamp(message) for message in heard["image_raw"]}
    truths = {_stamp(message) for message in heard["ground_truth/slip"]}
    assert len(images - truths) <= 1
    assert any(message.in_contact for message in heard["ground_truth/slip"])
    pressed = [message.wrench.force.z for message in heard["ground_truth/force"]]
    assert max(pressed) > 0.05


def test_compressed_images_exist_once_somebody_listens(heard, outsider) -> None:
    images = outsider.listen(CompressedImage, "/tactile/image_raw/compressed")
    outsider.wait_for(lambda: images, "a compressed image")
    assert bytes(images[0].data[:2]) == b"\xff\xd8"


def test_camera_info_comes_with_the_images_once_somebody_listens(heard, outsider) -> None:
    infos = outsider.listen(CameraInfo, "/tactile/camera_info")
    outsider.wait_for(lambda: infos, "camera_info")
    stamp = _stamp(infos[0])
    outsider.wait_for(
        lambda: any(_stamp(image) == stamp for image in heard["image_raw"]), "its image"
    )
    assert infos[0].header.frame_id == "digit_camera_optical_frame"


@pytest.mark.parametrize("topic", ["image_diff", "overlay"])
def test_pictures_exist_once_somebody_listens(heard, outsider, topic) -> None:
    images = outsider.listen(Image, f"/tactile/{topic}")
    outsider.wait_for(lambda: images, topic)
    assert (images[0].height, images[0].width) == (320, 240)


@pytest.mark.parametrize(
    ("node", "name", "value", "reason"),
    [
        ("sensor", "jpeg_quality", 500, "range"),
        ("sensor", "seed", 3, "unconfigured"),
        ("perception", "model", "other", "unconfigured"),
    ],
)
def test_bad_parameters_are_refused_with_a_reason(heard, outsider, node, name, value, reason):
    answer = _set_parameter(outsider, node, name, value)
    assert not answer.successful
    assert reason in answer.reason and name in answer.reason


def test_a_good_parameter_is_taken(heard, outsider) -> None:
    assert _set_parameter(outsider, "sensor", "jpeg_quality", 50).successful


def test_thresholds_change_at_run_time(heard, outsider) -> None:
    for threshold in (0.125, 0.75):
        assert _set_parameter(outsider, "perception", "slip_threshold", threshold).successful
        outsider.wait_for(
            lambda wanted=threshold: heard["slip"][-1].threshold == wanted, "the new threshold"
        )
    assert not _set_parameter(outsider, "perception", "slip_threshold", 1.5).successful
    assert _set_parameter(outsider, "perception", "slip_threshold", 0.0).successful


def test_parameters_are_described(heard, outsider) -> None:
    answer = outsider.call(
        DescribeParameters,
        "/tactile/sensor/describe_parameters",
        DescribeParameters.Request(names=["source", "fps"]),
    )
    source, rate = answer.descriptors
    assert "simulated" in source.description and not source.read_only
    assert rate.floating_point_range[0].to_value == 240.0


def test_an_image_of_the_wrong_form_costs_only_itself(heard, outsider) -> None:
    intruder = outsider.node.create_publisher(Image, "/tactile/image_raw", 1)
    odd = Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))
    strange = Image(height=320, width=240, encoding="32FC1", step=960, data=bytes(320 * 960))

    answered = []

    def is_refused() -> bool:
        report = outsider.diagnostics["tactile/perception: digit"]
        # Best effort: send them again with every report, until one speaks of them.
        if report not in answered:
            answered.append(report)
            intruder.publish(odd)
            intruder.publish(strange)
        return int(report["images refused"]) >= 2

    outsider.wait_for(is_refused, "two refused images")
    outsider.destroy(intruder)
    before = len(heard["slip"])
    outsider.wait_for(lambda: len(heard["slip"]) > before + 10, "slip after bad images")


def test_the_sensor_tells_its_health(heard, outsider) -> None:
    values = outsider.diagnostics["tactile/sensor: digit"]
    assert (values["state"], values["driver"], values["faults"]) == ("active", "simulated", "none")
    assert float(values["nominal rate (Hz)"]) == 30.0
    assert float(values["rate (Hz)"]) > 0.0 and float(values["frame age (s)"]) < 10.0
    assert 0.0 <= float(values["saturated (%)"]) <= 100.0
    assert values["background"]


def test_the_background_comes_from_the_sensor(heard, outsider) -> None:
    (publisher,) = outsider.node.get_publishers_info_by_topic("/tactile/background")
    assert (publisher.node_namespace, publisher.node_name) == ("/tactile", "sensor")


def test_every_frame_is_accounted_for(heard, outsider) -> None:
    values = outsider.diagnostics["tactile/perception: digit"]
    estimates = int(values["estimates published"])
    received, refused, replaced = (
        int(values[name]) for name in ("images received", "images refused", "frames replaced")
    )
    # One frame may wait and one be in the encoder.
    assert 0 <= received - refused - replaced - estimates <= 2


def test_capture_background_answers_and_publishes(heard, outsider) -> None:
    before = len(heard["background"])
    answers = []
    # The simulated touch is still only now and then.
    while not (answers and answers[-1].success) and len(answers) < MOST_ATTEMPTS:
        seen = len(heard["slip"])
        outsider.wait_for(lambda seen=seen: len(heard["slip"]) > seen, "the next frame")
        answers.append(outsider.call(Trigger, "/tactile/capture_background", Trigger.Request()))
    assert answers[-1].success
    outsider.wait_for(lambda: len(heard["background"]) > before, "the new background")
    for answer in answers:
        assert ("captured" if answer.success else "wanted") in answer.message


def _set_parameter(outsider, node: str, name: str, value: float | str):
    content = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(value))
    if isinstance(value, float):
        content = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    if isinstance(value, int):
        content = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=content)])
    answer = outsider.call(SetParameters, f"/tactile/{node}/set_parameters", request)
    return answer.results[0]


def _stamp(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
