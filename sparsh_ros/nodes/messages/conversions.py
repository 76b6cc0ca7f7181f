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

from sparsh_ros.errors import FrameError

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


def field_to_msg(values: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """Three float32 values per pixel (height, width, 3) as a `32FC3` message."""
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


def msg_to_image(message: Image) -> np.ndarray:
    """A colour image message as a uint8 RGB array (height, width, 3).

    Raises:
        FrameError: the encoding is not rgb8 or bgr8, or the data do not fill the stated size.
    """
    if message.encoding not in ("rgb8", "bgr8"):
        raise FrameError(f"image message: wanted encoding rgb8 or bgr8, found {message.encoding!r}")
    row = 3 * message.width
    found = len(message.data)
    if message.step < row or found != message.step * message.height:
        raise FrameError(
            f"image message: wanted {message.height} rows of at least {row} bytes, found {found} "
            f"bytes in rows of {message.step}"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    image = rows[:, :row].reshape(message.height, message.width, 3)
    return image if message.encoding == "rgb8" else np.ascontiguousarray(image[:, :, ::-1])


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
    unknown = math.nan if math.isnan(yaw) else 0.0
    return Quaternion(x=unknown, y=unknown, z=math.sin(yaw / 2), w=math.cos(yaw / 2))


def quaternion_to_yaw(rotation: Quaternion) -> float:
    """The angle about z, rad, of a rotation about z."""
    return 2 * math.atan2(rotation.z, rotation.w)


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
