# SPDX-License-Identifier: Apache-2.0
"""Which topics belong to which sensor."""

from __future__ import annotations

import pytest

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bags import Topic
from sparsh_ros.recordings.topics import find_sensors

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
WRENCH = "geometry_msgs/msg/WrenchStamped"
SLIP = "sparsh_ros/msg/Slip"
POSE = "geometry_msgs/msg/PoseWithCovarianceStamped"
CHANGE = "sparsh_ros/msg/PoseChange"


def topics(**named: str) -> list[Topic]:
    """Topics of ten messages each; `left__force` stands for /left/force."""
    return [Topic("/" + name.replace("__", "/"), kind, 10) for name, kind in named.items()]


LIVE = {
    "image_raw": IMAGE,
    "background": IMAGE,
    "image_diff": IMAGE,
    "overlay": IMAGE,
    "force": WRENCH,
    "slip": SLIP,
    "pose": POSE,
    "pose_change": CHANGE,
}
TRUTH = {"ground_truth__force": WRENCH, "ground_truth__slip": SLIP, "ground_truth__pose": POSE}


def below(prefix: str, kinds: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}__{name}": kind for name, kind in kinds.items()}


def test_a_live_recording_with_truth() -> None:
    (sensor,) = find_sensors(topics(**below("tactile", LIVE | TRUTH)))
    assert (sensor.name, sensor.prefix) == ("tactile", "/tactile")
    assert sensor.image == "/tactile/image_raw" and sensor.background == "/tactile/background"
    assert (sensor.force, sensor.slip, sensor.pose, sensor.pose_change) == (
        "/tactile/ground_truth/force",
        "/tactile/ground_truth/slip",
        "/tactile/ground_truth/pose",
        "",
    )
    assert sensor.notes == ()


def test_labels_below_truth_are_found_unless_there_is_ground_truth() -> None:
    kinds = below("left", {"image_raw": IMAGE, "truth__force": WRENCH, "other__force": WRENCH})
    (sensor,) = find_sensors(topics(**kinds))
    assert sensor.force == "/left/truth/force" and not any("force" in note for note in sensor.notes)
    (sensor,) = find_sensors(topics(**kinds, left__ground_truth__force=WRENCH))
    assert sensor.force == "/left/ground_truth/force"


def test_estimates_of_an_earlier_run_are_no_labels() -> None:
    (sensor,) = find_sensors(topics(**below("tactile", LIVE)))
    assert (sensor.force, sensor.slip, sensor.pose, sensor.pose_change) == ("", "", "", "")


def test_the_only_topic_of_a_type_is_the_label() -> None:
    (sensor,) = find_sensors(topics(**below("tactile", LIVE), ft__wrench=WRENCH))
    assert sensor.force == "/ft/wrench"
    (note,) = sensor.notes  # whose frame nobody knows
    assert note.startswith("force: labels are those of /ft/wrench") and "gel frame" in note


def test_two_candidates_are_a_sentence() -> None:
    named = topics(**below("tactile", LIVE), ft__wrench=WRENCH, arm__wrench=WRENCH)
    (sensor,) = find_sensors(named)
    assert sensor.force == ""
    (note,) = sensor.notes
    assert "/ft/wrench" in note and "/arm/wrench" in note and "--force" in note


def test_each_of_several_sensors_has_its_own() -> None:
    named = {**below("tactile__left", LIVE | TRUTH), **below("tactile__right", LIVE | TRUTH)}
    left, right = find_sensors(topics(**named))
    assert (left.name, right.name) == ("left", "right")
    assert left.force == "/tactile/left/ground_truth/force"
    assert right.slip == "/tactile/right/ground_truth/slip"
    assert right.background == "/tactile/right/background"


def test_labels_below_the_prefix_need_no_special_name() -> None:
    named = topics(left__image=IMAGE, left__gauge=WRENCH, right__image=IMAGE, right__ft=WRENCH)
    assert [sensor.force for sensor in find_sensors(named)] == ["/left/gauge", "/right/ft"]


def test_two_sensors_with_one_label_are_a_sentence_each() -> None:
    named = topics(left__image_raw=IMAGE, right__image_raw=IMAGE, ft__wrench=WRENCH)
    for sensor in find_sensors(named):
        assert sensor.force == ""
        (note,) = sensor.notes
        assert "/ft/wrench" in note and "/left/image_raw, /right/image_raw" in note
    (sensor,) = find_sensors(named, image=["/right/image_raw"])
    assert sensor.force == "/ft/wrench"


def test_two_images_of_one_prefix_share_no_labels() -> None:
    named = topics(hand__a=IMAGE, hand__b=IMAGE, **below("hand", TRUTH))
    first, second = find_sensors(named)
    assert (first.name, second.name) == ("hand/a", "hand/b")
    assert first.force == second.force == "" and len(first.notes) == 3


def test_a_raw_image_is_preferred_to_the_compressed_one() -> None:
    named = {
        "tactile__image_raw__compressed": COMPRESSED,
        "tactile__background__compressed": COMPRESSED,
    }
    (sensor,) = find_sensors(topics(**named, **below("tactile", TRUTH)))
    assert (sensor.name, sensor.image) == ("tactile", "/tactile/image_raw/compressed")
    assert sensor.background == "/tactile/background/compressed"
    assert sensor.force == "/tactile/ground_truth/force"
    (sensor,) = find_sensors(topics(**named, **below("tactile", LIVE)))
    assert sensor.image == "/tactile/image_raw" and sensor.background == "/tactile/background"


def test_an_image_at_the_root() -> None:
    (sensor,) = find_sensors(topics(image_raw=IMAGE, ground_truth__force=WRENCH))
    assert (sensor.name, sensor.prefix, sensor.force) == ("image_raw", "", "/ground_truth/force")


def test_names_that_are_given_win() -> None:
    named = topics(**below("tactile", LIVE | TRUTH), ft__wrench=WRENCH, empty=IMAGE)
    (sensor,) = find_sensors(named, force=["/ft/wrench"], background=["/empty"])
    assert sensor.force == "/ft/wrench" and sensor.background == "/empty"
    assert sensor.notes == ()
    left, right = find_sensors(
        topics(a=IMAGE, b=IMAGE, c=WRENCH, d=WRENCH), image=["/b", "/a"], force=["/c", "/d"]
    )
    assert [(left.image, left.force), (right.image, right.force)] == [("/b", "/c"), ("/a", "/d")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": ["/no"]}, r"wanted the topic /no, found .*/tactile/image_raw"),
        ({"image": ["/tactile/force"]}, rf"/tactile/force: wanted messages of type {IMAGE}"),
        ({"image": ["/tactile/image_raw"] * 2}, r"each topic once, found /tactile/image_raw twice"),
        ({"slip": ["/tactile/force"]}, rf"wanted messages of type {SLIP}, found {WRENCH}"),
        ({"force": ["/tactile/force", "/tactile/force"]}, r"each of 1 sensors .*found 2"),
    ],
)
def test_names_that_cannot_be_used_are_explained(given: dict, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        find_sensors(topics(**below("tactile", LIVE)), **given)


@pytest.mark.parametrize(
    "named",
    [[], topics(ft__wrench=WRENCH), topics(tactile__background=IMAGE), [Topic("/a", IMAGE, 0)]],
)
def test_a_bag_without_images_is_explained(named: list[Topic]) -> None:
    with pytest.raises(RecordingError, match=f"wanted images .*{IMAGE}.*found"):
        find_sensors(named)
