# SPDX-License-Identifier: Apache-2.0
"""Recorded bags with a CSV file of labels beside them."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros import cli
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.recordings.bags import open_bag, profile_key
from sparsh_ros.recordings.labels import read_events
from sparsh_ros.recordings.topics import find_sensors

PERIOD_NS = 50_000_000


@pytest.fixture
def recorded(tmp_path):
    """A bag of three images with estimates, as `sparsh-ros record` leaves it."""
    path = tmp_path / "raw" / "one"
    path.parent.mkdir()
    with BagWriter(path, custom={profile_key("/tactile"): "gelsight_mini"}) as bag:
        bag.image("/tactile/background", START_NS, np.zeros((320, 240, 3), np.uint8), "camera")
        for index in range(3):
            stamp_ns = START_NS + index * PERIOD_NS
            image = np.full((320, 240, 3), index, np.uint8)
            bag.image("/tactile/image_raw", stamp_ns, image, "camera")
            bag.wrench("/tactile/force", stamp_ns, np.ones(3), "gel")
    return path


def _import(recorded, tmp_path, labels):
    (recorded.parent / "one.csv").write_text(labels)
    words = ["import", "recorded", str(recorded.parent), "--out", str(tmp_path / "out")]
    return cli.main(words), tmp_path / "out" / "one"


@pytest.mark.parametrize(
    "labels",
    [
        "index,slipping,Fx_N,Fy_N,Fz_N\n0,0,,,\n2,1,1,2,3\n",
        "t_s,slipping,Fx_N,Fy_N,Fz_N\n0,0,,,\n0.1,1,1,2,3\n",
    ],
)
def test_labels_stand_beside_the_images_as_they_were(recorded, tmp_path, labels):
    code, path = _import(recorded, tmp_path, labels)
    assert code == 0
    with open_bag(path) as bag:
        (sensor,) = find_sensors(bag.topics)
        assert bag.custom[profile_key("/tactile")] == "gelsight_mini"
        assert sensor.force == "/tactile/ground_truth/force"
        events = list(read_events(bag, [sensor]))
    assert [event.type for event in events].count("background") == 1
    frames = [event for event in events if event.type == "frame"]
    assert [int(frame.value[0, 0, 0]) for frame in frames] == [0, 1, 2]
    slips = [(e.stamp_ns - START_NS, bool(e.value[0])) for e in events if e.type == "slip"]
    assert slips == [(0, False), (2 * PERIOD_NS, True)]
    (force,) = (event for event in events if event.type == "force")
    assert force.value.tolist() == [1, 2, 3] and force.stamp_ns == START_NS + 2 * PERIOD_NS


def test_what_does_not_match_is_refused(recorded, tmp_path, capsys):
    code, path = _import(recorded, tmp_path, "index,slipping\n3,1\n")
    assert code == 1 and not path.exists()
    assert "row 3: wanted the number of an image, 0 to 2" in capsys.readouterr().err
    (recorded.parent / "one.csv").unlink()
    assert cli.main(["import", "recorded", str(recorded), "--out", str(tmp_path / "out")]) == 1
    assert "one.csv, found no such file" in capsys.readouterr().err
