# SPDX-License-Identifier: Apache-2.0
"""How a process of this package lives: start, spin on the main thread, stop in order.

rclpy's own signal handlers shut the context down at once, which would cut off the last messages
and leave worker threads behind; an executor or a thread that still runs when the interpreter ends
aborts the process. So the signals only ask for the end here.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import cv2
import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from sparsh_ros.engines import free_gpu_memory
from sparsh_ros.errors import SparshError
from sparsh_ros.nodes.runtime.signals import StopRequest

# The middleware drops what it has not sent yet when a publisher goes; acknowledgements cannot be
# waited for instead, as they may come only seconds later.
_DRAIN_S = 0.2
# How soon a signal is noticed while no message comes in.
_WAIT_TIMEOUT_S = 0.1
_LOG_THROTTLE_S = 5.0
# <malloc.h> of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_BYTES = 256 << 20, 32 << 20


@contextmanager
def spinning(executor: Executor, name: str) -> Iterator[None]:
    """Spin on a thread of this name until the end of the block, then shut the executor down."""
    enough = threading.Event()

    def listen() -> None:
        while not enough.is_set():
            spin_once(executor, _WAIT_TIMEOUT_S)

    thread = threading.Thread(target=listen, name=name)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
        executor.shutdown()


class LiveNode(Protocol):
    """A node that may have threads: `start` begins them, `close` ends and joins them.

    `close` is called even if `start` was not, or failed.
    """

    def start(self) -> None: ...
    def close(self) -> None: ...
    def destroy_node(self) -> None: ...


def run(
    create: Callable[[], Sequence[LiveNode]],
    arguments: list[str] | None = None,
    shutdown_grace_s: float = 0.0,
) -> int:
    """Run the nodes that `create` makes until SIGINT or SIGTERM; the exit code of the process.

    A SparshError while they are made or started is logged as its one sentence; the code is then 1.
    After the signal they listen for another `shutdown_grace_s`.
    """
    # Fast DDS then sends on a thread of its own: a listener that hangs holds up no publisher.
    os.environ.setdefault("RMW_FASTRTPS_PUBLICATION_MODE", "ASYNCHRONOUS")
    _keep_freed_memory()
    cv2.setNumThreads(1)  # more would take the cores from the encoder, to save microseconds
    stop = StopRequest()
    logging.getLogger("sparsh_ros").addHandler(_RosLog(logging.WARNING))
    nodes: Sequence[LiveNode] = ()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        nodes = create()
        for node in nodes:
            node.start()
        _spin(nodes, stop, shutdown_grace_s)
    except SparshError as error:
        rclpy.logging.get_logger("sparsh_ros").fatal(str(error))
        return 1
    finally:
        for node in reversed(nodes):
            node.close()
        time.sleep(_DRAIN_S)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next array, on all threads.

    Otherwise each image-sized array of a thread is given back to the kernel at once, and the next
    one faults in page by page: more than a thousand faults for a simulated frame, a third of its
    time. Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # no glibc
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)


class _RosLog(logging.Handler):
    """What the rest of the package logs goes where the nodes log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = rclpy.logging.get_logger("sparsh_ros")
        # rclpy ties a level to a line of code.
        if record.levelno >= logging.ERROR:
            logger.error(record.getMessage())
        else:
            logger.warning(record.getMessage())


def freeze_gc() -> None:
    """Keep the garbage collector from walking again, for milliseconds, what is loaded by now."""
    gc.collect()
    gc.freeze()


def unfreeze_gc() -> None:
    """Give back the memory of what was loaded and is dropped by now, on the GPU too."""
    gc.unfreeze()
    gc.collect()
    free_gpu_memory()


def _spin(nodes: Sequence[LiveNode], stop: StopRequest, shutdown_grace_s: float) -> None:
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    freeze_gc()
    try:
        while not stop:
            spin_once(executor, _WAIT_TIMEOUT_S)
        end_s = time.monotonic() + shutdown_grace_s
        while (left_s := end_s - time.monotonic()) > 0:
            spin_once(executor, left_s)
    finally:
        executor.shutdown()


def spin_once(executor: Executor, timeout_s: float) -> None:
    """Run one callback. Anybody may send a message or a request: what it breaks ends no node."""
    try:
        executor.spin_once(timeout_sec=timeout_s)
    except Exception as error:
        rclpy.logging.get_logger("sparsh_ros").error(
            f"a message or request was dropped: {type(error).__name__}: {error}",
            throttle_duration_sec=_LOG_THROTTLE_S,
        )
