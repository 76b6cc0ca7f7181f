# SPDX-License-Identifier: Apache-2.0
"""From tokens to touches: the half of perception that may run in another process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.engines import Engine
from sparsh_ros.errors import ParameterError
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.transforms import OutputTransform
from sparsh_ros.perception.postprocess import Touch, TouchReader
from sparsh_ros.sensors.profiles import SensorProfile

CONTACT_THRESHOLD_N = 0.1


@dataclass(frozen=True, slots=True)
class Encoding:
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
class Encoded:
    """What one batched call of the encoder gave.

    Attributes:
        encodings: one for each sensor with something new to say.
        tokens: (B, N, D) float32 for the B valid encodings, in their order, as a NumPy array or on
            the device that made them; None if none is valid or nobody wanted them.
    """

    encodings: tuple[Encoding, ...]
    tokens: Any | None

    def features(self) -> Iterator[tuple[Encoding, NDArray[np.float16] | None]]:
        """Each encoding with its tokens (N, D) as float16 on the host, None if it has none."""
        tokens = self.tokens.cpu() if hasattr(self.tokens, "cpu") else self.tokens
        rows = iter(()) if tokens is None else iter(np.asarray(tokens, np.float16))
        for encoding in self.encodings:
            yield encoding, next(rows) if encoding.valid else None


class TouchDecoder:
    """Runs the heads on tokens and reads their outputs as touches.

    Keeps, for each sensor, whether there is contact and the motion since it began: feed it each
    sensor's encodings in order, from one thread.
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
        slip_threshold = spec.slip_threshold if slip_threshold is None else slip_threshold
        if not (math.isfinite(contact_threshold_n) and contact_threshold_n > 0):
            raise ParameterError(
                f"contact threshold: wanted a force above 0 N, found {contact_threshold_n}"
            )
        if not 0 < slip_threshold < 1:
            raise ParameterError(
                f"slip threshold: wanted a probability between 0 and 1, found {slip_threshold}"
            )
        self._spec = spec
        self._engine = engine
        self._thresholds = (contact_threshold_n, slip_threshold)
        self._readers: dict[str, tuple[TouchReader, OutputTransform]] = {}

    def add_sensor(self, name: str, profile: SensorProfile) -> None:
        """Make a sensor known; starts it anew if it is."""
        reader = TouchReader(name, profile, self._spec, *self._thresholds)
        self._readers[name] = reader, self._spec.output_transform(profile.name)

    def decode(self, encoded: Encoded) -> list[Touch]:
        """Make a touch of each encoding, invalid ones of those without tokens.

        Raises:
            ParameterError: a sensor is unknown; call `add_sensor` first.
        """
        outputs = {}
        if encoded.tokens is not None:
            heads = [head for head in self._engine.heads if head not in READS_IMAGES]
            outputs = {head: self._engine.run_head(head, encoded.tokens) for head in heads}
        touches = []
        row = 0
        for encoding in encoded.encodings:
            own = {
                head: {name: values[row] for name, values in named.items()}
                for head, named in (outputs.items() if encoding.valid else ())
            }
            touches.append(self._touch(encoding, own))
            row += encoding.valid
        return touches

    def _touch(self, encoding: Encoding, outputs: dict[str, dict[str, NDArray]]) -> Touch:
        if encoding.sensor not in self._readers:
            raise ParameterError(
                f"sensor {encoding.sensor!r}: unknown to the decoder, which knows "
                f"{', '.join(self._readers) or 'none'}"
            )
        reader, transform = self._readers[encoding.sensor]
        reason = encoding.reason
        if not (reason or outputs or self._engine.heads):
            reason = f"model {self._spec.name} has no weights for the heads in use"
        if reason:
            return reader.invalid(encoding.stamp_ns, reason)
        turned = {head: transform.apply(head, named) for head, named in outputs.items()}
        return reader.read(encoding.stamp_ns, encoding.interval_s, turned)
