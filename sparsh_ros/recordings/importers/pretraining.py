# SPDX-License-Identifier: Apache-2.0
"""Pre-training data of Sparsh: pickles that are lists of JPEG files, without labels.

    <object>/dataset_k.pkl     DIGIT (YCB-Slide, Touch-Slide) and GelSight Mini (Object-Slide)
    touch_go/*.pkl             GelSight 2017
    object_folder/NNN.pkl      GelSight Mini, treated as GelSight 2017

Backgrounds, beside the data or in a folder above: DIGIT `bgs/bg_<number>.jpg`, one for each object;
GelSight Mini `bg_gs.jpg`. GelSight 2017 has none, and neither has object_folder.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.importers.pickles import find_pickles, load_pickle
from sparsh_ros.recordings.importers.pose import find_above
from sparsh_ros.recordings.importers.recording import Options, Recording, SensorWriter

PREFIX = "/tactile"
# Beginning of an object's name -> number of its background.
_DIGIT_BACKGROUNDS = {
    "004": 0,
    "005": 1,
    "006": 2,
    "021": 3,
    "025": 4,
    "035": 0,
    "037": 5,
    "042": 6,
    "048": 8,
    "055": 8,
    "banana": 15,
    "bread": 11,
    "cheese": 16,
    "cookie": 17,
    "corn": 18,
    "lettuce": 17,
    "plum": 11,
    "strawberry": 17,
    "tomato": 16,
}
# Folders whose name gives the sensor.
_SENSORS = {"touch_go": "gelsight_2017", "object_folder": "gelsight_2017"}


def find(source: Path, options: Options) -> list[Recording]:
    """The pickles below a folder, or the one named, in the order of their names.

    Raises:
        DatasetError: there are none.
    """
    return [
        Recording(name, {PREFIX: _sensor(path, options)}, partial(_write, path, options))
        for name, path in find_pickles(source).items()
    ]


def _sensor(path: Path, options: Options) -> str:
    return _SENSORS.get(path.resolve().parent.name, options.sensor)


def _write(path: Path, options: Options, bag: BagWriter) -> list[str]:
    images = load_pickle(path)
    if not isinstance(images, list) or not images or not all(isinstance(i, bytes) for i in images):
        raise DatasetError(f"{path}: wanted a list of JPEG files, found something else")
    sensor = _sensor(path, options)
    topics = SensorWriter(bag, PREFIX, sensor, options)
    notes = []
    wanted = _background_name(path.resolve().parent.name, sensor)
    found = options.background or (find_above(path, wanted) if wanted else None)
    if found is not None:
        notes += filter(None, [topics.background_file(found, images[0])])
    elif sensor != "gelsight_2017":
        notes.append(f"no background ({wanted or 'unknown object'}); give one: --background")
    for index, content in enumerate(images):
        topics.frame(topics.stamp_ns(index), content)
    return [*notes, *topics.notes()]


def _background_name(folder: str, sensor: str) -> str:
    """Name of the file with the background of an object; "" where there is none."""
    if sensor == "gelsight_mini":
        return "bg_gs.jpg"
    if sensor != "digit":
        return ""
    numbers = (n for start, n in _DIGIT_BACKGROUNDS.items() if folder.lower().startswith(start))
    number = next(numbers, None)
    return "" if number is None else f"bgs/bg_{number}.jpg"
