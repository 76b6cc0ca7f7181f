# SPDX-License-Identifier: Apache-2.0
"""Several processes that train one model, as `torchrun` starts them.

Every process draws the whole batch from the same seed and takes its part of it, so that any number
of processes sees the same batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sparsh_ros.errors import ParameterError


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes if `torchrun` started this one, and leave together at the end.

    After an error this process just ends, and `torchrun` ends the others: they may be waiting for
    it, and then to leave them could take forever.
    """
    if "WORLD_SIZE" not in os.environ or distributed.is_initialized():
        yield
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    yield
    wait()
    distributed.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def part(batch: int) -> slice:
    """This process's part of a batch.

    Raises:
        ParameterError: It cannot be divided evenly.
    """
    if batch % count():
        raise ParameterError(
            f"--batch {batch}: wanted a multiple of the {count()} processes that train together"
        )
    size = batch // count()
    return slice(rank() * size, (rank() + 1) * size)


def shared(module: nn.Module, varies: bool = False) -> nn.Module:
    """The module with its gradients averaged over all processes.

    Args:
        module: What learns.
        varies: Whether some steps leave some of its parameters without a gradient.
    """
    if count() == 1:
        return module
    known = signature(DistributedDataParallel).parameters
    # torch 2.13 calls it otherwise, and warns of the name of before
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return DistributedDataParallel(module, find_unused_parameters=varies, **{name: False})


def mean(value: Tensor) -> Tensor:
    """The mean over all processes, without a gradient."""
    value = value.detach().clone()
    if count() > 1:
        distributed.all_reduce(value)
        value /= count()
    return value


def from_first(value: int) -> int:
    """The number that the first process has."""
    if count() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box)
    return box[0]


def wait() -> None:
    """Until all processes are here."""
    if count() > 1:
        distributed.barrier()
