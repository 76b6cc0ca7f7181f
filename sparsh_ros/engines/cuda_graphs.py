# SPDX-License-Identifier: Apache-2.0
"""Run encoder and heads as one CUDA graph per batch size: one upload, one launch, one download.

Launching the some hundred kernels of a transformer one by one takes longer than they do. A graph
has fixed shapes and addresses, so a batch is padded to the next of some sizes and copied to where
the graph reads; what it wrote, all heads' numbers side by side, comes back in one piece. On a CPU
the same runs without a graph, which is how it is tested.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.engines.base import Outputs

PREPARED_SIZES = (1, 2, 4, 8, 16)
"""Captured before the first frame; larger ones are multiples of the last, when they are needed."""

_WARM_UP_RUNS = 3  # before a capture, so that libraries have chosen their kernels

Compute = Callable[..., tuple[Tensor, dict[str, dict[str, Tensor]]]]
"""Tensors (B, ...) -> tokens (B, N, D), and by head its outputs by name, (B, ...) each."""

_log = logging.getLogger(__name__)


def padded_size(batch: int) -> int:
    """The smallest batch size that is captured and holds ``batch``."""
    fitting = (size for size in PREPARED_SIZES if size >= batch)
    step = PREPARED_SIZES[-1]
    return next(fitting, -(-batch // step) * step)


class GraphedBatches:
    """Runs a function on batches of any size, with one graph for each padded size."""

    def __init__(self, compute: Compute, device: torch.device) -> None:
        """Capture nothing yet.

        Args:
            compute: What to run; has to launch the same kernels each time.
            device: Where it runs.
        """
        self._compute, self._device = compute, device
        self._calls: dict[int, _Call] = {}
        # Shared: one graph runs at a time, and what it gave is copied before the next one does.
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None

    @torch.inference_mode()
    def run(self, arrays: Sequence[NDArray]) -> tuple[Tensor, dict[str, Outputs]]:
        """Run on arrays (B, ...).

        Returns:
            Tokens (B, N, D), on the device, the caller's own, and each head's outputs.
        """
        batch = len(arrays[0])
        size = padded_size(batch)
        if size not in self._calls:
            self._calls[size] = self._capture(size, arrays)
        return self._calls[size].run(arrays, batch)

    @torch.inference_mode()
    def prepare(self, arrays: Sequence[NDArray]) -> None:
        """Capture the graphs of `PREPARED_SIZES` for arrays of such types and shapes."""
        for size in PREPARED_SIZES:
            if size not in self._calls:
                self._calls[size] = self._capture(size, arrays)

    def _capture(self, size: int, arrays: Sequence[NDArray]) -> _Call:
        on_gpu = self._device.type == "cuda"
        host = [
            torch.zeros((size, *array.shape[1:]), dtype=torch.from_numpy(array[:0]).dtype)
            for array in arrays
        ]
        if on_gpu:  # copies from and to pinned memory need no other copy first
            host = [tensor.pin_memory() for tensor in host]
        device = [tensor.to(self._device) for tensor in host]

        def compute() -> tuple[Tensor, Tensor, _Layout]:
            tokens, heads = self._compute(*device)
            named = [
                (head, name, values)
                for head, outputs in heads.items()
                for name, values in outputs.items()
            ]
            flat = [values.reshape(size, -1).float() for *_, values in named]
            layout = [(head, name, tuple(values.shape[1:])) for head, name, values in named]
            return tokens, torch.cat(flat, 1) if flat else tokens.new_zeros((size, 0)), layout

        graph = None
        if on_gpu:
            graph, made = _capture_graph(compute, self._pool)
        if graph is None:
            made = compute()
        answers = torch.empty(made[1].shape, pin_memory=on_gpu)
        return _Call(host, device, graph, compute, made, answers)


_Layout = list[tuple[str, str, tuple[int, ...]]]


def _capture_graph(compute: Callable[[], tuple[Tensor, Tensor, _Layout]], pool: tuple[int, int]):
    """A graph and the tensors it writes; nothing where it cannot be captured."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(_WARM_UP_RUNS):
            compute()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            made = compute()
    except RuntimeError as error:
        _log.warning("no CUDA graph, kernels are launched one by one: %s", error)
        return None, None
    return graph, made


@dataclass
class _Call:
    """Buffers and graph of one batch size.

    Attributes:
        host, device: What goes in, on both sides.
        graph: None where kernels are launched one by one.
        compute: Does that.
        made: Tokens, all heads' numbers (size, K), and what those are.
        answers: The numbers on the host.
    """

    host: list[Tensor]
    device: list[Tensor]
    graph: torch.cuda.CUDAGraph | None
    compute: Callable[[], tuple[Tensor, Tensor, _Layout]]
    made: tuple[Tensor, Tensor, _Layout]
    answers: Tensor

    def run(self, arrays: Sequence[NDArray], batch: int) -> tuple[Tensor, dict[str, Outputs]]:
        for there, here, array in zip(self.device, self.host, arrays, strict=True):
            np.copyto(here[:batch].numpy(), array)
            there[:batch].copy_(here[:batch], non_blocking=True)
        if self.graph is None:
            self.made = self.compute()
        else:
            self.graph.replay()
        tokens, flat, layout = self.made
        self.answers[:batch].copy_(flat[:batch], non_blocking=True)
        own = tokens[:batch].clone()  # the next batch overwrites the graph's
        if own.is_cuda:
            torch.cuda.current_stream().synchronize()
        return own, _unpack(self.answers[:batch].numpy().copy(), layout)


def _unpack(numbers: NDArray[np.float32], layout: _Layout) -> dict[str, Outputs]:
    """(B, K) -> by head its outputs by name, (B, ...)."""
    outputs: dict[str, Outputs] = {}
    begin = 0
    for head, name, shape in layout:
        end = begin + int(np.prod(shape))
        outputs.setdefault(head, {})[name] = numbers[:, begin:end].reshape(-1, *shape)
        begin = end
    return outputs
