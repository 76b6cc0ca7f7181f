# SPDX-License-Identifier: Apache-2.0
"""Messages as anybody may send them over DDS, through what our nodes do with them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from sparsh_ros.background.fit import check_fit
from sparsh_ros.engines import create_engine
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Features as FeaturesMessage
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.messages.nan_policy import without_nan
from sparsh_ros.nodes.runtime.endpoints import deserialize
from sparsh_ros.nodes.topics.estimates import TOPICS
from sparsh_ros.nodes.topics.features import msg_to_features
from sparsh_ros.perception.head_runner import HeadRunner
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors import load_profile

NAMES = ("image", "background", "features", "estimates", "diagnostics")


def image(data: bytes) -> None:
    """An image on its way to the encoder."""
    message = _read(data, Image)
    profile = load_profile("digit")
    pixels = decode_image(message)
    assert pixels.dtype == np.uint8 and pixels.shape == (message.height, message.width, 3)
    if pixels.shape == (profile.height, profile.width, 3):
        pixels = profile.to_canonical(pixels, "rgb")
    Frame(conversions.msg_to_stamp(message.header.stamp), pixels)


def background(data: bytes) -> None:
    """A background beside an image of the gel."""
    pixels = decode_image(_read(data, Image))
    if pixels.shape != IMAGE_SHAPE:
        raise FrameError("as perception refuses it")
    check_fit(pixels, np.full(IMAGE_SHAPE, 100, np.uint8))


def features(data: bytes) -> None:
    """Features on their way through the heads, to all messages that come of them."""
    message = _read(data, FeaturesMessage)
    spec, heads = _heads()
    for estimate in heads.run(msg_to_features("digit", spec, message)):
        for topic in TOPICS:
            topic.to_msg(estimate, "gel")
        assert not estimate.valid or 0 <= estimate.slip_probability <= 1
        assert not estimate.valid or np.isfinite(estimate.force_n).all()


def diagnostics(data: bytes) -> None:
    """A report as the recorder and the demo read it."""
    for status in _read(data, DiagnosticArray).status:
        {item.key: item.value for item in status.values}


def estimates(data: bytes) -> None:
    """The estimates, as viewers are shown them; `data` is read as each of them."""
    refusals = []
    for topic in TOPICS:
        try:
            message = _read(data, topic.message_type)
        except FrameError as error:
            refusals.append(error)
            continue
        conversions.msg_to_stamp(message.header.stamp)
        without_nan(message)
    if len(refusals) == len(TOPICS):
        raise refusals[0]


def seeds(name: str) -> list[bytes]:
    """Messages of one of the kinds above that are as they should be."""
    spec, _ = _heads()
    pixels = np.random.default_rng(0).integers(0, 256, (320, 240, 3), np.uint8)
    tokens = np.random.default_rng(0).normal(size=(spec.tokens, spec.embed_dim)).astype("<f2")
    estimate = Estimate(sensor="digit", stamp_ns=10**18)
    made = {topic.name: topic.to_msg(estimate, "gel") for topic in TOPICS}
    if name == "estimates":
        return [serialize_message(message) for message in made.values()]
    messages = {
        "background": conversions.image_to_msg(pixels, 10**18, "camera"),
        "image": conversions.image_to_msg(pixels, 10**18, "camera"),
        "features": FeaturesMessage(
            header=conversions.header(10**18, "gel"),
            valid=True,
            model=spec.name,
            interval=conversions.interval_to_msg(spec.interval_s),
            shape=tokens.shape,
            data=conversions.bytes_to_array(tokens),
        ),
        "diagnostics": DiagnosticArray(
            status=[DiagnosticStatus(name="a", values=[KeyValue(key="images", value="/a/b")])]
        ),
    }
    return [serialize_message(messages[name])]


def _read(data: bytes, message_type: type) -> object:
    message = deserialize(data, message_type)
    if message is None:
        raise FrameError("these bytes are no message")
    return message


@lru_cache(maxsize=1)
def _heads() -> tuple[object, HeadRunner]:
    spec = load_model_spec(DEFAULT_MODEL)
    engine = create_engine(spec, "cpu", ("force", "slip", "pose"), encoder=False)
    heads = HeadRunner(spec, engine)
    heads.add_sensor("digit", load_profile("digit"))
    return spec, heads
