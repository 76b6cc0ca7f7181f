# SPDX-License-Identifier: Apache-2.0
"""Writing rosbag2 recordings (MCAP) without ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.formats.checksums import add_chunk_checksums, add_index_checksum
from sparsh_ros.recordings.formats.definitions import known_types
from sparsh_ros.recordings.whole import refuse_existing
from sparsh_ros.sensors.images import encode_jpeg

START_NS = 1_000_000_000
"""Stamp of the first frame of what has no times: to ROS, time 0 means that there is no time yet."""

# Version 8 of metadata.yaml is read by every rosbag2; version 9 only by those since 2024.
_METADATA_VERSION = 8
_NANOSECONDS = 1_000_000_000
_PNG = b"\x89PNG"
_UNSPECIFIED = QosTime(0, 0)
# Of backgrounds, so that `ros2 bag play` sends them to whoever comes later too.
_LATCHED = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.TRANSIENT_LOCAL,
    deadline=_UNSPECIFIED,
    lifespan=_UNSPECIFIED,
    liveliness=QosLiveliness.SYSTEM_DEFAULT,
    liveliness_lease_duration=_UNSPECIFIED,
    avoid_ros_namespace_conventions=False,
)


class BagWriter:
    """Writes a rosbag2 folder with one MCAP file, which `ros2 bag play` and `open_bag` open.

    The same calls make the same bytes, given the same version of `rosbags`. What is written lies on
    disk chunk by chunk; without a proper end it can still be read up to the last whole chunk.
    """

    def __init__(
        self, path: Path | str, compress: bool = True, custom: Mapping[str, str] | None = None
    ) -> None:
        """Begin a bag; use as a context manager.

        Args:
            path: folder to make.
            compress: compress chunks with zstd. JPEG images gain nothing from it.
            custom: texts to keep in metadata.yaml, see `Bag.custom`.

        Raises:
            RecordingError: there is something at `path` already, or it cannot be written to.
        """
        path = Path(path)
        refuse_existing(path)
        self._types = known_types()
        self._connections: dict[str, Connection] = {}
        self._writer = Writer(path, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        for key, value in (custom or {}).items():
            self.note(key, value)
        try:
            self._writer.open()
            add_chunk_checksums(self._writer.storage)
        except OSError as error:
            raise RecordingError(f"bag {path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # After an exception too: what was recorded until then is a good bag.
        file = self._writer.storage.path
        self._writer.close()
        add_index_checksum(file)

    def note(self, key: str, text: str) -> None:
        """Keep a text in metadata.yaml, see `Bag.custom`."""
        self._writer.set_custom_data(key, text)

    def image(
        self,
        topic: str,
        stamp_ns: int,
        rgb: np.ndarray,
        frame_id: str,
        jpeg_quality: int | None = None,
    ) -> None:
        """A (height, width, 3) uint8 RGB image: an Image, or with a quality a JPEG of 1 to 100."""
        if jpeg_quality is not None:
            self.compressed(topic, stamp_ns, encode_jpeg(rgb, jpeg_quality).tobytes(), frame_id)
            return
        height, width, channels = rgb.shape
        self._write(
            topic,
            "sensor_msgs/msg/Image",
            stamp_ns,
            frame_id,
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=width * channels,
            data=np.ascontiguousarray(rgb).ravel(),
        )

    def compressed(
        self, topic: str, stamp_ns: int, content: bytes, frame_id: str, swapped: bool = False
    ) -> None:
        """The content of a JPEG or PNG file, as a CompressedImage.

        `swapped` says that it holds red and blue in each other's place; readers put that right.
        """
        kind = "png" if content.startswith(_PNG) else "jpeg"
        self._write(
            topic,
            "sensor_msgs/msg/CompressedImage",
            stamp_ns,
            frame_id,
            format=f"rgb8; {kind} compressed {'rgb8' if swapped else 'bgr8'}",
            data=np.frombuffer(content, np.uint8),
        )

    def wrench(self, topic: str, stamp_ns: int, force_n: np.ndarray, frame_id: str) -> None:
        """A force, N (3,), as a WrenchStamped; the torque is unknown: NaN."""
        wrench = self._make(
            "geometry_msgs/msg/Wrench",
            force=self._vector(force_n),
            torque=self._vector(np.full(3, math.nan)),
        )
        self._write(topic, "geometry_msgs/msg/WrenchStamped", stamp_ns, frame_id, wrench=wrench)

    def slip(
        self,
        topic: str,
        stamp_ns: int,
        slipping: bool,
        in_contact: bool,
        frame_id: str,
        probability: float = math.nan,
        slide_speed_m_s: float = math.nan,
        slip_share: float = math.nan,
        friction_margin: float = math.nan,
    ) -> None:
        """A Slip that is known; what a label does not tell is NaN."""
        self._write(
            topic,
            "sparsh_ros/msg/Slip",
            stamp_ns,
            frame_id,
            valid=True,
            contact_known=True,
            in_contact=bool(in_contact),
            slipping=bool(slipping),
            probability=float(probability),
            threshold=math.nan,
            slide_speed=float(slide_speed_m_s),
            slide_speed_variance=math.nan,
            slip_share=float(slip_share),
            slip_share_variance=math.nan,
            friction_margin=float(friction_margin),
            friction_margin_variance=math.nan,
            delta_force=self._vector(np.full(3, math.nan)),
            delta_force_covariance=np.full(9, math.nan),
            interval=self._duration(0.0),
        )

    def pose(
        self,
        topic: str,
        stamp_ns: int,
        pose: np.ndarray,
        frame_id: str,
        rotation_shown: bool = True,
    ) -> None:
        """A planar pose (x m, y m, rotation rad), known exactly, NaN without contact.

        Where the print does not show the rotation, as a ball's, its variance is infinite: it is no
        label of what a sensor could see.
        """
        x, y, yaw = (float(value) for value in pose)
        unknown = math.nan if math.isnan(yaw) else 0.0
        placed = self._make(
            "geometry_msgs/msg/Pose",
            position=self._make("geometry_msgs/msg/Point", x=x, y=y, z=unknown),
            orientation=self._make(
                "geometry_msgs/msg/Quaternion",
                x=unknown,
                y=unknown,
                z=math.sin(yaw / 2),
                w=math.cos(yaw / 2),
            ),
        )
        covariance = np.zeros(36)
        covariance[-1] = 0.0 if rotation_shown else math.inf
        with_covariance = self._make(
            "geometry_msgs/msg/PoseWithCovariance", pose=placed, covariance=covariance
        )
        type_name = "geometry_msgs/msg/PoseWithCovarianceStamped"
        self._write(topic, type_name, stamp_ns, frame_id, pose=with_covariance)

    def pose_change(
        self, topic: str, stamp_ns: int, interval_s: float, change: np.ndarray, frame_id: str
    ) -> None:
        """A motion (x m, y m, rotation rad), known exactly, over the interval up to the stamp."""
        dx, dy, dtheta = (float(value) for value in change)
        self._write(
            topic,
            "sparsh_ros/msg/PoseChange",
            stamp_ns,
            frame_id,
            valid=True,
            dx_known=not math.isnan(dx),
            dy_known=not math.isnan(dy),
            dtheta_known=not math.isnan(dtheta),
            dx=dx,
            dy=dy,
            dtheta=dtheta,
            interval=self._duration(interval_s),
            covariance=np.zeros(9),
        )

    def predicates(self, topic: str, stamp_ns: int, values: Mapping[str, bool]) -> None:
        """Predicates of a hand that are known exactly, as a Predicates."""
        known = [
            self._make(
                "sparsh_ros/msg/Predicate",
                name=name,
                valid=True,
                value=bool(value),
                probability=float(value),
                reason="",
            )
            for name, value in values.items()
        ]
        self._write(topic, "sparsh_ros/msg/Predicates", stamp_ns, "", predicates=known)

    def joints(
        self, topic: str, stamp_ns: int, names: Sequence[str], positions: np.ndarray
    ) -> None:
        """Joint angles, rad, as a JointState."""
        self._write(
            topic,
            "sensor_msgs/msg/JointState",
            stamp_ns,
            "",
            name=list(names),
            position=np.asarray(positions, float),
            velocity=np.empty(0),
            effort=np.empty(0),
        )

    def number(self, topic: str, stamp_ns: int, value: float) -> None:
        """A number, as a Float64."""
        type_name = "std_msgs/msg/Float64"
        message = self._make(type_name, data=float(value))
        self.raw(topic, type_name, stamp_ns, bytes(self._types.serialize_cdr(message, type_name)))

    def raw(self, topic: str, type_name: str, log_time_ns: int, cdr: bytes) -> None:
        """A serialised message of any standard type or type of this package.

        Args:
            topic: name of the topic.
            type_name: such as "sensor_msgs/msg/Image".
            log_time_ns: when it was received.
            cdr: the message as DDS carries it.

        Raises:
            RecordingError: the type is unknown, or the topic has messages of another type.
        """
        if topic not in self._connections:
            if type_name not in self._types.fielddefs:
                raise RecordingError(
                    f"{topic}: wanted a standard message type or one of sparsh_ros, "
                    f"found {type_name}"
                )
            latched = topic.removesuffix("/compressed").endswith("/background")
            self._connections[topic] = self._writer.add_connection(
                topic,
                type_name,
                typestore=self._types,
                offered_qos_profiles=[_LATCHED] if latched else [],
            )
        connection = self._connections[topic]
        if connection.msgtype != type_name:
            raise RecordingError(
                f"{topic}: wanted {connection.msgtype}, of which it has messages, found {type_name}"
            )
        self._writer.write(connection, log_time_ns, cdr)

    def _write(
        self, topic: str, type_name: str, stamp_ns: int, frame_id: str, **fields: Any
    ) -> None:
        seconds, nanoseconds = divmod(stamp_ns, _NANOSECONDS)
        stamp = self._make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        header = self._make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)
        message = self._make(type_name, header=header, **fields)
        self.raw(topic, type_name, stamp_ns, bytes(self._types.serialize_cdr(message, type_name)))

    def _vector(self, values: np.ndarray) -> Any:
        x, y, z = (float(value) for value in values)
        return self._make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)

    def _duration(self, seconds: float) -> Any:
        whole, rest = divmod(round(seconds * _NANOSECONDS), _NANOSECONDS)
        return self._make("builtin_interfaces/msg/Duration", sec=whole, nanosec=rest)

    def _make(self, type_name: str, **fields: Any) -> Any:
        return self._types.types[type_name](**fields)
