# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros import`: data sets in other layouts become bags with labels.

    sparsh-ros import force-slip Downloads/T1 --out bags/T1
    sparsh-ros import plain press.mp4 --labels press.csv --out bags

Each layout is a module that finds the recordings of a data set: force_slip, pose, pretraining,
plain. Pickles are read as data; nothing in them runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sparsh_ros.errors import DatasetError, SparshError
from sparsh_ros.progress import track
from sparsh_ros.recordings.bag_writer import BagWriter, whole_or_nothing
from sparsh_ros.recordings.bags import profile_key
from sparsh_ros.recordings.importers import force_slip, plain, pose, pretraining
from sparsh_ros.recordings.importers.recording import Options, Recording, parse_axes

LAYOUTS = {
    "force-slip": force_slip,
    "pose": pose,
    "pretraining": pretraining,
    "plain": plain,
}


def run(arguments: argparse.Namespace) -> int:
    """Run `sparsh-ros import`; exit code 1 if nothing could be imported."""
    recordings = _find(arguments)
    failures = 0
    for done, recording in enumerate(track(recordings, "Importing")):
        path = arguments.out / recording.name
        if path.exists():
            continue
        try:
            notes = _import(recording, path, arguments.layout)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped, {done} of {len(recordings)} looked at; run again to continue"
            ) from None
        except SparshError as error:
            failures += 1
            notes = [f"left out: {error}"]
        for note in notes:
            sys.stderr.write(f"{recording.name}: {note}\n")
    return 1 if failures == len(recordings) else 0


def _find(arguments: argparse.Namespace) -> list[Recording]:
    if not arguments.source.exists():
        raise DatasetError(f"{arguments.source}: not found; check the path")
    options = Options(
        sensor=arguments.sensor,
        rate_hz=arguments.fps,
        force_axes=parse_axes(arguments.force_axes),
        swap_red_blue=arguments.swap_red_blue,
        labels=arguments.labels,
        background=arguments.background,
    )
    return LAYOUTS[arguments.layout].find(arguments.source, options)


def _import(recording: Recording, path: Path, layout: str) -> list[str]:
    custom = {profile_key(prefix): sensor for prefix, sensor in recording.sensors.items()}
    with (
        whole_or_nothing(path) as partial,
        BagWriter(partial, custom=custom | {"imported": layout}) as bag,
    ):
        return recording.write(bag)
