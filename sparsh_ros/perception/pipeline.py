# SPDX-License-Identifier: Apache-2.0
"""Frames in, estimates out: clips, encoded and the heads for any number of sensors.

`Perception` does it all. Its two halves can also live in different processes: `Perception.encode`
gives tokens, and a `sparsh_ros.perception.head_runner.HeadRunner` elsewhere makes estimates of
them.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.engines import Engine, create_engine
from sparsh_ros.errors import ParameterError
from sparsh_ros.frames import Frame, check_image
from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD
from sparsh_ros.models.head_choice import AUTO, READS_IMAGES, choose_heads
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import CONTACT_THRESHOLD_N, DEFAULT_MODEL
from sparsh_ros.perception.buffer import SensorBuffer, SensorCounters
from sparsh_ros.perception.calibration import Calibration
from sparsh_ros.perception.follow import follow
from sparsh_ros.perception.force_field import ForceField, read_field
from sparsh_ros.perception.head_runner import (
    EncodedFrame,
    Features,
    HeadRunner,
)
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.base import Sensor
from sparsh_ros.sensors.profiles import SensorProfile


class Perception:
    """Estimates force, slip and motion from the frames of any number of sensors.

    Let it follow sensors that run, and it does the rest:

        with open_sensor("digit") as sensor, Perception() as perception:
            for estimate in perception.follow(sensor):
                print(estimate.force_n, estimate.slipping)

    Or make sensors known with `add_sensor`, `push` their frames from any thread, and call `infer`,
    or `encode` and `run_heads`, from one.

    Attributes:
        spec: The model in use.
        engine: What runs it.
        heads: What was asked for, and why some of it cannot be estimated.
        notes: Sentences on the weights that a user should read once.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        heads: Sequence[str] = (AUTO,),
        device: str = "auto",
        threads: int | None = None,
        contact_threshold_n: float = CONTACT_THRESHOLD_N,
        slip_threshold: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        stamp_clock: Callable[[], int] | None = None,
        weights_dir: str | Path | None = None,
        engine: str = "float32",
    ) -> None:
        """Load the model and warm it up.

        Args:
            model: Name of a model, or path of its description.
            heads: What to estimate, of "force", "slip", "pose", "grasp", "textile", "material",
                "forcefield";
                "auto": the first three, and whatever else there are weights for. Contact is known
                by force alone.
            device: "auto", "cpu" or "cuda".
            threads: CPU threads of the encoder; None takes one per core, for a streaming one one.
            contact_threshold_n: Normal force at which contact begins, N.
            slip_threshold: Slip probability that counts as slipping; None takes the model's.
            monotonic: Clock in seconds, no faster than real time, by which frames go stale.
            stamp_clock: Clock of the stamps, nanoseconds: frames that are more than 10 s off are
                invalid. None, as for recordings, trusts the stamps.
            weights_dir: Folder with the model's weights; None: where they belong, see
                `load_model_spec`.
            engine: One of `ENGINES`, see `create_engine`.

        Raises:
            ModelError: Model, head, device or engine is unknown, or that engine cannot be had.
            WeightsError: The weights are missing or cannot be used.
            ParameterError: A threshold is out of its range.
        """
        self.spec = load_model_spec(model, weights_dir)
        self.heads = choose_heads(self.spec, heads)
        self.engine = create_engine(
            self.spec, device, self.heads.usable, threads=threads, engine=engine
        )
        self.notes = tuple(_notes(self.spec, self.engine))
        self._head_runner = HeadRunner(self.spec, self.engine, contact_threshold_n, slip_threshold)
        self._monotonic, self._stamp_clock = monotonic, stamp_clock
        self._buffers: dict[str, SensorBuffer] = {}
        self._last_frames: tuple[EncodedFrame, ...] = ()
        self._arrived = threading.Condition()
        self.engine.warm_up()

    def __enter__(self) -> Perception:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the engine go, and what `follow` follows; nothing can be estimated afterwards."""
        self.engine = self._head_runner = None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.engine is None

    def follow(self, *sensors: Sensor, background: str | Path | None = None) -> Iterator[Estimate]:
        """Estimate what running sensors feel until they end, which of itself only a recording does.

        Frames are taken as they come. If the loop is slower than a sensor, old frames are left out
        and the newest one is next. A camera that breaks gives one invalid estimate that says why,
        is opened again, and goes on. The background is the image that the sensor sees while
        nothing touches it: it is captured once the gel is still, and kept for the next time where
        the camera has a serial number, see `BackgroundKeeper`. Until there is one, estimates are
        invalid and say so.

        Args:
            sensors: Sensors that were started, as `with open_sensor(...) as sensor` does.
            background: Image file of the untouched gel, for one sensor that is touched from the
                beginning; None captures it.

        Returns:
            An iterator over the estimates, one for each frame that was not left out. Their
            `sensor` is the sensor's name, with a number where several have the same.

        Raises:
            SensorError: A sensor was not started.
            ParameterError: A background is given for several sensors.
            SparshError: The file of the background cannot be read.
        """
        return follow(self, sensors, background)

    def add_sensor(self, name: str, profile: SensorProfile) -> None:
        """Make a sensor known, by a name of its own; one that is known starts again."""
        with self._arrived:
            self._buffers[name] = SensorBuffer(name, profile, self.spec)
        self._head_runner.add_sensor(name, profile)

    def set_calibration(self, name: str, calibration: Calibration | None) -> None:
        """Use a calibration of a sensor from now on; None: the force as the model gives it.

        Raises:
            ParameterError: The sensor is unknown, or the calibration is for another type of sensor
                or another model.
        """
        self._head_runner.set_calibration(name, calibration)

    def remove_sensor(self, name: str) -> None:
        """Forget a sensor: its frames, its background, its contact."""
        with self._arrived:
            self._buffers.pop(name, None)

    def set_thresholds(self, contact_n: float, slip: float | None) -> None:
        """Decide by other thresholds from the next frame on, see `__init__`.

        Raises:
            ParameterError: A threshold is out of its range.
        """
        self._head_runner.set_thresholds(contact_n, slip)

    def set_background(self, name: str, image: NDArray[np.uint8] | None) -> None:
        """Set a sensor's no-contact reference, a canonical image; None: that of the start.

        Raises:
            FrameError: The image is no canonical image.
            ParameterError: The sensor is unknown.
        """
        if image is not None:
            check_image(image)
        with self._arrived:
            self._buffer(name).set_background(image)

    def push(self, name: str, frame: Frame) -> None:
        """Take a frame in; never waits for the encoder.

        Raises:
            ParameterError: The sensor is unknown.
        """
        with self._arrived:
            self._buffer(name).add(frame, self._monotonic())
            self._arrived.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until `infer` has something to do; whether it has.

        That is a frame that was not estimated yet, or a sensor that sends no more frames.
        """
        with self._arrived:
            until_s = time.monotonic() + timeout
            while not self._is_ready():
                timeout_at_s = min(
                    (buffer.timeout_at_s for buffer in self._buffers.values()), default=math.inf
                )
                # Of the two clocks, that of the frames may be simulated, and stand still.
                left_s = min(until_s - time.monotonic(), timeout_at_s - self._monotonic())
                if left_s <= 0:
                    break
                self._arrived.wait(left_s)
            return self._is_ready()

    def _is_ready(self) -> bool:
        now_s = self._monotonic()
        return any(buffer.is_ready(now_s) for buffer in self._buffers.values())

    def counters(self, name: str) -> SensorCounters:
        """What became of a sensor's frames so far.

        Raises:
            ParameterError: The sensor is unknown.
        """
        with self._arrived:
            return self._buffer(name).counters()

    def infer(self) -> list[Estimate]:
        """Make estimates of all frames that are new, in one batched call of the encoder.

        Returns:
            One estimate for each sensor with a new frame, of the newest one, and one invalid
            estimate for each sensor that has just stopped sending frames.
        """
        return self.run_heads(self.encode(tokens=self.reads_tokens))

    @property
    def reads_tokens(self) -> bool:
        """Whether a head reads the tokens; a force field encodes by itself."""
        return not READS_IMAGES.issuperset(self.engine.heads)

    def encode(self, tokens: bool = True) -> Features:
        """The first half of `infer`: encode the newest frame of each sensor, with its partners.

        Args:
            tokens: Whether to run the encoder; False where no head reads the tokens.
        """
        with self._arrived:
            now_s = self._monotonic()
            stamp_now_ns = None if self._stamp_clock is None else self._stamp_clock()
            prepared = [
                (buffer.sensor_id, *buffer.prepare(now_s, stamp_now_ns))
                for buffer in self._buffers.values()
                if buffer.is_ready(now_s)
            ]
        self._last_frames = tuple(encoded for _, encoded, _ in prepared)
        seen = [images for *_, images in prepared if images is not None]
        made = None
        if seen and tokens:
            ids = [own for own, _, images in prepared if images is not None]
            told = {"sensors": np.array(ids)} if self.spec.tells_sensor else {}
            batches = (np.stack(batch) for batch in zip(*seen, strict=True))
            made = self.engine.encode(*batches, **told)
        return Features(self._last_frames, made)

    def run_heads(self, features: Features) -> list[Estimate]:
        """The second half of `infer`: run the heads and read their outputs."""
        return self._head_runner.run(features)

    def invalidate_last(self, reason: str) -> list[Estimate]:
        """Give invalid estimates for the frames that `encode` took last.

        A caller that goes on after the engine failed publishes them: otherwise the estimates before
        the failure would still look valid.
        """
        lost = (replace(encoded, reason=encoded.reason or reason) for encoded in self._last_frames)
        return self._head_runner.run(Features(tuple(lost), None))

    def force_field(self, name: str) -> ForceField | None:
        """The force field of the frame looked at last; None if that could not be encoded.

        Unlike `encode`, it may be called from any thread. It costs two passes of the encoder, of a
        field with units one.

        Raises:
            ModelError: The model runs without a force-field decoder.
            ParameterError: The sensor is unknown.
        """
        with self._arrived:
            buffer = self._buffer(name)
            frame, images = buffer.last_frame, buffer.last_images
        if images is None:
            return None
        maps = self.engine.run_head(FORCE_FIELD, *(image[None] for image in images))
        own = {key: value[0] for key, value in maps.items()}
        return read_field(frame, buffer.output_transform.apply(FORCE_FIELD, own))

    def _buffer(self, name: str) -> SensorBuffer:
        if name not in self._buffers:
            known = ", ".join(self._buffers) or "none"
            raise ParameterError(f"sensor {name!r}: unknown to perception, which knows {known}")
        return self._buffers[name]


def _notes(spec: ModelSpec, engine: Engine) -> Iterator[str]:
    if spec.files is not None and not engine.on_gpu:
        yield (
            f"{spec.name}: published files run on torch; `sparsh-ros weights convert` makes a "
            "folder that is about twice as fast on a CPU"
        )
