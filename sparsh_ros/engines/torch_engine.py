# SPDX-License-Identifier: Apache-2.0
"""Run a model's safetensors weights or published files with torch, on a CUDA GPU or a CPU.

On a GPU, encoder and heads are one CUDA graph per batch size, see `cuda_graphs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.engines.base import Engine, Outputs
from sparsh_ros.engines.bfloat16 import Bfloat16Encoder
from sparsh_ros.engines.cuda_graphs import GraphedBatches
from sparsh_ros.engines.parity import Parity, admit
from sparsh_ros.models.graphs import encoder_graph, head_graph
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.spec import ModelSpec

_RECIPE = "1"  # of `Bfloat16Encoder`


class TorchEngine(Engine):
    """Encoder and heads as torch modules; tokens stay on the device between them."""

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        device: str = "cuda",
        threads: int | None = None,
        bfloat16: bool = False,
        graphs: bool | None = None,
    ) -> None:
        """Load the modules.

        Args:
            spec: The model; its weights folder holds `encoder.safetensors`, `heads.safetensors`,
                or published files.
            heads: Names of the heads to load.
            encoder: Whether to load the encoder.
            device: "cuda" or "cpu".
            threads: CPU threads, of the whole process; None leaves them as they are.
            bfloat16: Run the encoder in bfloat16, see `Bfloat16Encoder`.
            graphs: Run encoder and heads as one, in batches of some sizes; None: on a GPU.

        Raises:
            WeightsError: A file is missing, broken or of another architecture.
            ModelError: The encoder cannot feed the force-field decoder, or in bfloat16 its tokens
                differ too much from those of float32.
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
        precision = "float32"
        if bfloat16 and network is not None:
            precision = f"bfloat16 ({self._take_bfloat16(spec, place)})"
        self._graphed = self._fresh = None
        if encoder and (self.on_gpu if graphs is None else graphs):
            self._graphed = GraphedBatches(self._compute, self._device)
        self.description = f"torch {torch.__version__} on {place}, {precision}"

    def _take_bfloat16(self, spec: ModelSpec, place: str) -> Parity:
        """Encode in bfloat16 from now on.

        Raises:
            ModelError: The tokens are others.
        """
        exact, self._encoder = self._encoder, Bfloat16Encoder(self._encoder).to(self._device)
        return admit(
            spec,
            "bfloat16",
            f"bfloat16; {_RECIPE}; torch {torch.__version__}; {place}",
            lambda *clips: self._run_eager(exact, clips),
            lambda *clips: self._run_eager(self._encoder, clips),
        )

    def warm_up(self) -> None:
        super().warm_up()
        if self._graphed is not None:
            image = np.zeros((1, *self.image_shape), np.uint8)
            ids = [np.zeros(1, np.int64)] if self._tells_sensor else []
            self._graphed.prepare([*[image] * (self.frames + 1), *ids])

    def _encode(self, inputs: Sequence[NDArray]) -> Tensor:
        if self._graphed is None:
            return self._run_eager(self._encoder, inputs)
        with _exact():
            self._fresh = self._graphed.run(inputs)
        return self._fresh[0]

    @torch.inference_mode()
    def _run_eager(self, encoder: nn.Module, inputs: Sequence[NDArray]) -> Tensor:
        with _exact():
            return encoder(*(self._upload(array) for array in inputs))

    def _compute(self, *inputs: Tensor) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
        """Tokens, and what the heads that read them say."""
        tokens = self._encoder(*inputs)
        heads = {name: head for name, head in self._heads.items() if name not in READS_IMAGES}
        return tokens, {name: head(tokens) for name, head in heads.items()}

    @torch.inference_mode()
    def _run_head(self, head: str, inputs: Sequence[Tensor | NDArray]) -> Outputs:
        if self._fresh is not None and inputs[0] is self._fresh[0]:
            return self._fresh[1][head]  # came with the tokens
        tensors = [self._upload(x) if isinstance(x, np.ndarray) else x for x in inputs]
        with _exact():
            outputs = self._heads[head](*tensors)
        return {name: value.cpu().numpy() for name, value in outputs.items()}

    def _upload(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def _exact() -> AbstractContextManager[None]:
    """cuDNN would convolve in TF32, three digits short of the other engines."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
