# SPDX-License-Identifier: Apache-2.0
"""Networks of the policies, with normalisation inside.

`ChunkNet` regresses a chunk of actions, as ACT does (Zhao et al., 2023), without its variational
style and its transformer: the observations here are short vectors. `DiffusionNet` draws chunks
(Chi et al., 2023): it foretells the noise in a disturbed chunk; drawing undoes it step by step
(Ho et al., 2020), in few steps (Song et al., 2021).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.policies.observation import CHUNK

DIFFUSION_STEPS = 100
DRAW_STEPS = 10
_DRAWN = [round(x) for x in np.linspace(DIFFUSION_STEPS - 1, 0, DRAW_STEPS)]


class Normalised(nn.Module):
    """A network between normalised observations and normalised actions."""

    def __init__(self, observations: Tensor, actions: Tensor) -> None:
        """Measure the training data.

        Args:
            observations: (N, size).
            actions: (N, HORIZON, A).
        """
        super().__init__()
        spread = observations.std(0)
        # What hardly varies in the data carries no meaning, only noise.
        self.register_buffer("centre", observations.mean(0))
        self.register_buffer("inverse", torch.where(spread > 1e-4, 1.0 / (spread + 1e-6), 0.0))
        flat = actions.flatten(0, 1)
        self.register_buffer("action_centre", flat.mean(0))
        self.register_buffer("action_scale", flat.std(0) + 1e-6)

    @property
    def observation_size(self) -> int:
        """Values of an observation."""
        return len(self.centre)

    def see(self, observation: Tensor) -> Tensor:
        """Normalise observations (B, size)."""
        return ((observation - self.centre) * self.inverse).clamp(-6.0, 6.0)

    def normalise(self, actions: Tensor) -> Tensor:
        """Normalise actions (B, T, A)."""
        return (actions - self.action_centre) / self.action_scale

    def restore(self, actions: Tensor) -> Tensor:
        """Actions (B, T, A) in their units again."""
        return actions * self.action_scale + self.action_centre


class ChunkNet(Normalised):
    """Observation -> chunk, by regression."""

    def __init__(self, observations: Tensor, actions: Tensor, width: int = 256) -> None:
        """Draw weights; arguments as for `Normalised`."""
        super().__init__(observations, actions)
        self.size = actions.shape[2]
        self.body = nn.Sequential(
            nn.Linear(observations.shape[1], width),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(width, CHUNK * self.size),
        )

    def forward(self, observation: Tensor) -> Tensor:
        """(B, CHUNK, A) actions of (B, size)."""
        return self.restore(self.body(self.see(observation)).unflatten(1, (CHUNK, self.size)))

    def loss(self, observation: Tensor, actions: Tensor) -> Tensor:
        """Mean absolute error of normalised actions (B, T, A) after observations (B, size): ACT's
        loss (Zhao et al., 2023)."""
        chunk = self.normalise(actions[:, 1 : 1 + CHUNK])
        return (self.normalise(self(observation)) - chunk).abs().mean()


class DiffusionNet(Normalised):
    """Observation and noise -> chunk, by diffusion."""

    def __init__(self, observations: Tensor, actions: Tensor, width: int = 64) -> None:
        """Draw weights; arguments as for `Normalised`."""
        super().__init__(observations, actions)
        self.size = actions.shape[2]
        # Drawing begins with noise alone, from which any guess is wild: it is cut to what nearly
        # all actions are within, which has to be as narrow as they are.
        bound = np.quantile(np.abs((actions.flatten(0, 1) - self.action_centre).numpy()), 0.99, 0)
        self.action_scale.copy_(torch.from_numpy(bound) + 1e-6)
        self.condition = nn.Sequential(
            nn.Linear(observations.shape[1] + 32, 128), nn.GELU(), nn.Linear(128, 128)
        )
        self.enter = nn.Conv1d(self.size, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(width, 128) for _ in range(4))
        self.leave = nn.Conv1d(width, self.size, 1)
        self.register_buffer("kept", _squared_cosine(), persistent=False)
        self.register_buffer("waves", torch.exp(torch.linspace(0, -6, 16)), persistent=False)

    def noise_in(self, disturbed: Tensor, seen: Tensor, step: Tensor) -> Tensor:
        """The noise (B, HORIZON, A) in disturbed actions, at diffusion steps (B,)."""
        angles = step[:, None].float() * self.waves
        time = torch.cat([angles.sin(), angles.cos()], 1)
        condition = self.condition(torch.cat([seen, time], 1))
        x = self.enter(disturbed.transpose(1, 2))
        for block in self.blocks:
            x = block(x, condition)
        return self.leave(x).transpose(1, 2)

    def loss(self, observation: Tensor, actions: Tensor) -> Tensor:
        """Mean squared error of the noise on actions (B, T, A) after observations (B, size)."""
        clean, seen = self.normalise(actions).clamp(-1.0, 1.0), self.see(observation)
        step = torch.randint(0, DIFFUSION_STEPS, (len(clean),))
        noise = torch.randn_like(clean)
        kept = self.kept[step][:, None, None]
        disturbed = kept.sqrt() * clean + (1.0 - kept).sqrt() * noise
        return F.mse_loss(self.noise_in(disturbed, seen, step), noise)

    def forward(self, observation: Tensor, noise: Tensor) -> Tensor:
        """(B, CHUNK, A) actions drawn with DDIM from noise (B, HORIZON, A)."""
        seen, x = self.see(observation), noise
        for now, after in zip(_DRAWN, [*_DRAWN[1:], -1], strict=True):
            kept = self.kept[now]
            left = self.kept[after] if after >= 0 else torch.ones(())
            found = self.noise_in(x, seen, torch.full((len(x),), now))
            clean = ((x - (1.0 - kept).sqrt() * found) / kept.sqrt()).clamp(-1.0, 1.0)
            x = left.sqrt() * clean + (1.0 - left).sqrt() * found
        return self.restore(x)[:, 1 : 1 + CHUNK]


class _Block(nn.Module):
    """Residual convolution along time, scaled and shifted by the condition (FiLM)."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.film = nn.Linear(condition, 2 * width)
        self.norm = nn.GroupNorm(8, width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[:, :, None].chunk(2, 1)
        inner = F.gelu(self.norm(self.first(x))) * (1.0 + scale) + shift
        return x + self.second(F.gelu(inner))


def _squared_cosine() -> Tensor:
    """(DIFFUSION_STEPS,) share of the signal that is left (Nichol and Dhariwal, 2021)."""
    moments = (torch.arange(DIFFUSION_STEPS + 1) / DIFFUSION_STEPS + 0.008) / 1.008
    signal = torch.cos(moments * math.pi / 2) ** 2
    lost = (1.0 - signal[1:] / signal[:-1]).clamp(max=0.999)
    return torch.cumprod(1.0 - lost, 0)
