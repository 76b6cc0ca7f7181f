# SPDX-License-Identifier: Apache-2.0
"""What all engines have in common: the checks of what goes in, and the first run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import FrameError, ModelError, WeightsError
from sparsh_ros.models.checkpoints.anytouch.config import UNIVERSAL
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.layout import STEP_INPUTS
from sparsh_ros.names import STREAM_MODEL

_STREAM_REMEDY = "fewer sensors, or fewer frames (fps:=30)"
Outputs = dict[str, NDArray[np.float32]]


class Engine(ABC):
    """Encoder and heads of a model on one device. A subclass loads and runs the graphs.

    Attributes:
        description: Library, version, device and threads, in words.
        frames: Frames that `encode` takes before the background.
        heads: Names of the heads that `run_head` knows.
        image_shape: Of each of those images.
        on_gpu: Whether a GPU computes.
        remedy: What to try where it is too slow, in words.
    """

    description: str
    on_gpu: bool
    remedy: str

    def __init__(self, spec: ModelSpec, heads: Sequence[str], encoder: bool) -> None:
        """Take note of what will be run.

        Args:
            spec: The model.
            heads: Names of the heads; without an encoder those that read images are left out.
            encoder: Whether there is an encoder.
        """
        self.frames = spec.frames
        self.heads = tuple(head for head in heads if encoder or head not in READS_IMAGES)
        self.image_shape = spec.image_shape
        self._token_shape = (spec.tokens, spec.embed_dim)
        self._has_encoder = encoder
        self._model, self._weights = spec.name, spec.weights
        self._streams, self._tells_sensor = spec.streams, spec.tells_sensor
        self.remedy = _STREAM_REMEDY if spec.streams else f"model:={STREAM_MODEL}, or fewer sensors"

    def encode(self, *images: NDArray[np.uint8], sensors: NDArray[np.int64] | None = None) -> Any:
        """Encode images to tokens.

        Args:
            images: (B, *image_shape) uint8 RGB each, for most models canonical ones: as many
                frames as the model sees at once, newest first and as old as its
                `frame_offsets_s`, then the no-contact references, 127 everywhere for none.
            sensors: (B,) int64 ids of the sensors, of `ModelSpec.sensor_id`, for an encoder that is
                told them; None tells it of each that it may be any. Other encoders do without.

        Returns:
            Tokens (B, N, D) float32, on the device that made them: an array of NumPy or a tensor.

        Raises:
            FrameError: The images have another number, shape or type.
            ModelError: The engine was created without an encoder.
        """
        if not self._has_encoder:
            raise ModelError("encode: this engine was created without an encoder")
        self._check_images(images)
        if not self._tells_sensor:
            return self._encode(images)
        ids = np.full(len(images[0]), UNIVERSAL) if sensors is None else sensors
        return self._encode([*images, np.asarray(ids, np.int64)])

    def run_head(self, head: str, *inputs: Any) -> Outputs:
        """Run one head.

        Args:
            head: Its name.
            inputs: Tokens (B, N, D) float32, from `encode` or as a NumPy array; for a head of
                `READS_IMAGES` the images that `encode` takes.

        Returns:
            The head's raw outputs by name, each (B, ...) float32; see `sparsh_ros.models.heads` and
            `sparsh_ros.models.dpt`.

        Raises:
            ModelError: The engine was created without that head, or the tokens are not those of
                its model.
            FrameError: The images have another number, shape or type.
        """
        if head not in self.heads:
            known = ", ".join(self.heads) or "none"
            raise ModelError(f"head {head!r}: not loaded; this engine has {known}")
        if head in READS_IMAGES:
            self._check_images(inputs)
        else:
            self._check_tokens(head, *inputs)
        return self._run_head(head, inputs)

    def step(
        self,
        whole: NDArray[np.float32],
        readings: NDArray[np.float32],
        hidden: NDArray[np.float32],
    ) -> Outputs:
        """Run the heads of a streaming model, all in one and with memory, on float32 arrays.

        Args:
            whole: (B, WHOLE * CHANNELS) tokens of the whole image in a row.
            readings: (B, F) of the friction observer.
            hidden: (B, HIDDEN) what the heads remember.

        Returns:
            `sparsh_ros.models.streaming.layout.OUTPUTS` by name.

        Raises:
            ModelError: The model does not stream.
        """
        if not self._streams:
            raise ModelError("step: wanted a streaming model, found one without memory")
        return self._step({"whole": whole, "readings": readings, "hidden": hidden})

    def warm_up(self) -> None:
        """Run everything once, so that the first real frame is not the slow one.

        Raises:
            WeightsError: The weights hold NaN or infinity: some of what comes out is no number.
        """
        tokens: Any = np.zeros((1, *self._token_shape), np.float32)
        images = [np.zeros((1, *self.image_shape), np.uint8)] * (self.frames + 1)
        if self._has_encoder:
            tokens = self.encode(*images)
            self._check_finite("encoder", tokens)
        if self._streams:
            sizes = STEP_INPUTS.values()
            outputs = self.step(*(np.zeros((1, size), np.float32) for size in sizes))
            self._check_outputs("heads", outputs)
            return
        for head in self.heads:
            outputs = self.run_head(head, *(images if head in READS_IMAGES else [tokens]))
            self._check_outputs(head, outputs)

    def _check_outputs(self, part: str, outputs: Outputs) -> None:
        for values in outputs.values():
            self._check_finite(part, values)

    def _check_finite(self, part: str, values: Any) -> None:
        if not math.isfinite(float(abs(values).max())):
            raise WeightsError(
                f"{self._weights}: wanted finite numbers of the {part} of model {self._model}, "
                "found NaN or infinity for a black image; its weights are damaged, fetch or train "
                "them again"
            )

    @abstractmethod
    def _encode(self, inputs: Sequence[NDArray]) -> Any: ...

    @abstractmethod
    def _run_head(self, head: str, inputs: Sequence[Any]) -> Outputs: ...

    def _step(self, inputs: Mapping[str, NDArray[np.float32]]) -> Outputs:
        raise ModelError(f"streaming models run on ONNX Runtime only, not on {self.description}")

    def _check_images(self, images: Sequence[NDArray[np.uint8]]) -> None:
        if len(images) != self.frames + 1:
            raise FrameError(
                f"engine input: wanted {self.frames} frames and a background, found {len(images)} "
                "images"
            )
        wanted = (len(images[0]), *self.image_shape)
        for image in images:
            if image.shape != wanted or image.dtype != np.uint8:
                raise FrameError(
                    f"engine input: wanted uint8 images {wanted}, found {image.dtype} {image.shape}"
                )

    def _check_tokens(self, head: str, tokens: Any) -> None:
        dtype = str(tokens.dtype).removeprefix("torch.")
        if tokens.ndim != 3 or tuple(tokens.shape[1:]) != self._token_shape or dtype != "float32":
            count, channels = self._token_shape
            raise ModelError(
                f"head {head!r}: wanted tokens (B, {count}, {channels}) float32, found "
                f"{tuple(tokens.shape)} {dtype}; do encoder and head use the same model?"
            )
