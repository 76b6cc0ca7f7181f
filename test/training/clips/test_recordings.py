# SPDX-License-Identifier: Apache-2.0
"""Bags as training data: the frames and labels of the episode, at 60 Hz, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.commands.simulation.simulate import record_bag
from sparsh_ros.errors import DatasetError
from sparsh_ros.models.heads import build_head
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.recordings.bags import open_bag, profile_key
from sparsh_ros.training import episodes
from sparsh_ros.training.clips.episodes import read_shard
from sparsh_ros.training.clips.mixed import MixedClips
from sparsh_ros.training.clips.recordings import read_recording
from sparsh_ros.training.clips.store import open_clips
from sparsh_ros.training.episodes import SimulatedTouch
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tasks import ClassWeights, Targets, head_loss

SIZE = (80, 60)


def _write(path, stamps_s, forces=1000):
    """A bag of a DIGIT whose red grows from frame to frame, with so many labels of force, none of
    slip."""
    with BagWriter(path, custom={profile_key("/tactile"): "digit"}) as bag:
        grey = np.full((320, 240, 3), 120, np.uint8)
        bag.image("/tactile/background", START_NS, grey, "camera")
        for index, time_s in enumerate(stamps_s):
            stamp_ns = START_NS + round(time_s * 1e9)
            image = grey + np.uint8([index, 0, 0])
            bag.image("/tactile/image_raw", stamp_ns, image, "camera")
            if index < forces:
                force_n = np.array([0.0, 0.0, float(index)])
                bag.wrench("/tactile/ground_truth/force", stamp_ns, force_n, "gel")
    return path


def test_a_bag_gives_what_the_episode_of_the_same_touch_gives(tmp_path):
    touch = SimulatedTouch("test", 0, 1)
    episodes.record(tmp_path / "episode.npz", touch, 0.6)
    record_bag(tmp_path / "bag", touch, 0.6)
    wanted = read_shard(tmp_path / "episode.npz", SIZE)
    (found,) = read_recording(tmp_path / "bag", SIZE, "test")
    assert wanted.in_contact.any()
    np.testing.assert_array_equal(found.frames, wanted.frames)
    for name in ("force_n", "in_contact", "slipping"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=2e-5)
    moved = [np.diff(shard.pose, axis=0) for shard in (found, wanted)]  # a bag's begin with contact
    np.testing.assert_allclose(*moved, atol=2e-5)
    assert found.slip_known.all() and not found.maps_known
    assert found.meta["instance_seed"] == wanted.meta["instance_seed"]


def test_frames_lie_on_a_grid_and_a_pause_begins_a_new_shard(tmp_path):
    stamps = [*np.arange(6) / 30.0, *(2.0 + np.arange(4) / 30.0)]
    first, second = read_recording(_write(tmp_path / "bag", stamps), SIZE, "train")
    assert (len(first.frames), len(second.frames)) == (11, 7)  # twice as many as were recorded
    red = first.frames[:, 40, 30, 0].astype(int) - 127
    assert (red[::2] == np.arange(6)).all() and (np.diff(red) >= 0).all()
    np.testing.assert_allclose(first.force_n[:, 2], red, atol=1e-6)  # labels of the frames chosen
    assert second.frames[0, 40, 30, 0] == 127 + 6
    assert not first.slip_known.any()


def test_tasks_without_labels_are_refused_and_the_others_train(tmp_path):
    _write(tmp_path / "data" / "train" / "one", np.arange(20) / 60.0)
    spec = model_spec("mae", "nano", tmp_path)
    store = open_clips(tmp_path / "data", "train", tmp_path / "cache", spec)
    assert len(store.labelled(["force"])) == len(store) == 15
    _write(tmp_path / "part" / "train" / "one", np.arange(20) / 60.0, forces=12)
    part = open_clips(tmp_path / "part", "train", tmp_path / "cache1", spec)
    some = part.labelled(["force"])
    assert (len(part), len(some)) == (15, 7) and np.isfinite(some.labels.force_n).all()
    np.testing.assert_array_equal(some.rows, part.rows[:7])
    with pytest.raises(DatasetError, match=r"wanted labels of slip, found none in 15 clips"):
        store.labelled(["slip"])
    _write(tmp_path / "bare" / "train" / "one", np.arange(20) / 60.0, forces=0)
    bare = open_clips(tmp_path / "bare", "train", tmp_path / "cache2", spec)
    targets = Targets.of(bare.labels, spec)
    outputs = build_head("slip", spec)(torch.zeros(15, 48, 64))
    assert np.isfinite(head_loss("slip", outputs, targets, ClassWeights.of(targets)).item())


def test_motions_that_are_labelled_themselves_count_for_clips_of_their_length(tmp_path):
    path = _write(tmp_path / "raw", np.arange(12) / 60.0)
    with open_bag(path) as old, BagWriter(tmp_path / "data" / "train" / "one") as bag:
        bag.note(profile_key("/tactile"), "digit")
        for message in old.messages([topic.name for topic in old.topics]):
            bag.raw(message.topic, message.type, message.log_time_ns, message.data)
        for index in range(12):
            change, stamp_ns = np.array([1e-3, 0.0, 0.01 * index]), START_NS + index * 16_666_667
            topic = "/tactile/ground_truth/pose_change"
            bag.pose_change(topic, stamp_ns, 5 / 60, change, "gel")
    where = (tmp_path / "data", "train", tmp_path / "cache")
    motion = open_clips(*where, model_spec("mae", "nano", tmp_path)).labels.motion
    np.testing.assert_allclose(motion[:, 0], 1.0, rtol=1e-5)
    np.testing.assert_allclose(motion[:, 2], np.degrees(0.01 * np.arange(5, 12)), rtol=1e-5)
    with pytest.raises(DatasetError, match="wanted labels of pose"):  # clips of another length
        open_clips(*where, model_spec("vjepa", "nano", tmp_path)).labelled(["pose"])


def test_a_bag_without_images_is_named(tmp_path):
    path = tmp_path / "data" / "train" / "one"
    with BagWriter(path) as bag:
        bag.wrench("/tactile/ground_truth/force", START_NS, np.zeros(3), "gel")
    spec = model_spec("mae", "nano", tmp_path)
    with pytest.raises(DatasetError, match="one.*wanted images"):
        open_clips(tmp_path / "data", "train", tmp_path / "cache", spec)


def test_a_damaged_bag_among_others_is_named(tmp_path):
    folder = tmp_path / "data" / "train"
    for name in ("one", "two"):
        _write(folder / name, np.arange(20) / 60.0)
    spec = model_spec("mae", "nano", tmp_path)
    (file,) = (folder / "two").glob("*.mcap")
    file.write_bytes(b"no bag" * 99)
    with pytest.raises(DatasetError, match="train/two"):
        open_clips(tmp_path / "data", "train", tmp_path / "cache", spec)


def test_a_bag_that_was_cut_off_says_so(tmp_path, capsys):
    folder = tmp_path / "data" / "train"
    (file,) = _write(folder / "one", np.arange(90) / 60.0).glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-50])
    spec = model_spec("mae", "nano", tmp_path)
    assert len(open_clips(tmp_path / "data", "train", tmp_path / "cache", spec)) > 0
    assert "train/one: " in capsys.readouterr().err


def test_bags_and_episodes_in_one_folder_are_refused(tmp_path):
    folder = tmp_path / "data" / "train"
    _write(folder / "one", np.arange(20) / 60.0)
    (folder / "episode_00000.npz").touch()
    spec = model_spec("mae", "nano", tmp_path)
    with pytest.raises(DatasetError, match="found both"):
        open_clips(tmp_path / "data", "train", tmp_path / "cache", spec)


def test_data_sets_are_mixed_alike(tmp_path):
    spec, parts = model_spec("mae", "nano", tmp_path), []
    for name, count in (("few", 8), ("many", 25)):
        _write(tmp_path / name / "train" / "one", np.arange(count) / 60.0)
        parts.append(open_clips(tmp_path / name, "train", tmp_path / f"cache-{name}", spec))
    mixed = MixedClips(parts)
    assert len(mixed) == 2 * 20
    clips = mixed.clips(np.array([1, 0, 6, 3]))
    torch.testing.assert_close(clips[[1, 2]], parts[0].clips(np.array([0, 0])))  # 3 clips, again
    torch.testing.assert_close(clips[[0, 3]], parts[1].clips(np.array([0, 1])))
