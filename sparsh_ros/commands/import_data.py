# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros import`: data sets in other layouts become bags with labels.

    sparsh-ros import force-slip Downloads/T1 --out bags/T1
    sparsh-ros import plain press.mp4 --labels press.csv --out bags
    sparsh-ros import recorded recordings --out bags

Each layout is a module that finds the recordings of a data set: force_slip, pose, pretraining,
plain, recorded. Pickles are read as data; nothing in them runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from sparsh_ros.errors import DatasetError, SparshError, printable
from sparsh_ros.jobs import Workers, run_jobs
from sparsh_ros.progress import progress_bar, stoppable
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import open_bag, profile_key
from sparsh_ros.recordings.formats.definitions import one_line
from sparsh_ros.recordings.importers import force_slip, plain, pose, pretraining, recorded
from sparsh_ros.recordings.importers.recording import Options, Recording, parse_axes
from sparsh_ros.recordings.whole import whole_or_nothing
from sparsh_ros.sensors.placement import placement_from

DEFAULT_SENSOR = "digit"
_MADE, _KEPT, _FAILED = "made", "kept", "failed"
_KNOW_NO_SENSOR = ("plain", "pretraining")
LAYOUTS = {
    "force-slip": force_slip,
    "pose": pose,
    "pretraining": pretraining,
    "plain": plain,
    "recorded": recorded,
}


def run(arguments: argparse.Namespace) -> int:
    """Run `sparsh-ros import`; exit code 1 if a recording could not be imported."""
    for name in ("source", "out", "labels", "background"):  # a cluster has another folder to begin
        if (path := getattr(arguments, name)) is not None:
            setattr(arguments, name, path.absolute())
    options = _options(arguments)
    recordings = _find(arguments, options)
    jobs = [(arguments, options, recording) for recording in recordings]
    workers = Workers(arguments.workers, arguments.scheduler)
    failed = kept = done = 0
    with (
        stoppable(lambda: f"stopped, {done} of {len(jobs)} looked at; run again to continue"),
        progress_bar("Importing", len(jobs)) as bar,
    ):
        for number, (fate, notes) in run_jobs(_import_one, jobs, workers):
            done += 1
            failed, kept = failed + (fate == _FAILED), kept + (fate == _KEPT)
            for note in notes:
                name = recordings[number].name
                sys.stderr.write(f"{printable(name)}: {printable(note)}\n")
            bar.advance()
    if kept:
        sys.stderr.write(f"{kept} recordings were imported before with the same options\n")
    return int(failed > 0)


def _import_one(
    arguments: argparse.Namespace, options: Options, recording: Recording
) -> tuple[str, list[str]]:
    """Import one recording; what became of it, and what is worth knowing."""
    path = arguments.out / recording.name
    made_with = _made_with(arguments, options, recording)
    try:
        if path.exists():
            _refuse_others(path, made_with)
            return _KEPT, []
        notes = _import(recording, path, made_with)
    except SparshError as error:
        return _FAILED, [f"left out: {error}"]
    except Exception as error:  # whatever it is, the other recordings are not to blame
        return _FAILED, [f"left out: {type(error).__name__}: {one_line(error)}"]
    if arguments.sensor is None and arguments.layout in _KNOW_NO_SENSOR:
        types = ", ".join(sorted(set(recording.sensors.values())))
        notes.append(f"taken for a {types}; if it is none, delete the bag, give --sensor")
    return _MADE, notes


def _options(arguments: argparse.Namespace) -> Options:
    if not arguments.source.exists():
        raise DatasetError(f"{arguments.source}: not found; check the path")
    return Options(
        sensor=arguments.sensor or DEFAULT_SENSOR,
        rate_hz=arguments.fps,
        force_axes=parse_axes(arguments.force_axes),
        swap_red_blue=arguments.swap_red_blue,
        labels=arguments.labels,
        background=arguments.background,
        placement=placement_from(vars(arguments)),
    )


def _find(arguments: argparse.Namespace, options: Options) -> list[Recording]:
    return LAYOUTS[arguments.layout].find(arguments.source, options)


def _made_with(
    arguments: argparse.Namespace, options: Options, recording: Recording
) -> dict[str, str]:
    """What the bag says of how it was made: that is how a second import knows it again."""
    given = {name: str(value) for name, value in asdict(options).items() if name != "official"}
    custom = {profile_key(prefix): sensor for prefix, sensor in recording.sensors.items()}
    return custom | {
        "imported": arguments.layout,
        "imported_from": str(arguments.source.resolve()),
        "imported_options": json.dumps(given, sort_keys=True),
    }


def _refuse_others(path: Path, made_with: Mapping[str, str]) -> None:
    """Refuse to keep a bag that was made in another way."""
    with open_bag(path) as bag:
        found = bag.custom
    others = [name for name, text in made_with.items() if found.get(name) != text]
    if others:
        raise DatasetError(
            f"{path}: exists already, made with other options ({', '.join(others)} differ); delete "
            "it, or give another folder with --out"
        )


def _import(recording: Recording, path: Path, made_with: Mapping[str, str]) -> list[str]:
    with whole_or_nothing(path) as partial, BagWriter(partial, custom=made_with) as bag:
        return recording.write(bag)
