# SPDX-License-Identifier: Apache-2.0
"""Run a model's safetensors weights or published files with torch, on a CUDA GPU or a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.engines import check_decode, check_force_field, check_images
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.checkpoints.checkpoints import load_model_encoder
from sparsh_ros.models.checkpoints.decoders import load_model_head
from sparsh_ros.models.checkpoints.head_facts import FORCE_FIELD
from sparsh_ros.models.graphs import EncoderGraph, ForceFieldGraph
from sparsh_ros.models.spec import ModelSpec


class TorchEngine:
    """Encoder and heads as torch modules; see `sparsh_ros.engines.Engine`.

    Tokens stay on the device between `encode` and `decode`.

    Args:
        spec: The model; its weights folder holds `encoder.safetensors`, `heads.safetensors`, or
            published files.
        heads: Names of the heads to load.
        encoder: Whether to load the encoder.
        device: "cuda" or "cpu".
        threads: CPU threads, of the whole process; None leaves them as they are.

    Raises:
        WeightsError: A file is missing, broken or of another architecture.
        ModelError: The encoder cannot feed the force-field decoder.
    """

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        device: str = "cuda",
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._token_shape = (spec.tokens, spec.width)
        self.frames = spec.frames
        self.heads = tuple(name for name in heads if name != FORCE_FIELD)
        self._encoder: EncoderGraph | None = None
        if encoder:
            self._encoder = EncoderGraph(load_model_encoder(spec)).to(self._device)
        self._heads = {name: load_model_head(name, spec).to(self._device) for name in self.heads}
        self._field: ForceFieldGraph | None = None
        if FORCE_FIELD in heads and encoder:
            decoder = load_model_head(FORCE_FIELD, spec).to(self._device)
            self._field = ForceFieldGraph(self._encoder.encoder, decoder).to(self._device)
        self.maps = () if self._field is None else self._field.outputs
        self.on_gpu = self._device.type == "cuda"
        count = torch.get_num_threads()
        place = f"CPU, {count} thread{'s' if count > 1 else ''}"
        if self.on_gpu:
            place = torch.cuda.get_device_name(self._device)
        self.description = f"torch {torch.__version__} on {place}, float32"

    @torch.inference_mode()
    def encode(self, *images: NDArray[np.uint8]) -> Tensor:
        """Encode standard images to tokens (B, N, D) float32 on the device."""
        check_images(images, self.frames)
        with _exact():
            return self._encoder(*(self._upload(image) for image in images))

    @torch.inference_mode()
    def force_field(self, *images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Read the maps of the force field, (B, 1 or 2, H, W) float32 each."""
        check_force_field(self.maps)
        check_images(images, self.frames)
        with _exact():
            maps = self._field(*(self._upload(image) for image in images))
        return {name: value.cpu().numpy() for name, value in maps.items()}

    @torch.inference_mode()
    def run_head(
        self, head: str, tokens: Tensor | NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one head on tokens (B, N, D) float32, a tensor or a NumPy array."""
        check_decode(head, tokens, self.heads, self._token_shape)
        if isinstance(tokens, np.ndarray):
            tokens = self._upload(tokens)
        return {name: value.cpu().numpy() for name, value in self._heads[head](tokens).items()}

    def warm_up(self) -> None:
        """Run everything once: the first run compiles and allocates."""
        tokens = np.zeros((1, *self._token_shape), np.float32)
        images = [np.zeros((1, *IMAGE_SHAPE), np.uint8)] * (self.frames + 1)
        if self._encoder is not None:
            tokens = self.encode(*images)
        if self.maps:
            self.force_field(*images)
        for head in self.heads:
            self.run_head(head, tokens)

    def _upload(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def _exact() -> AbstractContextManager[None]:
    """cuDNN would convolve in TF32, three digits short of the other engines."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
