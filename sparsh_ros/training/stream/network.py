# SPDX-License-Identifier: Apache-2.0
"""Encoder, friction observer and heads in one, for whole sequences with gradients.

Live, the same encoder and heads run as ONNX files and the same observer on NumPy.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sparsh_ros.models import streaming
from sparsh_ros.models.stream_layout import (
    CELLS,
    CHANNELS,
    COLUMNS,
    HIDDEN,
    HYPOTHESES,
    NOMINAL_MM,
    READINGS,
    ROWS,
)
from sparsh_ros.perception.friction_observer import (
    Prior,
    Sight,
    State,
    fresh_state,
    observe,
)
from sparsh_ros.training.schedule import load_checkpoint
from sparsh_ros.training.stream.batches import Batch


class Outputs(NamedTuple):
    """What the network says of B sequences of T steps; see `Batch` for shapes and units.

    Attributes:
        pressure, cover, seen, motion: what the encoder sees.
        motion_scale: (B, T, 3) logs of Laplace scales, mm.
        stretch: (B, T, 2, 20, 15) what the observer makes of it.
        log_weight: (B, T, K) of its hypotheses.
        readings: (B, T, F) of the observer.
        heads: outputs of the heads, (B, T, ...).
    """

    pressure: Tensor
    cover: Tensor
    seen: Tensor
    motion: Tensor
    motion_scale: Tensor
    stretch: Tensor
    log_weight: Tensor
    readings: Tensor
    heads: dict[str, Tensor]


class StreamNetwork(nn.Module):
    """The whole model with its memory; ablations switch a part of it off."""

    def __init__(self, observer: bool = True, memory: bool = True) -> None:
        """Draw weights.

        Args:
            observer: False hides what the friction observer remembers: it starts again each step.
            memory: False starts observer and heads again each step.
        """
        super().__init__()
        self.encoder = streaming.StreamingEncoder()
        self.heads = streaming.StreamingHeads(len(READINGS))
        self.log_weight = nn.Parameter(torch.zeros(HYPOTHESES))
        self.memory = nn.Parameter(torch.tensor(3.0))
        self._observes, self._remembers = observer and memory, memory

    def prior(self) -> Prior:
        """What the observer believes before evidence."""
        return Prior(torch.log_softmax(self.log_weight, 0), torch.sigmoid(self.memory))

    def forward(self, batch: Batch) -> Outputs:
        """Estimate whole sequences; what is remembered ends with contact."""
        tokens = self._encode(batch)
        sight, whole = unpack(tokens, batch.size, batch.interval_s)
        touched = torch.cat([batch.contact[:, :1] & False, batch.contact[:, :-1]], 1).float()
        stretch, log_weight, readings = self._observe(sight, touched)
        heads = self._decode(whole, readings, touched)
        scale = whole[:, :, 3:6]
        return Outputs(
            sight.pressure,
            sight.cover,
            sight.stretch,
            sight.motion,
            scale,
            stretch,
            log_weight,
            readings,
            heads,
        )

    def _encode(self, batch: Batch) -> Tensor:
        count, length = batch.frames.shape[:2]
        background = batch.background[:, None].expand(-1, length - 1, -1, -1, -1)
        pairs = (batch.frames[:, 1:], batch.frames[:, :-1], background)
        flat = [part.flatten(0, 1) for part in pairs]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            tokens = self.encoder.encode(*flat)
        return tokens.float().unflatten(0, (count, length - 1))

    def _observe(self, sight: Sight, touched: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        prior, state = self.prior(), fresh_state(torch, len(touched))
        found = []
        for step in range(touched.shape[1]):
            kept = touched[:, step] * float(self._observes)
            state = State(*(part * kept.reshape(-1, *[1] * (part.dim() - 1)) for part in state))
            state, estimate = observe(
                torch, prior, state, Sight(*(part[:, step] for part in sight))
            )
            found.append((estimate.stretch, estimate.log_weight, estimate.readings))
        return tuple(torch.stack(parts, 1) for parts in zip(*found, strict=True))

    def _decode(self, whole: Tensor, readings: Tensor, touched: Tensor) -> dict[str, Tensor]:
        hidden = whole.new_zeros(len(whole), HIDDEN)
        found = []
        for step in range(whole.shape[1]):
            hidden = hidden * touched[:, step, None] * float(self._remembers)
            found.append(self.heads(whole[:, step], readings[:, step], hidden))
            hidden = found[-1]["next_hidden"]
        return {name: torch.stack([each[name] for each in found], 1) for name in found[0]}


def unpack(tokens: Tensor, size: Tensor, interval_s: Tensor) -> tuple[Sight, Tensor]:
    """Read tokens (B, T, TOKENS, CHANNELS) as what observer and heads take, (B, T, ...) each.

    Args:
        tokens: of the encoder.
        size: (B, 2) extent of the gel, mm.
        interval_s: (B,).
    """
    count, length = tokens.shape[:2]
    maps = tokens[:, :, :CELLS].transpose(2, 3).reshape(count, length, CHANNELS, ROWS, COLUMNS)
    scale = (size[:, 1] / NOMINAL_MM[1])[:, None]
    whole = tokens[:, :, CELLS:].flatten(2)
    whole = torch.cat([whole[..., :2] * scale[..., None], whole[..., 2:]], 2)
    sight = Sight(
        maps[:, :, 0],
        maps[:, :, 1],
        maps[:, :, 2:4] * scale[:, :, None, None, None],
        maps[:, :, 4],
        maps[:, :, 5],
        whole[..., :3],
        size[:, None].expand(-1, length, -1),
        interval_s[:, None].expand(-1, length),
    )
    return sight, whole


def read_network(path: Path) -> StreamNetwork:
    """The network of a `best.pt`, ready to be used."""
    network = StreamNetwork()
    network.load_state_dict(load_checkpoint(path)["network"])
    return network.eval()
