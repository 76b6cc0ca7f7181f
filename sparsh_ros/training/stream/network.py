# SPDX-License-Identifier: Apache-2.0
"""Encoder, friction observer and heads in one, for whole sequences with gradients.

Live, the same encoder and heads run as ONNX files and the same observer on NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sparsh_ros.models.streaming import network
from sparsh_ros.models.streaming.layout import (
    CELLS,
    CHANNELS,
    COLUMNS,
    HEAD_READINGS,
    HYPOTHESES,
    NOMINAL_MM,
    PACE_S,
    ROWS,
)
from sparsh_ros.models.streaming.variants import FinerEncoder, KeyFrameEncoder
from sparsh_ros.perception.streaming.friction_observer import (
    Prior,
    Sight,
    State,
    fresh_state,
    observe,
)
from sparsh_ros.training.schedule import load_checkpoint
from sparsh_ros.training.stream.batches import Batch

KEY_STEPS = 6
"""Half a second."""


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

    def __init__(
        self,
        observer: bool = True,
        memory: bool = True,
        key_frame: bool = False,
        detail: int = 1,
    ) -> None:
        """Draw weights.

        Args:
            observer: False hides what the friction observer remembers: it starts again each step.
            memory: False starts observer and heads again each step.
            key_frame: show the encoder an older frame of the contact besides.
            detail: show it images as many times finer than 80 x 60.
        """
        super().__init__()
        self.encoder = _build_encoder(key_frame, detail)
        self.heads = network.StreamingHeads(len(HEAD_READINGS))
        self.log_weight = nn.Parameter(torch.zeros(HYPOTHESES))
        self.memory = nn.Parameter(torch.tensor(3.0))
        self._observes, self._remembers = observer and memory, memory

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.log_weight.device

    def prior(self) -> Prior:
        """What the observer believes before evidence."""
        return Prior(torch.log_softmax(self.log_weight, 0), torch.sigmoid(self.memory))

    def forward(self, batch: Batch, exact: Sequence[str] = ()) -> Outputs:
        """Estimate whole sequences; what is remembered ends with contact. `exact`: see `see`."""
        seen, whole = self.see(batch, exact)
        touched = batch.touched.float()
        heads = self.decode(whole, seen.readings, touched, batch.interval_s[:, None])
        return seen._replace(heads=heads)

    def forward_live(self, batch: Batch) -> Outputs:
        """The same as live, where the heads remember from every frame to the next.

        Args:
            batch: its B sequences are the chains of one touch, each a frame later than the one
                before, and step by B frames.
        """
        seen, whole = self.see(batch)
        contact = interleave(batch.contact)[None]
        touched = torch.cat([contact[:, :1] & False, contact[:, :-1]], 1).float()
        parts = (interleave(part)[None] for part in (whole, seen.readings))
        frame_s = batch.interval_s[:1, None] / len(whole)
        heads = self.decode(*parts, touched, frame_s)
        chains = {name: value[0].unflatten(0, (-1, len(whole))) for name, value in heads.items()}
        return seen._replace(heads={name: c.transpose(0, 1) for name, c in chains.items()})

    def see(self, batch: Batch, exact: Sequence[str] = ()) -> tuple[Outputs, Tensor]:
        """What encoder and observer make of it, without heads, and the tokens of the whole image,
        (B, T, WHOLE * CHANNELS).

        Args:
            batch: sequences.
            exact: what observer and heads are told as it truly is, of `settings.EXACT`: what
                perfect sight would give.
        """
        tokens = self._encode(batch)
        sight, whole = unpack(tokens, batch.size, batch.interval_s)
        if "motion" in exact:
            sight = sight._replace(motion=batch.motion)
            whole = torch.cat([batch.motion, whole[..., 3:]], 2)
        if "print" in exact:
            sight = sight._replace(pressure=batch.maps[:, :, 0], cover=batch.maps[:, :, 1])
        if "stretch" in exact:
            sight = sight._replace(stretch=batch.maps[:, :, 2:])
        found = self._observe(sight, batch.touched.float())
        maps = (sight.pressure, sight.cover, sight.stretch, sight.motion)
        return Outputs(*maps, whole[:, :, 3:6], *found, {}), whole

    def _encode(self, batch: Batch) -> Tensor:
        count, length = batch.frames.shape[:2]
        background = batch.background[:, None].expand(-1, length - 1, -1, -1, -1)
        images = [batch.frames[:, 1:], batch.frames[:, :-1], background]
        if isinstance(self.encoder, KeyFrameEncoder):
            images.append(key_frames(batch))
        flat = [part.flatten(0, 1) for part in images]
        with torch.autocast(batch.frames.device.type, torch.bfloat16, enabled=self.training):
            tokens = self.encoder.encode(*flat)
        return tokens.float().unflatten(0, (count, length - 1))

    def _observe(self, sight: Sight, touched: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        prior = self.prior()
        state = State(*(part.to(touched.device) for part in fresh_state(torch, len(touched))))
        found = []
        for step in range(touched.shape[1]):
            kept = touched[:, step] * float(self._observes)
            state = State(*(part * kept.reshape(-1, *[1] * (part.dim() - 1)) for part in state))
            state, estimate = observe(
                torch, prior, state, Sight(*(part[:, step] for part in sight))
            )
            found.append((estimate.stretch, estimate.log_weight, estimate.readings))
        return tuple(torch.stack(parts, 1) for parts in zip(*found, strict=True))

    def decode(
        self, whole: Tensor, readings: Tensor, touched: Tensor, step_s: Tensor
    ) -> dict[str, Tensor]:
        """Heads over whole sequences, (B, T, ...) each.

        Args:
            whole: (B, T, WHOLE * CHANNELS) tokens of the whole image.
            readings: (B, T, F) of the observer.
            touched: (B, T) 1 where contact lasts since the step before.
            step_s: (B, 1) or (B, T) time since the step before, s.
        """
        lasting = touched * float(self._remembers)
        since = (lasting * step_s / PACE_S)[..., None]
        return self.heads.follow(whole, torch.cat([readings, since], 2), lasting)


def _build_encoder(key_frame: bool, detail: int) -> network.StreamingEncoder:
    if key_frame:
        return KeyFrameEncoder()
    return network.StreamingEncoder() if detail == 1 else FinerEncoder(detail)


def key_frames(batch: Batch) -> Tensor:
    """(B, T, 3, 80, 60) of each step: the frame `KEY_STEPS` ago, or the contact's first that has a
    partner, if that is later."""
    length = batch.touched.shape[1]
    steps = torch.arange(1, length + 1, device=batch.frames.device).expand_as(batch.touched)
    began = torch.where(batch.touched, 0, steps).cummax(1).values
    key = torch.maximum(steps - KEY_STEPS, began)
    return batch.frames[torch.arange(len(key), device=key.device)[:, None], key]


def to_cpu(outputs: Outputs) -> Outputs:
    """The same, moved there."""
    heads = {name: value.cpu() for name, value in outputs.heads.items()}
    return Outputs(*(value.cpu() for value in outputs[:-1]), heads)


def interleave(values: Tensor) -> Tensor:
    """(B, T, ...) of chains that are a frame apart -> (T B, ...) in order of time."""
    return values.transpose(0, 1).flatten(0, 1)


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
