# SPDX-License-Identifier: Apache-2.0
"""A transformer encoder that computes in bfloat16 on torch, on a GPU or a CPU that has it.

Blocks hold and pass on 8 bits of mantissa. What goes in is exact all the same: patches are embedded
as whole grey levels of difference from the untouched gel, -127 to 128, which bfloat16 holds, where
pixels around 0.5 would lose half a level. Positions and the last norm are float32.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.graphs import EncoderGraph
from sparsh_ros.models.layers import cut_patches
from sparsh_ros.models.transforms import NEUTRAL

_WHITE = 255.0


class Bfloat16Encoder(nn.Module):
    """Images as of the model, (B, H, W, 3) uint8 RGB each, newest first -> tokens (B, N, D).

    Args:
        graph: What does the same in float32; left as it is.
    """

    def __init__(self, graph: EncoderGraph) -> None:
        super().__init__()
        encoder = graph.encoder
        self.preprocess = graph.preprocess
        self.norm = encoder.norm
        self.reduced = copy.deepcopy(encoder).bfloat16()
        projection = encoder.patch_embed.proj
        self._kernel = projection.kernel_size
        matrix = projection.weight.detach().flatten(1)
        self.register_buffer("matrix", (matrix / _WHITE).bfloat16())
        bias = projection.bias.detach() + matrix.sum(dim=1) * NEUTRAL / _WHITE
        self.register_buffer("start", encoder._positions().detach() + bias)

    def forward(self, *images: Tensor) -> Tensor:
        """Encode images."""
        levels = (self.preprocess(*images) * _WHITE - NEUTRAL).bfloat16()
        x = F.linear(cut_patches(levels, self._kernel), self.matrix).float() + self.start
        x = self.reduced._through_blocks(x.bfloat16())[:, self.reduced.config.registers :]
        return self.norm(x.float())
