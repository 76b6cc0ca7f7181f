# SPDX-License-Identifier: Apache-2.0
"""Force and slip data of Sparsh (TacBench T1 and T2).

    <indenter>/<batch>/dataset_<digit|gelsight>_NN.pkl   lists of JPEG files, one after the other
    <indenter>/<batch>/dataset_slip_forces.pkl           {"in_contact": (frames,), "trajectories":
        {id: {"indexes": (n,), "forces": (n, 3), "slip_label": (n,), ...}}}

Each batch becomes a bag. Its background is its first frame without contact. Only samples of
trajectories are labelled, as only those count in the benchmark.

Forces are newtons, z positive in compression as in the gel frame. How the force sensor's x and y
lie to the image is documented nowhere; they are taken as the image's x (right) and y (up), because
force heads trained on these data give their numbers as they are; `force_axes` can say otherwise.
The data hold no times: frames follow each other at the nominal rate, 60 Hz (DIGIT) or 25 Hz
(GelSight Mini), or as `rate_hz` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.importers.pickles import load_pickle
from sparsh_ros.recordings.importers.recording import Options, Recording, SensorWriter

LABELS = "dataset_slip_forces.pkl"
PREFIX = "/tactile"
_SENSORS = {"digit": "digit", "gelsight": "gelsight_mini"}
_COLUMNS = ("indexes", "forces", "slip_label")


def find(source: Path, options: Options) -> list[Recording]:
    """The batches below a folder, in the order of their names.

    Raises:
        DatasetError: there are none.
    """
    batches = sorted(path.parent for path in source.rglob(LABELS))
    if not batches:
        raise DatasetError(f"{source}: wanted batches with {LABELS}, found none below it")
    recordings = []
    for batch in batches:
        name = batch.relative_to(source).as_posix() if batch != source else batch.resolve().name
        try:
            sensor, paths = _images(batch)
        except DatasetError as error:  # the other batches are not to blame
            recordings.append(Recording(name, {}, partial(_fail, error)))
            continue
        write = partial(_write, batch, sensor, paths, options)
        recordings.append(Recording(name, {PREFIX: sensor}, write))
    return recordings


def _fail(error: DatasetError, _: BagWriter) -> list[str]:
    raise error


def _images(batch: Path) -> tuple[str, list[Path]]:
    """Kind of sensor of a batch, and its pickles of images in order."""
    found = {key: sorted(batch.glob(f"dataset_{key}_*.pkl")) for key in _SENSORS}
    keys = [key for key, paths in found.items() if paths]
    if len(keys) != 1:
        raise DatasetError(
            f"{batch}: wanted dataset_digit_*.pkl or dataset_gelsight_*.pkl, "
            f"found {'both' if keys else 'neither'}"
        )
    return _SENSORS[keys[0]], found[keys[0]]


def _write(
    batch: Path, sensor: str, paths: list[Path], options: Options, bag: BagWriter
) -> list[str]:
    in_contact, samples = _labels(batch / LABELS)
    topics = SensorWriter(bag, PREFIX, sensor, options)
    notes = _write_background(topics, paths, in_contact, options)
    count = 0
    for index, content in enumerate(_frames(paths)):
        stamp_ns = topics.stamp_ns(index)
        count += 1
        if topics.frame(stamp_ns, content) and index in samples:
            force_n, slipping = samples[index]
            topics.force(stamp_ns, force_n)
            topics.slip(stamp_ns, slipping, bool(in_contact[index]))
    if count != len(in_contact):
        notes.append(f"{count} images, but labels for {len(in_contact)}; taken from the first on")
    return [*notes, *topics.notes()]


def _write_background(
    topics: SensorWriter, paths: list[Path], in_contact: np.ndarray, options: Options
) -> list[str]:
    if options.background is not None:
        note = topics.background_file(options.background, next(_frames(paths)))
        return [note] if note else []
    if in_contact.all():
        return ["no frame is without contact, so there is no background; give one: --background"]
    free = int(np.flatnonzero(in_contact == 0)[0])
    content = next(islice(_frames(paths), free, None), None)
    if content is not None:
        topics.background(content)
    return []


def _frames(paths: list[Path]) -> Iterator[bytes]:
    """The images of all pickles; one pickle is in memory at a time."""
    for path in paths:
        images = load_pickle(path)
        if not isinstance(images, list) or not all(isinstance(i, bytes) for i in images):
            raise DatasetError(f"{path}: wanted a list of JPEG files, found something else")
        yield from images


def _labels(path: Path) -> tuple[np.ndarray, dict[int, tuple[np.ndarray, bool]]]:
    """Contact by frame (frames,), and force (3,) and slip of each frame in a trajectory."""
    content = load_pickle(path)
    try:
        in_contact = np.asarray(content["in_contact"]).astype(bool).ravel()
        samples: dict[int, tuple[np.ndarray, bool]] = {}
        for trajectory in content["trajectories"].values():
            samples.update(_samples(*(np.asarray(trajectory[name]) for name in _COLUMNS)))
        if samples and not 0 <= min(samples) <= max(samples) < len(in_contact):
            raise ValueError(f"images {min(samples)} to {max(samples)} of {len(in_contact)}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DatasetError(
            f"{path}: wanted in_contact, and trajectories with {', '.join(_COLUMNS)} of equal "
            f"length, found something else ({error!r})"
        ) from error
    return in_contact, samples


def _samples(
    indexes: np.ndarray, forces: np.ndarray, slips: np.ndarray
) -> Iterator[tuple[int, tuple[np.ndarray, bool]]]:
    if forces.shape != (len(indexes), 3) or slips.size != len(indexes):
        raise ValueError(f"{len(indexes)} indexes, forces {forces.shape}, slip {slips.shape}")
    for index, force_n, slipping in zip(indexes.ravel(), forces, slips.ravel(), strict=True):
        yield int(index), (force_n.astype(np.float64), bool(slipping))
