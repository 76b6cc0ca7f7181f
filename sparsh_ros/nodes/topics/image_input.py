# SPDX-License-Identifier: Apache-2.0
"""Images and background of one sensor as perception hears them, and what it refuses of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from sparsh_ros.background.fit import check_fit
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import Frame, check_image
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN, RateMeter, Report
from sparsh_ros.nodes.runtime.endpoints import LOG_THROTTLE_S, Input
from sparsh_ros.nodes.topics import qos
from sparsh_ros.sensors.config import SensorConfig

# Above this share of refused images the sensor is not called well.
_MOST_REFUSED = 0.1
# How long a background waits until it is known which node sent it: names travel after messages.
_WAIT_FOR_NAME_S = 2.0

Info = Mapping[str, Any]


class ImageInput:
    """Subscribes to `image_raw` and `background`.

    Of two publishers of images nothing is taken: their frames would be paired with each other. A
    background is taken only from the node that sends the images, and only if it fits them; one that
    may be of another unit of the same kind is taken with a warning.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        config: SensorConfig,
        on_frame: Callable[[Frame, int], None],
        on_background: Callable[[np.ndarray | None], None],
    ) -> None:
        """Subscribe; callbacks come on the executor's thread.

        Args:
            node: Owns the subscriptions.
            prefix: What the names of the topics begin with, such as "left/".
            config: The sensor.
            on_frame: Takes each frame, and when it was sent, ns since the epoch.
            on_background: Takes each background, (320, 240, 3) uint8 RGB, None for no more.
        """
        self._node, self._config = node, config
        self._on_frame, self._on_background = on_frame, on_background
        self.refused = 0
        self._background_trouble = ""
        self._last_refusal = ""
        self._rate, self._refusal_rate = RateMeter(), RateMeter()
        self._image_sender: bytes | None = None
        self._pending: tuple[Image, bytes | None] | None = None
        self._give_up_s: float | None = None
        self._backgrounds = Input(
            node, Image, f"{prefix}background", qos.LATCHED, self._on_background_message
        )
        self._images = Input(
            node, Image, f"{prefix}image_raw", qos.IMAGE_INPUT, self._on_image_message
        )

    def destroy(self) -> None:
        """Hear no more."""
        self._images.destroy()
        self._backgrounds.destroy()

    @property
    def values(self) -> dict[str, object]:
        """Counts for /diagnostics."""
        return {"images refused": self.refused, "images lost on the way": self._images.lost}

    def report(self) -> Report:
        """What is wrong with what comes in."""
        return Report(WARN if self._troubles() else OK, "; ".join(self._troubles()))

    def _troubles(self) -> list[str]:
        troubles = [self._objection_to_publishers(), self._background_trouble]
        refused_hz, all_hz = self._refusal_rate.rate_hz, self._rate.rate_hz
        if refused_hz > _MOST_REFUSED * all_hz:
            troubles.append(
                f"{refused_hz:.0f} of {all_hz:.0f} images/s are refused: {self._last_refusal}"
            )
        return [trouble for trouble in troubles if trouble]

    def _on_image_message(self, message: Image, info: Info) -> None:
        self._rate.count()
        if objection := self._objection_to_publishers():
            self.refused += 1
            self._log_error("image_raw", objection)
            return
        try:
            image = self._canonical_image(message)
        except FrameError as error:
            self._refuse_image(str(error))
            return
        self._image_sender = _sender(info)
        if self._pending is not None:
            self._decide_on_background(image)
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        self._on_frame(Frame(stamp_ns, image), info["source_timestamp"])

    def _refuse_image(self, reason: str) -> None:
        self.refused += 1
        self._refusal_rate.count()
        self._last_refusal = reason
        self._log_error("image_raw", reason)

    def _objection_to_publishers(self) -> str:
        count = self._images.publisher_count
        if count <= 1:
            return ""
        names = ", ".join(sorted(self._senders(self._images.topic).values()))
        return (
            f"{self._images.topic}: wanted one publisher, found {count} ({names}); no estimate "
            "is made of a mixture: stop one, or give it another namespace"
        )

    def _on_background_message(self, message: Image, info: Info) -> None:
        self._pending, self._give_up_s = (message, _sender(info)), None

    def _decide_on_background(self, image: np.ndarray) -> None:
        """Take the background that came last, or say why not; wait where that is not known yet."""
        message, sender = self._pending
        now_s = time.monotonic()
        if self._give_up_s is None:
            self._give_up_s = now_s + _WAIT_FOR_NAME_S
        verdict = self._is_of_image_sender(sender)
        if verdict is None and now_s < self._give_up_s:
            return
        self._pending = None
        trouble = ""
        try:
            if not verdict:
                raise FrameError(
                    f"{self._backgrounds.topic}: wanted a background from the node of the images, "
                    "found one from elsewhere; it is not used"
                )
            background = self._canonical_image(message) if message.data else None
            if background is not None:
                trouble = check_fit(background, image)
        except FrameError as error:
            self._background_trouble = str(error)
            self._log_error("background", str(error))
            return
        self._background_trouble = trouble
        self._on_background(background)

    def _is_of_image_sender(self, sender: bytes | None) -> bool | None:
        """Whether the sender of a background is the node that sends images; None: not known yet."""
        backgrounds = self._senders(self._backgrounds.topic)
        images = self._senders(self._images.topic)
        if sender is None or self._image_sender is None:  # this middleware does not tell
            return set(backgrounds.values()) <= set(images.values()) if images else None
        names = backgrounds.get(sender), images.get(self._image_sender)
        if None in names:
            return None
        return names[0] == names[1]

    def _senders(self, topic: str) -> dict[bytes, str]:
        """Each publisher of a topic with the full name of its node, as far as that is known."""
        return {
            bytes(info.endpoint_gid): f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in self._node.get_publishers_info_by_topic(topic)
            if "UNKNOWN" not in info.node_name
        }

    def _canonical_image(self, message: Image) -> np.ndarray:
        """The canonical image in a message, which may also hold one as the camera delivers it."""
        profile = self._config.profile
        image = decode_image(message)
        if image.shape == (profile.height, profile.width, 3):
            return profile.to_canonical(image, "rgb")
        check_image(image)
        return image

    def _log_error(self, topic: str, reason: str) -> None:
        sentence = f"sensor {self._config.name}: {topic}: {reason}"
        self._node.get_logger().error(sentence, throttle_duration_sec=LOG_THROTTLE_S)


def _sender(info: Info) -> bytes | None:
    """The publisher of a message; None where this version of rclpy does not tell."""
    gid = info.get("publisher_gid")
    return None if gid is None else bytes(gid["data"])
