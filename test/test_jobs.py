# SPDX-License-Identifier: Apache-2.0
"""Jobs give the same wherever they run, and those of a worker that died are done again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.job_functions import die_once, double, refuse
from fixtures.waiting import LONG_S, until

from sparsh_ros.errors import MissingDependencyError, ParameterError
from sparsh_ros.jobs import Workers, run_jobs

HERE = Path(__file__).resolve().parent


def test_jobs_run_here_or_in_other_processes():
    jobs = [(number,) for number in range(5)]
    here = dict(run_jobs(double, jobs, Workers()))
    waits = []
    there = dict(run_jobs(double, jobs, Workers(2), on_wait=lambda: waits.append(None)))
    assert {n: value for n, (value, _) in here.items()} == {n: 2 * n for n in range(5)}
    assert {n: value for n, (value, _) in there.items()} == {n: 2 * n for n in range(5)}
    assert {process for _, process in here.values()} == {os.getpid()}
    assert os.getpid() not in {process for _, process in there.values()} and waits
    with pytest.raises(OSError, match="cannot be done"):
        list(run_jobs(refuse, jobs, Workers(2)))


def test_a_cluster_is_asked_for_by_name_where_it_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match="pip install distributed"):
        list(run_jobs(double, [(1,)], Workers(scheduler="tcp://127.0.0.1:1")))


@pytest.fixture
def cluster(tmp_path):
    """The file with the address of a scheduler that has two workers, all in their own processes."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    address, log = tmp_path / "scheduler.json", (tmp_path / "log").open("w")
    path = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    common = ["--scheduler-file", str(address), "--no-dashboard"]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0"]]
    commands += [
        ["worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
    ] * 2
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *more, *common],
            env=os.environ | {"PYTHONPATH": path},
            stdout=log,
            stderr=log,
        )
        for what, *more in commands
    ]
    until(address.exists, LONG_S)
    yield address
    for process in processes:
        process.terminate()
        process.wait()


def test_what_a_killed_worker_had_begun_is_done_again(cluster, tmp_path):
    from distributed import Client

    with Client(scheduler_file=str(cluster), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=LONG_S)
        scheduler = client.scheduler.address
    jobs = [(tmp_path, number) for number in range(6)]
    found = dict(run_jobs(die_once, jobs, Workers(scheduler=scheduler)))
    assert found == {number: 2 * number for number in range(6)}
    assert (tmp_path / "died").exists()


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr("sparsh_ros.jobs._CONNECT_S", 0.5)
    with pytest.raises(ParameterError, match="found none that answers"):
        list(run_jobs(double, [(1,)], Workers(scheduler="tcp://127.0.0.1:9")))
