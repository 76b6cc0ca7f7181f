# SPDX-License-Identifier: Apache-2.0
"""The head node in a process of its own: features in, estimates out, whatever is sent to it."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Features, Slip
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.topics import qos

SPEC = load_model_spec(DEFAULT_MODEL)
STATUS = "remote/head: digit"


class Encoder:
    """Publishes features as a perception node does."""

    def __init__(self, outsider) -> None:
        self.outsider = outsider
        self.publisher = outsider.node.create_publisher(Features, "/remote/features", qos.LARGE)
        self.slips = outsider.listen(Slip, "/remote/slip", 10)
        self._random = np.random.default_rng(0)

    def message(self, **changed: object) -> Features:
        tokens = self._random.normal(size=(SPEC.tokens, SPEC.embed_dim)).astype("<f2")
        message = Features(
            header=conversions.header(time.time_ns(), "digit_gel_frame"),
            valid=True,
            model=SPEC.name,
            interval=conversions.interval_to_msg(SPEC.interval_s),
            shape=tokens.shape,
            data=conversions.bytes_to_array(tokens),
        )
        for name, value in changed.items():
            setattr(message, name, value)
        return message

    def send_until(self, condition: Callable[[], object], what: str, *messages: object) -> None:
        """Sends these messages, or good ones, again and again until the condition holds."""
        pause = threading.Event()
        for _ in range(1500):
            for message in messages or (self.message(),):
                self.publisher.publish(message)
            if condition():
                return
            pause.wait(0.04)
        raise AssertionError(f"never came: {what}")

    @property
    def is_valid(self) -> bool:
        return bool(self.slips) and self.slips[-1].valid

    @property
    def diagnostics(self) -> dict[str, str]:
        return self.outsider.diagnostics.get(STATUS, {})


@pytest.fixture(scope="module")
def encoder(outsider) -> Iterator[Encoder]:
    line = [sys.executable, "-m", "sparsh_ros.nodes.head", "--ros-args", "-r", "__ns:=/remote"]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    made = Encoder(outsider)
    yield made
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0 and "Traceback" not in said, said
    outsider.destroy(made.publisher)


def test_features_become_estimates(encoder) -> None:
    encoder.send_until(lambda: encoder.is_valid, "a valid slip")
    assert encoder.slips[-1].header.frame_id == "digit_gel_frame"


@pytest.mark.parametrize(
    "changed",
    [
        {"interval": conversions.interval_to_msg(0.0)},
        {"interval": conversions.interval_to_msg(3600.0)},
        {"shape": [1, 2, 3]},
        {"model": "another"},
        {"data": conversions.bytes_to_array(np.zeros(3, np.uint8))},
        {"data": conversions.bytes_to_array(np.full(SPEC.tokens * SPEC.embed_dim, np.nan, "<f2"))},
    ],
    ids=["no interval", "an hour", "shape", "model", "too few", "NaN"],
)
def test_bad_features_are_refused_and_cost_only_themselves(encoder, changed) -> None:
    encoder.send_until(lambda: encoder.is_valid, "a valid slip")
    before = int(encoder.diagnostics.get("features refused", 0))
    encoder.send_until(
        lambda: int(encoder.diagnostics.get("features refused", 0)) > before,
        "a refusal on /diagnostics",
        encoder.message(**changed),
    )
    assert "wanted" in encoder.diagnostics["message"] or "stale" in encoder.diagnostics["message"]
    encoder.send_until(lambda: encoder.is_valid, "a valid slip after bad features")


@pytest.mark.parametrize("away_s", [-3600, 3600])
def test_features_of_another_time_are_not_valid(encoder, away_s) -> None:
    encoder.send_until(lambda: encoder.is_valid, "a valid slip")
    stamp_ns = time.time_ns() + away_s * 10**9
    changed = encoder.message(header=conversions.header(stamp_ns, "digit_gel_frame"))
    encoder.send_until(
        lambda: conversions.msg_to_stamp(encoder.slips[-1].header.stamp) == stamp_ns,
        "what comes of them",
        changed,
    )
    assert not encoder.is_valid
    encoder.send_until(lambda: encoder.is_valid, "a valid slip of now")


def test_bytes_that_are_no_message_cost_only_themselves(encoder) -> None:
    encoder.send_until(lambda: encoder.is_valid, "a valid slip")
    for data in (b"", b"\x00\x01\x00\x00", b"\x00\x01\x00\x00" + b"\xff" * 64):
        encoder.publisher.publish(data)
    count = len(encoder.slips)
    encoder.send_until(lambda: len(encoder.slips) > count + 5 and encoder.is_valid, "valid slips")


def test_estimates_are_taken_back_when_the_encoder_falls_silent(encoder, outsider) -> None:
    encoder.send_until(lambda: encoder.is_valid, "a valid slip")
    outsider.wait_for(lambda: not encoder.is_valid, "the end of what was estimated last")
    assert math.isnan(encoder.slips[-1].probability)
    outsider.wait_for(
        lambda: "stale: no features for" in encoder.diagnostics.get("message", ""),
        "the reason on /diagnostics",
    )
    encoder.send_until(lambda: encoder.is_valid, "valid slips again")


def test_two_encoders_are_refused(encoder, outsider) -> None:
    second = outsider.node.create_publisher(Features, "/remote/features", qos.LARGE)
    encoder.send_until(
        lambda: "wanted one publisher, found 2" in encoder.diagnostics.get("message", ""),
        "that there are two on /diagnostics",
    )
    outsider.destroy(second)
    encoder.send_until(lambda: encoder.is_valid, "valid slips of one")
