# SPDX-License-Identifier: Apache-2.0
"""Policies that learn their encoder too, from the images of the demonstrations.

Fine-tuned begins with the encoder that ships, end to end with random weights; the network behind it
is that of a frozen encoder, and so is how its features are pooled (`sparsh_ros.policies.touch`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sparsh_ros.models.streaming.layout import CELLS, CHANNELS, COLUMNS, ROWS, SMALL_SHAPE
from sparsh_ros.models.streaming.network import StreamingEncoder
from sparsh_ros.names import ENCODER_FILE, STREAM_MODEL
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.observation import STEPS
from sparsh_ros.policies.touch import POOL_COLUMNS, POOL_ROWS
from sparsh_ros.resources import weights_path
from sparsh_ros.training.policy.networks import Normalised
from sparsh_ros.training.policy.samples import LAGS, chunk_at, held_rows

FINE_TUNED, END_TO_END = "fine-tuned", "end-to-end"
_SIDES, _FRAMES, _JOINTS = 2, 3, 7
_MEASURED = 256  # pairs by whose features these are normalised
_BATCH = 64  # of validation


class ImagePairs:
    """Pairs of images and chunk of joint angles, by rows of all demonstrations in a row.

    Attributes:
        actions: (N, HORIZON, 7).
    """

    def __init__(self, demonstrations: Sequence[Demonstration]) -> None:
        """Take all pairs during whose chunk the hand held the bead."""
        columns = [demonstration.columns for demonstration in demonstrations]
        self._images = torch.from_numpy(np.concatenate([one["images"] for one in columns]))
        self._backgrounds = torch.from_numpy(np.stack([one["backgrounds"] for one in columns]))
        joints = np.concatenate([one["joints"] for one in columns]).astype(np.float32)
        self._joints = torch.from_numpy(joints)
        places, actions, first = [], [], 0
        for number, one in enumerate(columns):
            moves = one["wanted_joints"] - one["commanded"]
            for lag in LAGS:
                for index in np.flatnonzero(held_rows(demonstrations[number])):
                    places.append((number, first, index, lag))
                    actions.append(chunk_at(moves, index))
            first += len(one["joints"])
        self._places = torch.tensor(np.array(places))
        self.actions = torch.from_numpy(np.stack(actions).astype(np.float32))

    def __len__(self) -> int:
        return len(self.actions)

    def see(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, STEPS, 2, 3, 80, 60, 3) uint8 of both fingertips, each with the one before it
        and that of the untouched gel, and joints (B, STEPS, 7)."""
        number, first, index, lag = self._places[rows].T
        images, joints = [], []
        for back in range(STEPS - 1, -1, -1):
            at = (index - back).clamp(min=0)
            felt = (at - lag).clamp(min=0)
            now, before = (self._images[first + (felt - ago).clamp(min=0)] for ago in (0, 1))
            images.append(torch.stack([now, before, self._backgrounds[number]], 2))
            joints.append(self._joints[first + at])
        return torch.stack(images, 1), torch.stack(joints, 1)

    def loss(self, network: SeeingNet, rows: Tensor) -> Tensor:
        """Of a network on some rows."""
        return network.loss(*self.see(rows), self.actions[rows])

    def mean_loss(self, network: SeeingNet) -> Tensor:
        """Of a network on all of them."""
        parts = torch.arange(len(self)).split(_BATCH)
        return sum(self.loss(network, rows) * len(rows) for rows in parts) / len(self)


class SeeingNet(nn.Module):
    """Images and joints -> chunk.

    Attributes:
        observation_size: values of an observation of `policies.observation.image_vector`, STEPS of
            them.
        size: values of an action.
    """

    def __init__(self, encoder: StreamingEncoder, policy: Normalised) -> None:
        """Put a policy behind an encoder."""
        super().__init__()
        self.encoder, self.policy = encoder, policy
        self.observation_size = STEPS * (_SIDES * _FRAMES * int(np.prod(SMALL_SHAPE)) + _JOINTS)
        self.size = policy.size

    def features(self, images: Tensor, joints: Tensor) -> Tensor:
        """(B, STEPS * (2 * POOLED + 7)) of `ImagePairs.see`."""
        current, previous, background = images.flatten(0, 2).unbind(1)
        tokens = self.encoder(current, previous, background)
        pooled = _pool(tokens).unflatten(0, (-1, STEPS, _SIDES)).flatten(2)
        return torch.cat([pooled, joints], 2).flatten(1)

    def loss(self, images: Tensor, joints: Tensor, actions: Tensor) -> Tensor:
        """Of the policy; what is before it computes in bfloat16, in half the time."""
        with torch.autocast("cpu", torch.bfloat16):
            features = self.features(images, joints)
        return self.policy.loss(features.float(), actions)

    def forward(self, observation: Tensor, *noise: Tensor) -> Tensor:
        """(B, CHUNK, 7) actions of observations (B, observation_size)."""
        steps = observation.unflatten(1, (STEPS, -1))
        images = steps[:, :, :-_JOINTS].unflatten(2, (_SIDES, _FRAMES, *SMALL_SHAPE))
        return self.policy(self.features(images, steps[:, :, -_JOINTS:]), *noise)

    def train(self, mode: bool = True) -> SeeingNet:
        """Statistics of a trained encoder's batches stay as they are."""
        super().train(mode)
        if self.encoder.is_trained:
            self.encoder.eval()
        return self


def make_network(kind: type[Normalised], pairs: ImagePairs, encoder: str) -> SeeingNet:
    """A network to train.

    Args:
        kind: of the policy behind the encoder.
        pairs: to train on; some of them tell how the features are spread.
        encoder: `FINE_TUNED` or `END_TO_END`.
    """
    network = StreamingEncoder()
    network.is_trained = encoder == FINE_TUNED
    if network.is_trained:
        network.load_state_dict(load_file(str(weights_path(STREAM_MODEL, ENCODER_FILE))))
    seeing = SeeingNet(network, kind(torch.zeros(2, 1), pairs.actions))
    some = torch.randperm(len(pairs))[:_MEASURED]
    with torch.no_grad():
        features = seeing.eval().features(*pairs.see(some))
    seeing.policy = kind(features, pairs.actions)
    return seeing


def _pool(tokens: Tensor) -> Tensor:
    """As `policies.touch.pool` does: (B, POOLED) of (B, TOKENS, CHANNELS)."""
    shape = (POOL_ROWS, ROWS // POOL_ROWS, POOL_COLUMNS, COLUMNS // POOL_COLUMNS, CHANNELS)
    means = tokens[:, :CELLS].unflatten(1, shape[:-1]).mean((2, 4))
    return torch.cat([means.flatten(1), tokens[:, CELLS:].flatten(1)], 1)
