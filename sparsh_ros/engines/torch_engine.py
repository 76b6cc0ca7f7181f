# SPDX-License-Identifier: Apache-2.0
"""Run a model's safetensors weights or published files with torch, on a CUDA GPU or a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.engines.base import Engine, Outputs
from sparsh_ros.models.graphs import encoder_graph, head_graph
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.spec import ModelSpec


class TorchEngine(Engine):
    """Encoder and heads as torch modules; tokens stay on the device between them."""

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        device: str = "cuda",
        threads: int | None = None,
    ) -> None:
        """Load the modules.

        Args:
            spec: The model; its weights folder holds `encoder.safetensors`, `heads.safetensors`,
                or published files.
            heads: Names of the heads to load.
            encoder: Whether to load the encoder.
            device: "cuda" or "cpu".
            threads: CPU threads, of the whole process; None leaves them as they are.

        Raises:
            WeightsError: A file is missing, broken or of another architecture.
            ModelError: The encoder cannot feed the force-field decoder.
        """
        super().__init__(spec, heads, encoder)
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        network = load_model_encoder(spec) if encoder else None
        self._encoder = None if network is None else encoder_graph(network).to(self._device)
        self._heads = {
            name: head_graph(name, head, network).to(self._device)
            for name, head in load_model_heads(self.heads, spec).items()
        }
        self.on_gpu = self._device.type == "cuda"
        count = torch.get_num_threads()
        place = f"CPU, {count} thread{'s' if count > 1 else ''}"
        if self.on_gpu:
            place = torch.cuda.get_device_name(self._device)
        self.description = f"torch {torch.__version__} on {place}, float32"

    @torch.inference_mode()
    def _encode(self, inputs: Sequence[NDArray]) -> Tensor:
        with _exact():
            return self._encoder(*(self._upload(array) for array in inputs))

    @torch.inference_mode()
    def _run_head(self, head: str, inputs: Sequence[Tensor | NDArray]) -> Outputs:
        tensors = [self._upload(x) if isinstance(x, np.ndarray) else x for x in inputs]
        with _exact():
            outputs = self._heads[head](*tensors)
        return {name: value.cpu().numpy() for name, value in outputs.items()}

    def _upload(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def _exact() -> AbstractContextManager[None]:
    """cuDNN would convolve in TF32, three digits short of the other engines."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
