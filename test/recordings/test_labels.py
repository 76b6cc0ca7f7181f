# SPDX-License-Identifier: Apache-2.0
"""What a bag says, in this package's own types."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import open_bag
from sparsh_ros.recordings.formats.definitions import decoder, known_types
from sparsh_ros.recordings.labels import Event, PoseChangeLabel, read_events
from sparsh_ros.recordings.topics import find_sensors

PICTURE = np.random.default_rng(0).integers(0, 255, (8, 6, 3), np.uint8)


def read(path: Path) -> tuple[list[Event], list[str]]:
    """All events of a bag, and its warnings."""
    with open_bag(path) as bag:
        events = list(read_events(bag, find_sensors(bag.topics)))
        return events, bag.warnings


def make(type_name: str, **fields: object) -> object:
    return known_types().types[type_name](**fields)


def header(seconds: int) -> object:
    stamp = make("builtin_interfaces/msg/Time", sec=seconds, nanosec=5)
    return make("std_msgs/msg/Header", stamp=stamp, frame_id="")


def raw(bag: BagWriter, topic: str, log_time_ns: int, message: object) -> None:
    """Write a message of any type."""
    type_name = message.__msgtype__
    bag.raw(topic, type_name, log_time_ns, bytes(known_types().serialize_cdr(message, type_name)))


def image(encoding: str, data: np.ndarray, width: int, step: int, height: int = 8) -> object:
    return make(
        "sensor_msgs/msg/Image",
        header=header(1),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=step,
        data=np.ascontiguousarray(data).ravel(),
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/background", 1, PICTURE, "camera")
        bag.image("/t/image_raw", 2, PICTURE[::-1], "camera")
        bag.wrench("/t/ground_truth/force", 3, np.array([0.25, -1, 2]), "gel")
        bag.slip("/t/ground_truth/slip", 4, True, False, "gel")
        bag.pose("/t/ground_truth/pose", 5, np.array([1e-3, -2e-3, -3.0]), "gel")
        bag.pose("/t/ground_truth/pose", 6, np.full(3, math.nan), "gel")
        bag.pose_change("/t/ground_truth/pose_change", 7, 5 / 60, np.array([1e-3, 0, 0.1]), "gel")
    assert "durability: 1" in (tmp_path / "bag" / "metadata.yaml").read_text()  # latched
    events, warnings = read(tmp_path / "bag")
    assert warnings == [] and {event.sensor for event in events} == {"t"}
    assert [(event.type, event.stamp_ns) for event in events] == [
        ("background", 1),
        ("frame", 2),
        ("force", 3),
        ("slip", 4),
        ("pose", 5),
        ("pose", 6),
        ("pose_change", 7),
    ]
    background, frame, force, slip, pose, unknown, change = (event.value for event in events)
    assert np.array_equal(background, PICTURE) and np.array_equal(frame, PICTURE[::-1])
    assert force.tolist() == [0.25, -1, 2] and slip[:2] == (True, False)
    assert pose == pytest.approx([1e-3, -2e-3, -3.0, 1]) and np.isnan(unknown).all()
    assert isinstance(change, PoseChangeLabel) and change.interval_s == pytest.approx(5 / 60)
    assert change.change.tolist() == [1e-3, 0, 0.1]


def test_an_empty_background_says_that_there_is_none(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "camera")
        bag.image("/t/background", 2, np.empty((0, 0, 3), np.uint8), "camera")
        bag.image("/t/background", 3, PICTURE, "camera")
    events, warnings = read(tmp_path / "bag")
    assert warnings == []
    backgrounds = [event.value for event in events if event.type == "background"]
    assert backgrounds[0] is None and np.array_equal(backgrounds[1], PICTURE)


def test_jpeg_images_are_those_that_were_compressed(tmp_path: Path) -> None:
    smooth = cv2.resize(PICTURE, (240, 320), interpolation=cv2.INTER_CUBIC)
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw/compressed", 1, smooth, "camera", jpeg_quality=95)
        png = cv2.imencode(".png", PICTURE)[1].tobytes()  # as if RGB were BGR
        bag.compressed("/t/image_raw/compressed", 2, png, "camera")
        bag.compressed("/t/image_raw/compressed", 3, png, "camera", swapped=True)
    (jpeg, exchanged, restored), _ = read(tmp_path / "bag")
    assert np.abs(jpeg.value.astype(int) - smooth).max() < 40
    assert np.array_equal(exchanged.value, PICTURE[..., ::-1])
    assert np.array_equal(restored.value, PICTURE)


def test_raw_encodings(tmp_path: Path) -> None:
    bgr = PICTURE[..., ::-1]
    alpha = np.full((8, 6, 1), 9, np.uint8)
    grey = PICTURE[..., 0]
    padded = np.zeros((8, 20), np.uint8)
    padded[:, :18] = PICTURE.reshape(8, 18)
    flat = np.full((8, 6, 2), 128, np.uint8)
    flat[..., 0] = 200  # brightness first in YUY2, colourless
    given = {
        "rgb8": (padded, 20, PICTURE),
        "bgr8": (bgr, 18, PICTURE),
        "8UC3": (bgr, 18, PICTURE),
        "rgba8": (np.concatenate([PICTURE, alpha], 2), 24, PICTURE),
        "bgra8": (np.concatenate([bgr, alpha], 2), 24, PICTURE),
        "mono8": (grey, 6, np.repeat(grey[..., None], 3, 2)),
        "8UC1": (grey, 6, np.repeat(grey[..., None], 3, 2)),
        "yuyv": (flat, 12, None),
        "yuv422_yuy2": (flat, 12, None),
        "uyvy": (flat[..., ::-1], 12, None),
        "yuv422": (flat[..., ::-1], 12, None),
    }
    with BagWriter(tmp_path / "bag") as bag:
        for time, (encoding, (data, step, _)) in enumerate(given.items()):
            raw(bag, "/t/image_raw", time, image(encoding, data, 6, step))
    events, warnings = read(tmp_path / "bag")
    assert warnings == [] and len(events) == len(given)
    for event, (encoding, (_, _, wanted)) in zip(events, given.items(), strict=True):
        assert event.value.shape == (8, 6, 3) and event.value.dtype == np.uint8, encoding
        if wanted is None:
            assert np.ptp(event.value) <= 1 and event.value.mean() > 190, encoding
        else:
            assert np.array_equal(event.value, wanted), encoding


def test_other_types_of_labels(tmp_path: Path) -> None:
    vector = make("geometry_msgs/msg/Vector3", x=1.0, y=2.0, z=3.0)
    position = make("geometry_msgs/msg/Point", x=0.5, y=0.25, z=9.0)
    turned = make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=math.sin(0.4), w=math.cos(0.4))
    pose = make("geometry_msgs/msg/Pose", position=position, orientation=turned)
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "")
        raw(bag, "/ft", 77, make("geometry_msgs/msg/Wrench", force=vector, torque=vector))
        stamped = make("geometry_msgs/msg/PoseStamped", header=header(3), pose=pose)
        raw(bag, "/tracker", 78, stamped)
    (_, force, tracked), _ = read(tmp_path / "bag")
    # Where a message has no stamp, the time at which it was heard counts.
    assert (force.type, force.stamp_ns, force.value.tolist()) == ("force", 77, [1, 2, 3])
    assert (tracked.type, tracked.stamp_ns) == ("pose", 3_000_000_005)
    assert tracked.value == pytest.approx([0.5, 0.25, 0.8, 1])


def test_messages_that_know_nothing_say_nothing(tmp_path: Path) -> None:
    unknown = make("geometry_msgs/msg/Vector3", x=math.nan, y=math.nan, z=math.nan)
    interval = make("builtin_interfaces/msg/Duration", sec=0, nanosec=0)
    slip = make(
        "sparsh_ros/msg/Slip",
        header=header(1),
        **dict.fromkeys(("valid", "contact_known", "in_contact", "slipping"), False),
        **dict.fromkeys(("probability", "threshold"), math.nan),
        **dict.fromkeys(("slide_speed", "slip_share", "friction_margin"), math.nan),
        **dict.fromkeys(("slide_speed_variance", "slip_share_variance"), math.nan),
        friction_margin_variance=math.nan,
        delta_force=unknown,
        delta_force_covariance=np.zeros(9),
        interval=interval,
    )
    change = make(
        "sparsh_ros/msg/PoseChange",
        header=header(1),
        **dict.fromkeys(("valid", "dx_known", "dy_known", "dtheta_known"), False),
        **dict.fromkeys(("dx", "dy", "dtheta"), math.nan),
        interval=interval,
        covariance=np.zeros(9),
    )
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "")
        raw(bag, "/t/ground_truth/slip", 2, slip)
        raw(bag, "/t/ground_truth/pose_change", 3, change)
    events, warnings = read(tmp_path / "bag")
    assert [event.type for event in events] == ["frame"] and warnings == []


def test_messages_that_cannot_be_decoded_are_counted(tmp_path: Path) -> None:
    wrench = "geometry_msgs/msg/WrenchStamped"
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "")
        raw(bag, "/t/image_raw", 2, image("16UC1", PICTURE, 6, 18))
        raw(bag, "/t/image_raw", 3, image("rgb8", PICTURE[:4], 6, 18))
        raw(bag, "/t/image_raw", 3, image("rgb8", PICTURE[:0], 6, 18, height=0))
        bag.image("/t/image_raw", 4, PICTURE, "")
        bag.raw("/t/ground_truth/force", wrench, 5, b"\x00\x01\x00\x00")
        bag.compressed("/u/image_raw/compressed", 6, b"\xff\xd8 no image", "")
    events, warnings = read(tmp_path / "bag")
    assert [(event.type, event.stamp_ns) for event in events] == [("frame", 1), ("frame", 4)]
    images, forces, compressed = warnings
    assert images.startswith("/t/image_raw: 3 messages could not be decoded") and "16UC1" in images
    assert forces.startswith("/t/ground_truth/force: 1 messages") and wrench in forces
    assert compressed.startswith("/u/image_raw/compressed: 1 messages")


def test_a_clock_that_steps_back_is_told(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        for log_time_ns, seconds in enumerate((10, 11, 4, 5, 6)):
            message = image("rgb8", PICTURE, 6, 18)
            message.header.stamp.sec = seconds
            raw(bag, "/t/image_raw", log_time_ns, message)
    events, warnings = read(tmp_path / "bag")
    assert [event.stamp_ns // 10**9 for event in events] == [10, 11, 4, 5, 6]
    assert warnings == ["/t/image_raw: the stamps step back 1 time, by up to 7.000 s"]


def test_labels_of_an_earlier_version_are_read(tmp_path: Path, monkeypatch) -> None:
    """As if this version had one more field than the one that recorded."""
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "")
        bag.slip("/t/ground_truth/slip", 3, True, True, "")
    known = dict(known_types().fielddefs)
    constants, fields = known["sparsh_ros/msg/Slip"]
    known["sparsh_ros/msg/Slip"] = (constants, [("new", fields[1][1]), *fields])
    monkeypatch.setattr(known_types(), "fielddefs", known)
    decoder.cache_clear()
    events, warnings = read(tmp_path / "bag")
    decoder.cache_clear()
    assert [event.type for event in events] == ["frame", "slip"] and warnings == []
    assert events[1].value[:2] == (True, True)


def test_labels_of_another_version_cost_only_themselves(tmp_path: Path, monkeypatch) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "")
        bag.wrench("/t/ground_truth/force", 2, np.zeros(3), "")
        bag.slip("/t/ground_truth/slip", 3, True, True, "")
    # As if this version had another Slip than the one that recorded.
    known = dict(known_types().fielddefs)
    constants, fields = known["sparsh_ros/msg/Slip"]
    known["sparsh_ros/msg/Slip"] = (constants, fields[:-1])
    monkeypatch.setattr(known_types(), "fielddefs", known)
    decoder.cache_clear()
    events, (warning,) = read(tmp_path / "bag")
    decoder.cache_clear()
    assert [event.type for event in events] == ["frame", "force"]
    assert "/t/ground_truth/slip" in warning and "another version" in warning


def test_a_rotation_that_the_print_does_not_show_is_marked(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/t/image_raw", 1, PICTURE, "")
        bag.pose("/t/ground_truth/pose", 2, np.zeros(3), "", rotation_shown=False)
        bag.pose("/t/ground_truth/pose", 3, np.zeros(3), "")
    events, _ = read(tmp_path / "bag")
    assert [event.value[3] for event in events[1:]] == [0, 1]
