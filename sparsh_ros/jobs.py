# SPDX-License-Identifier: Apache-2.0
"""Many independent jobs: one after the other, in processes of this machine, or on a cluster.

On a cluster [Dask](https://distributed.dask.org) runs them: its workers see the same folders under
the same names, and do again what a worker that died had begun. A job writes its result whole or not
at all, or returns it, so that where and how often it ran makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from sparsh_ros.errors import MissingDependencyError, ParameterError

_REFRESH_S = 0.2
_CONNECT_S = 10.0


@dataclass(frozen=True)
class Workers:
    """Who does the jobs.

    Attributes:
        count: Processes of this machine; 1 is this very process.
        scheduler: Address of a Dask scheduler, such as "tcp://host:8786", whose workers do them
            instead; "" for none.
    """

    count: int = 1
    scheduler: str = ""


def run_jobs(
    function: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    workers: Workers,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    on_wait: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, Any]]:
    """Call a function with the arguments of each job.

    Args:
        function: At the top of a module, so that another process finds it.
        jobs: Its arguments.
        workers: Who does them.
        initializer: Called with ``initargs`` as each process of this machine begins.
        initargs: Its arguments.
        on_wait: Called several times a second while jobs run elsewhere.

    Yields:
        The number of a job and what it returned, as they are done.

    Raises:
        MissingDependencyError: Dask is wanted and not installed.
        ParameterError: There is no such scheduler.
        Exception: Whatever a job raised; no other is begun any more.
    """
    if workers.count == 1 and not workers.scheduler and initializer is None:
        for number, job in enumerate(jobs):
            yield number, function(*job)
        return
    with _executor(workers, initializer, initargs) as pool:
        pending = {pool.submit(function, *job): number for number, job in enumerate(jobs)}
        try:
            while pending:
                done, _ = wait(pending, _REFRESH_S, FIRST_COMPLETED)
                on_wait()
                for future in done:
                    yield pending.pop(future), future.result()
        except BaseException:  # Ctrl-C: what is not begun never will be
            _stop(pool, pending)
            raise


@contextmanager
def _executor(
    workers: Workers, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> Iterator[Executor]:
    if not workers.scheduler:
        # Spawned, not forked: a fork of a process whose OpenCV threads run can hang.
        context = get_context("spawn")
        with ProcessPoolExecutor(workers.count, context, initializer, initargs) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "--scheduler: wanted the Python package distributed, found none; "
            "`pip install distributed`, or leave the option out"
        ) from error
    try:
        client = Client(workers.scheduler, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"--scheduler {workers.scheduler}: wanted a Dask scheduler, found none that answers; "
            "`dask scheduler` starts one and prints its address"
        ) from error
    with client, client.get_executor(pure=False) as pool:
        yield pool


def _stop(pool: Executor, pending: Iterable[Future]) -> None:
    """Drop what is not done; a result is written whole or not at all, so nothing is damaged."""
    if isinstance(pool, ProcessPoolExecutor):
        for process in list(pool._processes.values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        return
    for future in pending:
        future.cancel()
    pool.shutdown(wait=False)
