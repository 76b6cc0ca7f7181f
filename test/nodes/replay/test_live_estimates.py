# SPDX-License-Identifier: Apache-2.0
"""Published estimates, read back beside the frames they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparsh_ros.nodes.replay.live_estimates import read_live
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import open_bag

STAMPS_NS = np.array([1_000_000_000, 1_500_000_000, 2_000_000_000])


def test_values_lie_in_the_row_of_their_stamp(tmp_path: Path) -> None:
    first, _, last = (int(stamp) for stamp in STAMPS_NS)
    with BagWriter(tmp_path / "bag") as bag:
        bag.wrench("/hand/left/force", last, np.array([1.0, 2.0, 3.0]), "gel")
        bag.slip("/hand/left/slip", first, True, True, "gel", 0.75)
        bag.pose_change("/hand/left/pose_change", first, 0.08, np.array([1e-3, 0.0, 0.1]), "gel")
        bag.pose("/hand/left/pose", last, np.array([1e-3, 2e-3, -3.0]), "gel")
        bag.wrench("/hand/right/force", first, np.full(3, 9.0), "gel")
        bag.wrench("/hand/left/force", 7, np.full(3, 9.0), "gel")
    with open_bag(tmp_path / "bag") as bag:
        live = read_live(bag, "/hand/left", "hand/perception: left", STAMPS_NS)
    assert live.present.tolist() == [True, False, True]
    assert live.interval_ns.tolist() == [80_000_000, -1, -1]
    assert live.counters == {}
    assert np.isnan(live.values["force"][:2]).all()
    np.testing.assert_allclose(live.values["force"][2], [1.0, 2.0, 3.0])
    assert live.values["slip probability"][0, 0] == 0.75
    assert live.values["slipping"][0, 0] == live.values["in contact"][0, 0] == 1.0
    np.testing.assert_allclose(live.values["motion"][0], [1e-3, 0.0, 0.1])
    np.testing.assert_allclose(live.values["pose"][2], [1e-3, 2e-3, -3.0])


def test_of_two_messages_about_a_frame_the_first_counts(tmp_path: Path) -> None:
    stamp_ns = int(STAMPS_NS[0])
    with BagWriter(tmp_path / "bag") as bag:
        bag.wrench("/tactile/force", stamp_ns, np.ones(3), "gel")
        bag.wrench("/tactile/force", stamp_ns, np.full(3, np.nan), "gel")
    with open_bag(tmp_path / "bag") as bag:
        live = read_live(bag, "/tactile", "tactile/perception: digit", STAMPS_NS)
    np.testing.assert_array_equal(live.values["force"][0], np.ones(3))
