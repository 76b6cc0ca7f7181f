# SPDX-License-Identifier: Apache-2.0
"""A trained policy: an ONNX file with its normalisation in the graph and its limits beside it.

The graph maps an observation and noise to a chunk of actions. Its metadata say what it sees, what
its actions are and how large they were at most in the demonstrations: nothing else is needed, and
no torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sparsh_ros.errors import WeightsError
from sparsh_ros.resources import weights_path

KINDS = ("diffusion", "chunks", "felt")
"""Diffusion over chunks of joint angles, their regression, and chunks of twists by what is felt."""
SHIPPED = weights_path("bead_maze", "felt.onnx")
"""The policy that ships."""
_KEY = "sparsh_ros.policy"


@dataclass(frozen=True)
class PolicyCard:
    """What a policy is.

    Attributes:
        kind: of `KINDS`.
        rate_hz: actions per second.
        observation: "features", "images" or "felt".
        actions: "joints", changes of the seven joint angles, rad; or "twist", of the hand in the
            felt frame, m and rad.
        limits: of each action, absolute.
        replan: actions to carry out before the policy is asked again.
        without: what it does not see, see `observation.GROUPS`.
        demonstrations: that it learned from.
        seed: of its training.
    """

    kind: str
    rate_hz: float
    observation: str
    actions: str
    limits: tuple[float, ...]
    replan: int
    without: str = ""
    demonstrations: int = 0
    seed: int = 0


class Policy:
    """Runs the ONNX file of a policy.

    Attributes:
        card: what it is.
    """

    def __init__(self, path: Path | str) -> None:
        """Load it for one CPU thread.

        Raises:
            WeightsError: The file is missing, damaged or no policy.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            text = self._session.get_modelmeta().custom_metadata_map[_KEY]
            values = json.loads(text)
            self.card = PolicyCard(**values | {"limits": tuple(values["limits"])})
        except Exception as error:  # ONNX Runtime has no root of its errors
            raise WeightsError(
                f"policy {path}: wanted an ONNX file of `sparsh-ros train policy`, found {error}"
            ) from error
        self._inputs = {entry.name: entry.shape for entry in self._session.get_inputs()}
        self._limits = np.array(self.card.limits, np.float32)

    @property
    def observation_size(self) -> int:
        """Values of an observation."""
        return self._inputs["observation"][1]

    def act(
        self, observation: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """A chunk (CHUNK, 7 or 6) of actions within the policy's limits.

        Args:
            observation: (STEPS * size,) of `Observer`.
            rng: of the noise that a diffusion policy begins with.

        Raises:
            WeightsError: The policy gave something that is not a number.
        """
        feeds = {"observation": observation[None]}
        if "noise" in self._inputs:
            shape = self._inputs["noise"]
            feeds["noise"] = rng.standard_normal(shape).astype(np.float32)
        chunk = self._session.run(None, feeds)[0][0]
        if not np.isfinite(chunk).all():
            raise WeightsError(f"policy {self.card.kind}: gave actions that are not numbers")
        return np.clip(chunk, -self._limits, self._limits)


def metadata(card: PolicyCard) -> dict[str, str]:
    """What to put into the metadata of the ONNX file."""
    return {_KEY: json.dumps(asdict(card))}
