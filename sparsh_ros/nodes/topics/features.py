# SPDX-License-Identifier: Apache-2.0
"""Tokens between processes: the encoder's end and the heads' end of the topic `features`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rclpy.node import Node

from sparsh_ros.errors import FrameError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.msg import Features as FeaturesMessage
from sparsh_ros.nodes.graph.graph import prefixes
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.perception.head_runner import EncodedFrame, Features
from sparsh_ros.sensors.config import SensorConfig

# The frame ring lets the older frame be half an interval off; stamps may be a little more so.
_LONGEST_INTERVAL = 2.0


class FeaturesPublisher:
    """Publishes the tokens of every sensor."""

    def __init__(self, node: Node, configs: Sequence[SensorConfig], spec: ModelSpec) -> None:
        """Make the topics of these sensors; `spec` is the model of the tokens."""
        self._model = spec.name
        self._frame_ids = {config.name: config.gel_frame for config in configs}
        self._publishers = {
            name: create_publisher(node, FeaturesMessage, f"{prefix}features", qos.LARGE)
            for name, prefix in prefixes(self._frame_ids).items()
        }

    def publish(self, features: Features) -> None:
        """Publish what one call of the encoder gave."""
        for encoded, tokens in features.per_frame():
            self._publishers[encoded.sensor].publish(self._message(encoded, tokens))

    def _message(self, encoded: EncodedFrame, tokens: np.ndarray | None) -> FeaturesMessage:
        message = FeaturesMessage(
            header=conversions.header(encoded.stamp_ns, self._frame_ids[encoded.sensor]),
            valid=encoded.valid,
            reason=encoded.reason,
            model=self._model,
            interval=conversions.interval_to_msg(encoded.interval_s),
        )
        if tokens is not None:
            message.shape = list(tokens.shape)
            message.data = conversions.bytes_to_array(tokens.astype("<f2", copy=False))
        return message


def msg_to_features(sensor: str, spec: ModelSpec, message: FeaturesMessage) -> Features:
    """A message as the heads take it.

    Raises:
        FrameError: The tokens are of another model, incomplete or not numbers, or the interval is
            not one of this model.
    """
    stamp_ns = conversions.msg_to_stamp(message.header.stamp)
    if not message.valid:
        return Features(
            (EncodedFrame(sensor, stamp_ns, math.nan, message.reason or "unknown"),), None
        )
    wanted = (spec.name, [spec.tokens, spec.embed_dim], 2 * spec.tokens * spec.embed_dim)
    found = (message.model, list(message.shape), len(message.data))
    if found != wanted:
        raise FrameError(
            f"features of sensor {sensor}: wanted model, shape and bytes {wanted}, found {found}; "
            "run the head with the model of the encoder"
        )
    tokens = np.frombuffer(message.data, "<f2").reshape(1, *message.shape).astype(np.float32)
    if not np.isfinite(tokens).all():
        raise FrameError(f"features of sensor {sensor}: wanted numbers, found NaN or infinity")
    interval_s = conversions.msg_to_interval(message.interval)
    longest_s = _LONGEST_INTERVAL * spec.interval_s
    if not 0 < interval_s <= longest_s:
        raise FrameError(
            f"features of sensor {sensor}: wanted an interval above 0 and up to {longest_s:.3f} s, "
            f"found {interval_s:.3f} s"
        )
    encoded = EncodedFrame(sensor, stamp_ns, interval_s)
    return Features((encoded,), tokens)
