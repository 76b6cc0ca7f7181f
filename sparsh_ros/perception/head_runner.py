# SPDX-License-Identifier: Apache-2.0
"""From tokens to estimates: the half of perception that may run in another process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.engines import Engine
from sparsh_ros.errors import ParameterError
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.transforms import OutputTransform
from sparsh_ros.names import CONTACT_THRESHOLD_N
from sparsh_ros.perception.calibration import Calibration
from sparsh_ros.perception.postprocess import Estimate, Postprocessor
from sparsh_ros.perception.stream_postprocess import StreamPostprocessor
from sparsh_ros.perception.stream_runner import StreamRunner
from sparsh_ros.sensors.profiles import SensorProfile


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One pair of frames of one sensor that was encoded, or the reason why none was.

    Attributes:
        sensor: name of the sensor.
        stamp_ns: stamp of its newest frame, nanoseconds.
        interval_s: seconds between the frames of the pair; NaN without a pair.
        reason: why there are no tokens; empty when there are.
    """

    sensor: str
    stamp_ns: int
    interval_s: float = math.nan
    reason: str = ""

    @property
    def valid(self) -> bool:
        """Whether there are tokens."""
        return not self.reason


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What one batched call of the encoder gave.

    Attributes:
        frames: one for each sensor with something new to say.
        tokens: (B, N, D) float32 for the B valid frames, in their order, as a NumPy array or on
            the device that made them; None if none is valid or nobody wanted them.
    """

    frames: tuple[EncodedFrame, ...]
    tokens: Any | None

    def per_frame(self) -> Iterator[tuple[EncodedFrame, NDArray[np.float16] | None]]:
        """Each frame with its tokens (N, D) as float16 on the host, None if it has none."""
        tokens = self.tokens.cpu() if hasattr(self.tokens, "cpu") else self.tokens
        rows = iter(()) if tokens is None else iter(np.asarray(tokens, np.float16))
        for encoded in self.frames:
            yield encoded, next(rows) if encoded.valid else None


class HeadRunner:
    """Runs the heads on tokens and reads their outputs as estimates.

    Keeps, for each sensor, whether there is contact and the motion since it began: feed it each
    sensor's frames in order, from one thread.
    """

    def __init__(
        self,
        spec: ModelSpec,
        engine: Engine,
        contact_threshold_n: float = CONTACT_THRESHOLD_N,
        slip_threshold: float | None = None,
    ) -> None:
        """Prepare for the heads that `engine` has.

        Args:
            spec: the model whose tokens will come.
            engine: runs the heads; may have been made without an encoder.
            contact_threshold_n: normal force at which contact begins, N; it ends at half of that.
            slip_threshold: slip probability that counts as slipping; None takes the model's.

        Raises:
            ParameterError: a threshold is out of its range.
        """
        self._spec = spec
        self._engine = engine
        self._postprocessors: dict[str, tuple[Postprocessor, OutputTransform]] = {}
        self._stream = StreamRunner(spec, engine) if spec.streams else None
        self._sensor_types: dict[str, str] = {}
        self._calibrations: dict[str, Calibration] = {}
        self.set_thresholds(contact_threshold_n, slip_threshold)

    def set_thresholds(self, contact_n: float, slip: float | None) -> None:
        """Decide by other thresholds from the next frame on; arguments and errors as above."""
        slip = self._spec.slip_threshold if slip is None else slip
        if not (math.isfinite(contact_n) and contact_n > 0):
            raise ParameterError(f"contact threshold: wanted a force above 0 N, found {contact_n}")
        if not 0 < slip < 1:
            raise ParameterError(
                f"slip threshold: wanted a probability between 0 and 1, found {slip}"
            )
        self._thresholds = (contact_n, slip)
        for postprocessor, _ in self._postprocessors.values():
            postprocessor.set_thresholds(contact_n, slip)

    def add_sensor(self, name: str, profile: SensorProfile) -> None:
        """Make a sensor known, without a calibration; one that is known starts again."""
        self._sensor_types[name] = profile.name
        self._calibrations.pop(name, None)
        kind = StreamPostprocessor if self._spec.streams else Postprocessor
        postprocessor = kind(name, profile, self._spec, *self._thresholds)
        self._postprocessors[name] = postprocessor, self._spec.output_transform(profile.name)
        if self._stream is not None:
            self._stream.add_sensor(name, profile)

    def set_calibration(self, name: str, calibration: Calibration | None) -> None:
        """Use a calibration of a sensor from now on; None: the force as the model gives it.

        Raises:
            ParameterError: The sensor is unknown, or the calibration is for another type of sensor
                or another model.
        """
        self._check_known(name)
        self._calibrations.pop(name, None)
        if calibration is not None:
            size = self._spec.tokens * self._spec.embed_dim
            calibration.check(self._spec.name, self._sensor_types[name], size)
            self._calibrations[name] = calibration

    def run(self, features: Features) -> list[Estimate]:
        """Make an estimate of each frame, invalid ones of those without tokens.

        Raises:
            ParameterError: A sensor is unknown; call `add_sensor` first.
        """
        run = self._run_heads if self._stream is None else self._run_stream
        estimates = run(features)
        if not self._calibrations or features.tokens is None:
            return estimates
        rows = iter(features.tokens)
        own = [next(rows) if encoded.valid else None for encoded in features.frames]
        return [self._calibrated(*pair) for pair in zip(estimates, own, strict=True)]

    def _calibrated(self, estimate: Estimate, tokens: Any) -> Estimate:
        calibration = self._calibrations.get(estimate.sensor)
        if calibration is None or not estimate.valid:
            return estimate
        on_host = np.asarray(tokens.cpu() if hasattr(tokens, "cpu") else tokens)
        return replace(
            estimate,
            force_n=calibration.apply(estimate.force_n, on_host),
            force_covariance=np.diag(calibration.variance.astype(np.float64)),
        )

    def _run_heads(self, features: Features) -> list[Estimate]:
        outputs = {}
        if features.tokens is not None:
            heads = [head for head in self._engine.heads if head not in READS_IMAGES]
            outputs = {head: self._engine.run_head(head, features.tokens) for head in heads}
        estimates = []
        row = 0
        for encoded in features.frames:
            own = {
                head: {name: values[row] for name, values in named.items()}
                for head, named in (outputs.items() if encoded.valid else ())
            }
            estimates.append(self._estimate(encoded, own))
            row += encoded.valid
        return estimates

    def _run_stream(self, features: Features) -> list[Estimate]:
        """The same for a streaming model; what it remembers ends with contact, or when the stream
        breaks."""
        for encoded in features.frames:
            self._check_known(encoded.sensor)
        valid = [encoded for encoded in features.frames if encoded.valid]
        pairs = [(encoded.sensor, encoded.stamp_ns, encoded.interval_s) for encoded in valid]
        ready = bool(pairs) and features.tokens is not None
        steps = iter(self._stream.step(pairs, features.tokens) if ready else ())
        estimates = []
        for encoded in features.frames:
            postprocessor, _ = self._postprocessors[encoded.sensor]
            step = next(steps, None) if encoded.valid else None
            if step is None:
                reason = encoded.reason or f"model {self._spec.name}: no tokens"
                estimate = postprocessor.invalid(encoded.stamp_ns, reason)
            else:
                estimate = postprocessor.process_step(step, self._engine.heads)
            self._stream.remember(encoded.sensor, step if estimate.in_contact else None)
            estimates.append(estimate)
        return estimates

    def _check_known(self, sensor: str) -> None:
        if sensor not in self._postprocessors:
            raise ParameterError(
                f"sensor {sensor!r}: unknown to the heads, which know "
                f"{', '.join(self._postprocessors) or 'none'}"
            )

    def _estimate(self, encoded: EncodedFrame, outputs: dict[str, dict[str, NDArray]]) -> Estimate:
        self._check_known(encoded.sensor)
        postprocessor, transform = self._postprocessors[encoded.sensor]
        reason = encoded.reason
        if not (reason or outputs or self._engine.heads):
            reason = f"model {self._spec.name} has no weights for the heads in use"
        if reason:
            return postprocessor.invalid(encoded.stamp_ns, reason)
        turned = {head: transform.apply(head, named) for head, named in outputs.items()}
        return postprocessor.process(encoded.stamp_ns, encoded.interval_s, turned)
