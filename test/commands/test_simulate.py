# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros simulate`: episodes and bags of the same touches."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures.waiting import LONG_S, until

from sparsh_ros.cli import data
from sparsh_ros.commands.simulation import simulate
from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.bag_writer import START_NS
from sparsh_ros.recordings.bags import list_bags, open_bag, profile_key
from sparsh_ros.recordings.labels import read_events
from sparsh_ros.recordings.topics import find_sensors
from sparsh_ros.training import episodes
from sparsh_ros.training.episodes import Episode, SimulatedTouch, list_episodes

INSTALLED = Path(sys.executable).with_name("sparsh-ros")


def _run(out: Path, *more: str) -> None:
    parser = argparse.ArgumentParser()
    data.add_simulate(parser)
    command = ["--out", str(out), "--episodes", "1", "--duration", "0.2", "--workers", "1", *more]
    assert simulate.run(parser.parse_args(command)) == 0


@pytest.mark.skipif(not INSTALLED.is_file(), reason=f"{INSTALLED} is not installed")
def test_workers_of_the_installed_command(tmp_path: Path) -> None:
    command = [INSTALLED, "simulate", "--out", tmp_path, "--episodes", "2", "--duration", "0.1"]
    subprocess.run([*command, "--workers", "2"], check=True, cwd=tmp_path, timeout=120)
    assert len(list_episodes(tmp_path, "train")) == 2


def test_existing_episodes_are_kept(tmp_path: Path) -> None:
    _run(tmp_path)
    path = list_episodes(tmp_path, "train")[0]
    before = path.stat().st_mtime_ns
    _run(tmp_path)
    assert path.stat().st_mtime_ns == before
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_existing_bags_are_kept_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _run(tmp_path / name, "--bags", "--split", "test")
    first, second = (list_bags(tmp_path / name)[0] / "episode_00000.mcap" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    before = first.stat().st_mtime_ns
    _run(tmp_path / "a", "--bags", "--split", "test")
    assert first.stat().st_mtime_ns == before


@pytest.mark.parametrize("index", [0, 3])
def test_a_bag_holds_the_frames_and_labels_of_the_episode(tmp_path: Path, index: int) -> None:
    touch = SimulatedTouch("test", 0, index)
    episodes.record(tmp_path / "episode.npz", touch, 1.0)
    ticks: list[None] = []
    simulate.record_bag(tmp_path / "bag", touch, 1.0, lambda: ticks.append(None))
    episode = Episode.load(tmp_path / "episode.npz")
    with open_bag(tmp_path / "bag") as bag:
        (sensor,) = find_sensors(bag.topics)
        assert bag.custom[profile_key(sensor.prefix)] == touch.sensor == episode.meta["sensor"]
        events = list(read_events(bag, [sensor]))
        assert bag.warnings == []
    frames, forces, slips, poses = (
        [event for event in events if event.type == kind]
        for kind in ("frame", "force", "slip", "pose")
    )
    (background,) = (event for event in events if event.type == "background")
    assert events[0] is background and np.array_equal(background.value, episode.background)
    assert len(ticks) == len(frames) == len(episode) == 60
    for i, frame in enumerate(frames):
        assert np.array_equal(frame.value, episode.image(i))
    for labels in (frames, forces, slips, poses):
        stamps = [event.stamp_ns - START_NS for event in labels]
        assert stamps == episode.stamp_ns.tolist()
    assert np.array_equal([event.value for event in forces], episode.force_n)
    assert np.array_equal([event.value.slipping for event in slips], episode.slipping)
    assert np.array_equal([event.value.in_contact for event in slips], episode.in_contact)
    motion = np.diff([event.value[:3] for event in poses], axis=0)
    assert episode.in_contact.any()
    np.testing.assert_allclose(motion, np.diff(episode.pose, axis=0), atol=1e-12)


def test_seeds_and_counts_out_of_range_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="--seed"):
        _run(tmp_path, "--seed", "100")
    with pytest.raises(DatasetError, match="--episodes"):
        _run(tmp_path, "--episodes", str(episodes.SEED_STRIDE + 1))


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "train"
    in_the_way.write_text("no folder")
    with pytest.raises(DatasetError, match=str(in_the_way)):
        _run(tmp_path)


def test_ctrl_c_keeps_what_is_done_and_drops_the_rest(tmp_path: Path) -> None:
    program = (
        "import signal, sys\n"
        "from sparsh_ros.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # not that of a background job\n"
        "if __name__ == '__main__': sys.exit(main())\n"
    )
    (tmp_path / "program.py").write_text(program)
    options = ("--episodes", "500", "--duration", "0.1", "--workers", "1")
    process = subprocess.Popen(
        [sys.executable, tmp_path / "program.py", "simulate", "--out", tmp_path, *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    until(lambda: list((tmp_path / "train").glob("episode_*.npz")))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 130
    made = len(list((tmp_path / "train").iterdir()))  # and nothing is left behind half written
    assert said == f"sparsh-ros: stopped, {made} of 500 made; run again to continue\n"
