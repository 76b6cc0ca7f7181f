# SPDX-License-Identifier: Apache-2.0
"""Run a model's safetensors weights with torch, for a CUDA GPU (or a CPU, to compare with)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.engines import check_decode, check_images
from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_SHAPE, IMAGE_WIDTH
from sparsh_ros.models.checkpoints import load_model_encoder, load_model_head
from sparsh_ros.models.preprocess import Preprocess
from sparsh_ros.models.spec import ModelSpec


class TorchEngine:
    """Encoder and heads as torch modules; see `sparsh_ros.engines.Engine`.

    Tokens stay on the device between `encode` and `decode`.

    Args:
        spec: The model; its weights folder holds `encoder.safetensors`, `heads.safetensors`.
        heads: Names of the heads to load.
        encoder: Whether to load the encoder.
        device: "cuda" or "cpu".

    Raises:
        WeightsError: A file is missing, broken or of another architecture.
    """

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        device: str = "cuda",
    ) -> None:
        self._device = torch.device(device)
        self._token_shape = (spec.tokens, spec.width)
        self.frames = spec.frames
        self.heads = tuple(heads)
        self._preprocess = Preprocess(
            (IMAGE_HEIGHT, IMAGE_WIDTH),
            (spec.image_height, spec.image_width),
            clip=spec.tubelet is not None,
        ).to(self._device)
        self._encoder = load_model_encoder(spec).to(self._device) if encoder else None
        self._heads = {name: load_model_head(name, spec).to(self._device) for name in heads}
        cuda = self._device.type == "cuda"
        place = torch.cuda.get_device_name(self._device) if cuda else "CPU"
        self.description = f"torch {torch.__version__} on {place}, float32"

    @torch.inference_mode()
    def encode(self, *images: NDArray[np.uint8]) -> Tensor:
        """Encode standard images to tokens (B, N, D) float32 on the device."""
        check_images(images, self.frames)
        pixels = self._preprocess(*(self._upload(image) for image in images))
        # cuDNN would project the patches in TF32, three digits short of the other engines.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return self._encoder(pixels)

    @torch.inference_mode()
    def decode(
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
        if self._encoder is not None:
            image = np.zeros((1, *IMAGE_SHAPE), np.uint8)
            tokens = self.encode(*[image] * (self.frames + 1))
        for head in self.heads:
            self.decode(head, tokens)

    def _upload(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
