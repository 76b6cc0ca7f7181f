# SPDX-License-Identifier: Apache-2.0
"""Simulated touches on disk: episodes to train with, or bags to evaluate with.

    sparsh-ros simulate --out data --split train --episodes 600 --seed 0
    sparsh-ros simulate --out evaluation --split test --episodes 72 --seed 0 --bags
    sparsh-ros simulate --out data --split train --episodes 240 --task textile --small

Both hold the same frames and labels. Bags are in a folder per sensor instance, with topics named as
those of a live sensor: `/tactile/image_raw/compressed`, `/tactile/background/compressed`,
`/tactile/ground_truth/force`, `/tactile/ground_truth/slip`, `/tactile/ground_truth/pose`.
"""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import cv2

from sparsh_ros import names
from sparsh_ros.errors import DatasetError
from sparsh_ros.jobs import Workers, run_jobs
from sparsh_ros.simulation.labels import ANISOTROPY_WITH_ANGLE
from sparsh_ros.simulation.simulation import MotionSinceContact
from sparsh_ros.training import episodes
from sparsh_ros.training.episodes import JPEG_QUALITY, SimulatedTouch
from sparsh_ros.training.stream.episodes import DOWNSCALE

PREFIX = "/tactile"

_frames_done: Synchronized | None = None
"""Where the processes of this machine count frames; None on a cluster."""


def record_bag(
    path: Path, touch: SimulatedTouch, seconds: float, tick: Callable[[], object] = lambda: None
) -> None:
    """Write the first seconds of a touch as a bag, whole or not at all; memory holds one frame.

    Calls `tick` after each frame.
    """
    # Here, because episodes need no library for bags.
    from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
    from sparsh_ros.recordings.bags import profile_key
    from sparsh_ros.recordings.whole import whole_or_nothing

    simulation, motion = touch.simulation(), MotionSinceContact()
    camera, gel = names.optical_frame(touch.sensor), names.gel_frame(touch.sensor)
    truth_at = f"{PREFIX}/{names.GROUND_TRUTH}"
    custom = {profile_key(PREFIX): touch.sensor, "simulated": json.dumps(touch.meta)}
    with whole_or_nothing(path) as partial, BagWriter(partial, custom=custom) as bag:
        image = simulation.background()
        bag.image(f"{PREFIX}/background/compressed", START_NS, image, camera, JPEG_QUALITY)
        for _ in range(episodes.frame_count(seconds)):
            sample = simulation.step()
            stamp_ns = START_NS + round(sample.time_s * 1e9)
            bag.image(
                f"{PREFIX}/image_raw/compressed", stamp_ns, sample.image, camera, JPEG_QUALITY
            )
            bag.wrench(f"{truth_at}/force", stamp_ns, sample.force_n, gel)
            bag.slip(
                f"{truth_at}/slip",
                stamp_ns,
                sample.slipping,
                sample.in_contact,
                gel,
                float(sample.slipping),
                sample.slide_speed_m_s,
                sample.slip_share,
                sample.friction_margin,
            )
            shown = not sample.in_contact or sample.print_anisotropy > ANISOTROPY_WITH_ANGLE
            bag.pose(f"{truth_at}/pose", stamp_ns, motion.update(sample), gel, shown)
            tick()


def record_small(
    path: Path, touch: SimulatedTouch, seconds: float, tick: Callable[[], object] = lambda: None
) -> None:
    """Write the first seconds of a touch as an episode of 80 x 60 frames, whole or not at all.

    Calls `tick` after each frame.
    """
    # Here, because the others need nothing of the streaming model.
    from sparsh_ros.training.clips.simulated import simulate_small

    simulate_small(touch, seconds, tick).save(path)


def record_classes(
    task: str,
    downscale: int,
    path: Path,
    touch: SimulatedTouch,
    _seconds: float,
    tick: Callable[[], object] = lambda: None,
) -> None:
    """Write the classified sequences of a sensor instance, whole or not at all; calls `tick` once.

    The other arguments are those of `SIMULATE` in `training.tacbench.simulated.episodes`.
    """
    # Here, because the others need nothing of the benchmark.
    from sparsh_ros.training.tacbench.simulated.episodes import SIMULATE

    SIMULATE[task](touch, downscale).save(path)
    tick()


def run(arguments: argparse.Namespace) -> int:
    """Run `sparsh-ros simulate`.

    Raises:
        DatasetError: An argument is not allowed, or a file cannot be written.
    """
    _check(arguments)
    folder = (arguments.out / (arguments.task or "") / arguments.split).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{error.filename}: {error.strerror}") from error
    record, suffix = (record_bag, "") if arguments.bags else (episodes.record, ".npz")
    if arguments.small:
        record = record_small
    if arguments.task:
        arguments.duration = 1.0 / episodes.RATE_HZ  # what the progress bar counts
        record = partial(record_classes, arguments.task, DOWNSCALE if arguments.small else 1)
    jobs = []
    for index in range(arguments.episodes):
        path = folder / f"episode_{index:05d}{suffix}"
        if not path.exists():
            touch = SimulatedTouch(arguments.split, arguments.seed, index)
            jobs.append((record, path, touch, arguments.duration))
    try:
        _run_all(
            jobs, Workers(arguments.workers, arguments.scheduler), f"Simulating {arguments.split}"
        )
    except KeyboardInterrupt:
        made = sum(path.exists() for _, path, *_ in jobs) + arguments.episodes - len(jobs)
        raise KeyboardInterrupt(
            f"stopped, {made} of {arguments.episodes} made; run again to continue"
        ) from None
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.task and arguments.bags:
        raise DatasetError("--task: wanted without --bags; classified sequences are no recordings")
    if not 0 <= arguments.seed < 100:
        raise DatasetError(f"--seed must lie in 0 to 99, not {arguments.seed}")
    if not 0 < arguments.episodes <= episodes.SEED_STRIDE:
        raise DatasetError(
            f"--episodes must lie in 1 to {episodes.SEED_STRIDE}, not {arguments.episodes}"
        )


def _run_all(jobs: list[tuple], workers: Workers, title: str) -> None:
    """Run all jobs, with a bar that counts frames."""
    from rich.progress import Progress

    done_frames = get_context("spawn").Value("q", 0)
    counts = [episodes.frame_count(seconds) for *_, seconds in jobs]
    with Progress() as progress:
        bar = progress.add_task(title, total=sum(counts))

        def show() -> None:
            progress.update(bar, completed=done_frames.value)

        try:
            for number, _ in run_jobs(_work, jobs, workers, _begin_worker, (done_frames,), show):
                if workers.scheduler:  # processes elsewhere do not count here
                    done_frames.value += counts[number]
                show()
        except OSError as error:
            raise DatasetError(f"{error.filename}: {error.strerror}") from error


def _begin_worker(done_frames: Synchronized) -> None:
    global _frames_done
    _frames_done = done_frames
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    cv2.setNumThreads(1)


def _work(record: Callable[..., None], path: Path, touch: SimulatedTouch, seconds: float) -> None:
    record(path, touch, seconds, _count_frame)


def _count_frame() -> None:
    if _frames_done is not None:
        with _frames_done.get_lock():
            _frames_done.value += 1
