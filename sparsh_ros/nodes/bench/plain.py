# SPDX-License-Identifier: Apache-2.0
"""The baseline of `sparsh-ros bench graph`: perception as a tactile node is usually written.

One callback per image does everything, in eager float32 torch: it pairs the image with the one
five frames before, and for each head encodes the pair anew. It publishes `slip`, of which only the
stamp means anything, and is measured by the same observer behind the same sensors.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from functools import partial

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Slip
from sparsh_ros.nodes.graph import graph
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.topics import qos

EXECUTABLE = "bench.plain"
_APART = 5  # frames between the two of a pair
_DEPTH = 10  # of the queue, as tutorials have it


class PlainNode(Node):
    """All sensors of a graph, one image after the other."""

    def __init__(self) -> None:
        """Load the model and listen.

        Raises:
            SparshError: The model or its weights cannot be used.
        """
        super().__init__("perception")
        # Here, because nothing else that is live needs torch.
        from sparsh_ros.engines.torch_engine import TorchEngine

        model = self.declare_parameter("model", "").value
        names = [name for name in self.declare_parameter("names", [""]).value if name]
        spec = load_model_spec(model)
        self._engine = TorchEngine(spec, spec.heads, device="cpu")
        self._frames = {prefix: deque(maxlen=_APART + 1) for prefix in _prefixes(names)}
        self._backgrounds: dict[str, np.ndarray] = {}
        self._publishers_of_slip = {
            prefix: self.create_publisher(Slip, f"{prefix}slip", _DEPTH) for prefix in self._frames
        }

    def start(self) -> None:
        """Begin to listen."""
        for prefix in self._frames:
            background = partial(self._take_background, prefix)
            self.create_subscription(Image, f"{prefix}background", background, qos.LATCHED)
            image = partial(self._take_image, prefix)
            self.create_subscription(Image, f"{prefix}image_raw", image, _DEPTH)

    def close(self) -> None:
        """Nothing to release."""

    def _take_background(self, prefix: str, message: Image) -> None:
        self._backgrounds[prefix] = decode_image(message)

    def _take_image(self, prefix: str, message: Image) -> None:
        frames = self._frames[prefix]
        frames.append(decode_image(message))
        if prefix not in self._backgrounds or len(frames) <= _APART:
            return
        images = [one[np.newaxis] for one in (frames[-1], frames[0], self._backgrounds[prefix])]
        for head in self._engine.heads:
            tokens = self._engine.encode(*images)
            self._engine.run_head(head, *(images if head in READS_IMAGES else [tokens]))
        self._publishers_of_slip[prefix].publish(Slip(header=message.header))


def processes(values: graph.Arguments, model: str) -> list[graph.Process]:
    """The processes of a graph with these values, with the baseline in place of perception."""
    sensors = [one for one in graph.processes(values) if one.executable == "sensor"]
    parameters = {"model": model, "names": list(values["names"])}
    return [*sensors, graph.Process(EXECUTABLE, "perception", "", parameters)]


def _prefixes(names: Sequence[str]) -> list[str]:
    return [f"{name}/" for name in names] or [""]


def main(arguments: list[str] | None = None) -> int:
    """Listen until SIGINT; the exit code."""
    return spin.run(lambda: [PlainNode()], arguments)


if __name__ == "__main__":
    sys.exit(main())
