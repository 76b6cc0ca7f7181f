# SPDX-License-Identifier: Apache-2.0
"""Between this package\'s own types and ROS messages: images, stamps, forces and poses.

Numbers that are not known are NaN in every message, never 0.
"""

from __future__ import annotations

import math
from array import array

import cv2
import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import PoseWithCovarianceStamped, Quaternion, Vector3, WrenchStamped
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from transforms3d.euler import quat2euler
from transforms3d.quaternions import axangle2quat

_NANOSECONDS = 1_000_000_000


def stamp_to_msg(stamp_ns: int) -> Time:
    """Nanoseconds since the epoch as a ROS time."""
    seconds, nanoseconds = divmod(stamp_ns, _NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def msg_to_stamp(stamp: Time) -> int:
    """A ROS time as nanoseconds since the epoch."""
    return stamp.sec * _NANOSECONDS + stamp.nanosec


def interval_to_msg(interval_s: float) -> Duration:
    """Seconds as a ROS duration; unknown (NaN) becomes 0."""
    nanoseconds = 0 if math.isnan(interval_s) else round(interval_s * 1e9)
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return Duration(sec=seconds, nanosec=rest)


def msg_to_interval(duration: Duration) -> float:
    """A ROS duration in seconds."""
    return duration.sec + duration.nanosec * 1e-9


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header from nanoseconds and the name of a frame."""
    return Header(stamp=stamp_to_msg(stamp_ns), frame_id=frame_id)


def bytes_to_array(data: np.ndarray) -> array:
    """The bytes of an array in the one type that a `uint8[]` field takes by plain copy."""
    filled = array("B")
    filled.frombytes(memoryview(np.ascontiguousarray(data)).cast("B"))
    return filled


def image_to_msg(image: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """A uint8 RGB image (height, width, 3) as an `rgb8` message."""
    return _pixels_to_msg(image, "rgb8", stamp_ns, frame_id)


FIELD_SHAPE = (80, 60)
"""Rows and columns of a published force field: 57,600 bytes, which one datagram carries. In full,
922 kB, half of them are lost over Fast DDS as it comes. The encoders' patches are no finer."""


def field_to_msg(values: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """A force field (height, width, 3) float32 as a `32FC3` message of `FIELD_SHAPE`.

    Each value is the mean over its part of the field; units stay those of the field.
    """
    values = cv2.resize(values, FIELD_SHAPE[::-1], interpolation=cv2.INTER_AREA)
    return _pixels_to_msg(values.astype("<f4", copy=False), "32FC3", stamp_ns, frame_id)


def _pixels_to_msg(pixels: np.ndarray, encoding: str, stamp_ns: int, frame_id: str) -> Image:
    height, width, channels = pixels.shape
    return Image(
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        step=width * channels * pixels.itemsize,
        data=bytes_to_array(pixels),
    )


def image_to_jpeg_msg(
    image: np.ndarray, stamp_ns: int, frame_id: str, quality: int
) -> CompressedImage:
    """A uint8 RGB image as a JPEG of the given quality (1 to 100)."""
    encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )[1]
    return CompressedImage(
        header=header(stamp_ns, frame_id),
        format="rgb8; jpeg compressed bgr8",
        data=bytes_to_array(encoded),
    )


def vector_to_msg(values: np.ndarray) -> Vector3:
    """Three numbers as a vector."""
    x, y, z = (float(value) for value in values)
    return Vector3(x=x, y=y, z=z)


def force_to_msg(force_n: np.ndarray, stamp_ns: int, frame_id: str) -> WrenchStamped:
    """Force of the world on the gel, N (3,), as a wrench; the torque is not estimated: NaN."""
    message = WrenchStamped(header=header(stamp_ns, frame_id))
    force, torque = message.wrench.force, message.wrench.torque
    force.x, force.y, force.z = (float(value) for value in force_n)
    torque.x = torque.y = torque.z = math.nan
    return message


def yaw_to_quaternion(yaw: float) -> Quaternion:
    """A rotation about z by `yaw` radians; NaN in, NaN out."""
    if math.isnan(yaw):
        return Quaternion(x=yaw, y=yaw, z=yaw, w=yaw)
    w, x, y, z = (float(value) for value in axangle2quat((0, 0, 1), yaw))
    return Quaternion(x=x, y=y, z=z, w=w)


def quaternion_to_yaw(rotation: Quaternion) -> float:
    """The angle about z, rad, -pi to pi, of a rotation about z; NaN where it is unknown."""
    values = (rotation.w, rotation.x, rotation.y, rotation.z)
    return math.nan if any(map(math.isnan, values)) else float(quat2euler(values)[2])


def pose_to_msg(
    pose: np.ndarray, covariance: np.ndarray, stamp_ns: int, frame_id: str
) -> PoseWithCovarianceStamped:
    """A planar pose (x m, y m, yaw rad) and its 3x3 covariance as a pose in the gel's plane.

    The pose lies in that plane by definition, so height and tilts are 0; how far the object really
    is from it is not estimated: their covariances are NaN. An unknown pose is NaN throughout.
    """
    message = PoseWithCovarianceStamped(header=header(stamp_ns, frame_id))
    placed = message.pose.pose
    placed.position.x, placed.position.y = float(pose[0]), float(pose[1])
    placed.position.z = math.nan if math.isnan(pose[0]) else 0.0
    placed.orientation = yaw_to_quaternion(float(pose[2]))
    full = np.full((6, 6), math.nan)
    full[np.ix_((0, 1, 5), (0, 1, 5))] = covariance
    message.pose.covariance = full.ravel()
    return message
