# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros import`: data sets in their layouts, made here, become bags."""

from __future__ import annotations

import math
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from sparsh_ros import cli
from sparsh_ros.recordings.bag_writer import START_NS
from sparsh_ros.recordings.bags import list_bags, open_bag, profile_key
from sparsh_ros.recordings.labels import Event, read_events
from sparsh_ros.recordings.topics import find_sensors
from sparsh_ros.sensors.images import encode_jpeg


def _picture(seed: int, height: int = 320, width: int = 240) -> np.ndarray:
    """A smooth reddish image (height, width, 3) RGB, which JPEG hardly changes."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width] / 320
    waves = rng.uniform(1, 5, (2, 3))
    shades = [
        base + 20 * np.sin(down * waves[0, i] + across * waves[1, i])
        for i, base in enumerate((170, 100, 40))
    ]
    return np.stack(shades, axis=2).astype(np.uint8)


def _jpeg(seed: int, height: int = 320, width: int = 240) -> bytes:
    return encode_jpeg(_picture(seed, height, width), 95).tobytes()


def _close(image: np.ndarray, seed: int, height: int = 320, width: int = 240) -> bool:
    wanted = _picture(seed, height, width).astype(int)
    return image.shape == wanted.shape and np.abs(image - wanted).max() < 12


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def _events(bag_path: Path) -> dict[tuple[str, str], list[Event]]:
    """(sensor, kind) -> what a bag says."""
    found: dict[tuple[str, str], list[Event]] = {}
    with open_bag(bag_path) as bag:
        for event in read_events(bag, find_sensors(bag.topics)):
            found.setdefault((event.sensor, event.type), []).append(event)
        assert bag.warnings == []
    return found


def _profile(bag_path: Path, prefix: str) -> str:
    with open_bag(bag_path) as bag:
        return bag.custom[profile_key(prefix)]


@pytest.fixture
def imported(tmp_path: Path, capsys) -> Callable[..., SimpleNamespace]:
    """Runs `sparsh-ros import`: exit code, what it said, folder of its bags."""

    def run(*argv: object) -> SimpleNamespace:
        out = tmp_path / "bags"
        code = cli.main(["import", *map(str, argv), "--out", str(out)])
        return SimpleNamespace(code=code, said=capsys.readouterr().err, out=out)

    return run


FORCES = np.array([[0.1, -0.2, 1.0], [0.3, 0.1, 1.5], [0.5, 0.0, 2.0]])


def _force_slip(folder: Path, sensor: str = "digit") -> Path:
    """A batch of 7 images, of which 0 to 2 are without contact and 3 to 5 a trajectory."""
    batch = folder / "sphere" / "batch_1"
    images = [_jpeg(seed) for seed in range(7)]
    _dump(batch / f"dataset_{sensor}_00.pkl", images[:4])
    _dump(batch / f"dataset_{sensor}_01.pkl", images[4:])
    trajectory = {
        "indexes": np.array([3, 4, 5]),
        "forces": FORCES,
        "slip_label": np.array([0, 0, 1]),
        "coef_friction": 0.7,
    }
    labels = {"in_contact": np.array([1, 0, 0, 1, 1, 1, 0]), "trajectories": {0: trajectory}}
    _dump(batch / "dataset_slip_forces.pkl", labels)
    return folder


@pytest.mark.parametrize(
    ("name", "profile", "rate_hz"), [("digit", "digit", 60), ("gelsight", "gelsight_mini", 25)]
)
def test_force_and_slip(tmp_path: Path, imported, name: str, profile: str, rate_hz: int) -> None:
    result = imported("force-slip", _force_slip(tmp_path / "T1", name))
    assert (result.code, result.said) == (0, "")
    bag = result.out / "sphere" / "batch_1"
    assert list_bags(result.out) == [bag] and _profile(bag, "/tactile") == profile
    said = _events(bag)
    frames = said["tactile", "frame"]
    stamps = [START_NS + round(i * 1e9 / rate_hz) for i in range(7)]
    assert [frame.stamp_ns for frame in frames] == stamps
    assert all(_close(frame.value, seed) for seed, frame in enumerate(frames))
    (background,) = said["tactile", "background"]
    assert _close(background.value, 1)  # the first frame without contact
    forces, slips = said["tactile", "force"], said["tactile", "slip"]
    assert [event.stamp_ns for event in forces] == stamps[3:6]
    assert [event.stamp_ns for event in slips] == stamps[3:6]
    assert np.array_equal([event.value for event in forces], FORCES)
    assert [event.value[:2] for event in slips] == [(False, True), (False, True), (True, True)]


def test_axes_and_rate_of_force_data(tmp_path: Path, imported) -> None:
    source = _force_slip(tmp_path / "T1")
    result = imported("force-slip", source, "--force-axes", "y,-x,z", "--fps", "30")
    assert result.code == 0
    forces = _events(result.out / "sphere" / "batch_1")["tactile", "force"]
    np.testing.assert_array_equal(
        [event.value for event in forces], np.stack([FORCES[:, 1], -FORCES[:, 0], FORCES[:, 2]], 1)
    )
    assert forces[0].stamp_ns == START_NS + 100_000_000


def test_forces_of_the_other_sign_are_told(tmp_path: Path, imported) -> None:
    source = _force_slip(tmp_path / "T1")
    assert "--force-axes x,y,-z" in imported("force-slip", source, "--force-axes=x,y,-z").said


def test_landscape_frames_lie_as_the_loaders_of_sparsh_turn_them(tmp_path: Path, imported) -> None:
    for name in ("digit", "gelsight"):
        source = tmp_path / name
        _force_slip(source, name)
        for path in (source / "sphere" / "batch_1").glob(f"dataset_{name}_*.pkl"):
            _dump(
                path, [_jpeg(seed, 240, 320) for seed in range(4)][: 4 if "00" in path.name else 3]
            )
        assert imported("force-slip", source).code == 0
        bag = tmp_path / "bags" / "sphere" / "batch_1"
        frame = _events(bag)["tactile", "frame"][0].value
        # A GelSight's profile turns them clockwise itself, a DIGIT's the other way.
        upright = np.rot90(_picture(0, 240, 320), -1) if name == "digit" else _picture(0, 240, 320)
        assert frame.shape == upright.shape and np.abs(frame - upright.astype(int)).max() < 12
        bag.rename(tmp_path / f"{name}_bag")


def _pose_file(path: Path, frames: int = 8, labels: int = 8, scale: float = 1e-3) -> np.ndarray:
    """A T3 pickle of three fingers; returns the motions of the ring finger (labels, 4, 4)."""
    content: dict[str, object] = {"joints": np.zeros((frames, 16))}
    for finger in ("index", "middle", "ring"):
        motions = np.tile(np.eye(4), (labels, 1, 1))
        for i in range(labels):
            angle = np.deg2rad(0.1 * i)
            motions[i, :2, :2] = [
                [math.cos(angle), -math.sin(angle)],
                [math.sin(angle), math.cos(angle)],
            ]
            motions[i, :3, 3] = np.array([i, 10 + i, 50]) * scale
        content[f"digit_{finger}"] = [_jpeg(seed) for seed in range(frames)]
        content[f"object_{finger}_rel_pose_n5"] = motions
    _dump(path, content)
    return content["object_ring_rel_pose_n5"]


@pytest.mark.parametrize("missing", [0, 5])
def test_pose(tmp_path: Path, imported, missing: int) -> None:
    source = tmp_path / "T3"
    motions = _pose_file(source / "train" / "000.pkl", labels=8 - missing)
    (source / "bgs").mkdir()
    for finger in ("index", "middle", "ring"):
        bgr = cv2.cvtColor(_picture(99), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(source / "bgs" / f"digit_{finger}.png"), bgr)
    result = imported("pose", source)
    assert (result.code, result.said) == (0, "")
    said = _events(result.out / "train" / "000")
    assert {sensor for sensor, _ in said} == {"index", "middle", "ring"}
    changes = said["ring", "pose_change"]
    assert len(said["ring", "frame"]) == 8 and len(changes) == 3
    assert np.array_equal(said["ring", "background"][0].value, _picture(99))
    for change, motion in zip(changes, motions[-3:], strict=True):
        assert change.value.interval_s == pytest.approx(5 / 60, abs=1e-9)
        # The benchmark calls the translation's component 1 x, and component 0 y.
        angle = math.atan2(motion[1, 0], motion[0, 0])
        assert change.value.change == pytest.approx([motion[1, 3], motion[0, 3], angle], abs=1e-15)
    assert [change.stamp_ns for change in changes] == [
        START_NS + round(i * 1e9 / 60) for i in (5, 6, 7)
    ]


def test_a_background_takes_the_channel_order_of_the_frames(tmp_path: Path, imported) -> None:
    source = tmp_path / "T3"
    _pose_file(source / "000.pkl")
    (source / "bgs").mkdir()
    for finger in ("index", "middle", "ring"):
        # Written as if it were BGR: red and blue are exchanged against the frames.
        cv2.imwrite(str(source / "bgs" / f"digit_{finger}.png"), _picture(99))
    result = imported("pose", source / "000.pkl")
    assert result.code == 0 and result.said.count("red and blue exchanged") == 3
    said = _events(result.out / "000")
    assert np.array_equal(said["ring", "background"][0].value, _picture(99))


def test_exchanged_colours_can_be_put_right(tmp_path: Path, imported) -> None:
    result = imported("force-slip", _force_slip(tmp_path / "T1"), "--swap-red-blue")
    assert result.code == 0
    said = _events(result.out / "sphere" / "batch_1")
    assert _close(said["tactile", "frame"][0].value[..., ::-1], 0)
    assert _close(said["tactile", "background"][0].value[..., ::-1], 1)


def test_motions_that_are_unknown_are_no_labels(tmp_path: Path, imported) -> None:
    path = tmp_path / "000.pkl"
    _pose_file(path)
    content = pickle.loads(path.read_bytes())
    content["object_ring_rel_pose_n5"][6] = math.nan
    _dump(path, content)
    changes = _events(imported("pose", path).out / "000")["ring", "pose_change"]
    assert [change.stamp_ns for change in changes] == [
        START_NS + round(i * 1e9 / 60) for i in (5, 7)
    ]


def test_motions_in_millimetres_are_refused(tmp_path: Path, imported) -> None:
    _pose_file(tmp_path / "T3" / "000.pkl", scale=1.0)
    result = imported("pose", tmp_path / "T3")
    assert result.code == 1 and "wanted motions in metres" in result.said
    assert not (result.out / "000").exists()


def test_pretraining(tmp_path: Path, imported) -> None:
    source = tmp_path / "ssl"
    _dump(source / "021_bleach" / "dataset_0.pkl", [_jpeg(seed) for seed in range(3)])
    _dump(source / "touch_go" / "a.pkl", [_jpeg(5), b"no image"])
    (source / "bgs").mkdir()
    (source / "bgs" / "bg_3.jpg").write_bytes(_jpeg(77))
    result = imported("pretraining", source)
    assert result.code == 0
    assert "touch_go/a: /tactile: 1 images could not be decoded and were left out" in result.said
    assert "021_bleach/dataset_0: taken for a digit" in result.said
    digit, gelsight = result.out / "021_bleach" / "dataset_0", result.out / "touch_go" / "a"
    assert [_profile(bag, "/tactile") for bag in (digit, gelsight)] == ["digit", "gelsight_2017"]
    said = _events(digit)
    assert set(said) == {("tactile", "frame"), ("tactile", "background")}
    assert len(said["tactile", "frame"]) == 3 and _close(said["tactile", "background"][0].value, 77)
    assert set(_events(gelsight)) == {("tactile", "frame")}


def test_a_folder_of_images_with_labels(tmp_path: Path, imported) -> None:
    source = tmp_path / "press"
    source.mkdir()
    for i in range(4):
        (source / f"frame{i}.jpg").write_bytes(_jpeg(i, 240, 320))
    (source / "background.png").write_bytes(cv2.imencode(".png", _picture(9))[1].tobytes())
    (source / "labels.csv").write_text(
        "file,t_s,Fx_N,Fy_N,Fz_N,slipping,in_contact,x_m,y_m,theta_rad\n"
        "frame0.jpg,0.00,0,0,0,0,0,,,\n"
        "frame1.jpg,0.05,0.5,0.25,-2,0,1,0.001,0.002,0.5\n"
        "frame3.jpg,0.20,,,,true,,,,\n"
    )
    result = imported("plain", source, "--force-axes", "x,y,-z")
    assert result.code == 0 and "1 images have no time" in result.said
    said = _events(result.out / "press")
    stamps = [START_NS, START_NS + 50_000_000, START_NS + 200_000_000]
    frames = said["tactile", "frame"]
    assert [frame.stamp_ns for frame in frames] == stamps
    assert _close(frames[2].value, 3, 240, 320)  # as recorded: the sensor's profile turns it
    (background,) = said["tactile", "background"]
    assert np.array_equal(background.value, _picture(9))
    forces = said["tactile", "force"]
    assert [event.stamp_ns for event in forces] == stamps[:2]
    assert forces[1].value.tolist() == [0.5, 0.25, 2.0]
    slips = [event.value[:2] for event in said["tactile", "slip"]]
    assert slips == [(False, False), (False, True), (True, True)]
    (pose,) = said["tactile", "pose"]
    assert pose.value == pytest.approx([0.001, 0.002, 0.5, 1]) and pose.stamp_ns == stamps[1]


def test_a_video_with_labels(tmp_path: Path, imported) -> None:
    video = tmp_path / "press.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 20, (240, 320))
    for seed in range(5):
        writer.write(cv2.cvtColor(_picture(seed), cv2.COLOR_RGB2BGR))
    writer.release()
    labels, background = tmp_path / "press.csv", tmp_path / "free.png"
    labels.write_text("index,slipping\n1,0\n3,1\n9,1\n")
    cv2.imwrite(str(background), cv2.cvtColor(_picture(9), cv2.COLOR_RGB2BGR))
    options = ("--labels", labels, "--background", background, "--sensor", "gelsight_mini")
    result = imported("plain", video, *options)
    assert result.code == 0 and "1 rows" in result.said
    said = _events(result.out / "press")
    frames, slips = said["tactile", "frame"], said["tactile", "slip"]
    assert [frame.stamp_ns - START_NS for frame in frames] == [50_000_000 * i for i in range(5)]
    assert [(slip.stamp_ns, slip.value.slipping) for slip in slips] == [
        (frames[1].stamp_ns, False),
        (frames[3].stamp_ns, True),
    ]
    assert np.array_equal(said["tactile", "background"][0].value, _picture(9))
    assert _profile(result.out / "press", "/tactile") == "gelsight_mini"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a,b\n1,2\n", "wanted the columns"),
        ("index,slipping\n0,maybe\n", "row 1.*maybe"),
        ("index,Fx_N,Fy_N,Fz_N\n0,1,inf,3\n", "row 1.*inf"),
        ("index,slipping\n1.5,0\n", "row 1.*whole number"),
        ("index,t_s,slipping\n0,1.0,0\n1,0.5,0\n", "wanted them to grow"),
        ("index,t_s,slipping\n0,-3,0\n1,1,0\n", "wanted seconds from 0"),
        ("index,t_s,slipping\n0,1.7e12,0\n", "wanted seconds from 0"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path: Path, imported, text, named) -> None:
    source = tmp_path / "press"
    source.mkdir()
    (source / "0.jpg").write_bytes(_jpeg(0))
    (source / "labels.csv").write_text(text)
    result = imported("plain", source)
    assert result.code == 1 and not (result.out / "press").exists()
    assert re.search(f"labels.csv.*{named}", result.said)


def test_existing_bags_are_kept_and_one_bad_recording_does_not_stop_the_rest(
    tmp_path: Path, imported
) -> None:
    source = tmp_path / "ssl"
    for name in ("a", "b"):
        _dump(source / f"{name}.pkl", [_jpeg(0)])
    (source / "a.pkl").write_bytes(b"damaged")
    result = imported("pretraining", source)
    assert result.code == 1 and "a: left out:" in result.said
    before = (result.out / "b" / "metadata.yaml").stat().st_mtime_ns
    _dump(source / "a.pkl", [_jpeg(1)])
    assert imported("pretraining", source).code == 0
    assert (result.out / "b" / "metadata.yaml").stat().st_mtime_ns == before
    assert [bag.name for bag in list_bags(result.out)] == ["a", "b"]


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("force-slip", "missing"), "not found"),
        (("force-slip", "."), "dataset_slip_forces.pkl"),
        (("pose", "."), ".pkl files"),
        (("pretraining", "."), ".pkl files"),
        (("plain", "."), "a video"),
        (("plain", ".", "--force-axes", "x,x,z"), "force axes"),
    ],
)
def test_what_is_no_data_set_is_a_sentence(
    tmp_path: Path, imported, monkeypatch, argv: tuple[str, ...], named: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    result = imported(*argv)
    assert result.code == 1 and named in result.said


def test_bags_that_were_made_otherwise_are_not_kept_silently(tmp_path: Path, imported) -> None:
    source = tmp_path / "press"
    source.mkdir()
    (source / "0.jpg").write_bytes(_jpeg(0))
    first = imported("plain", source, "--fps", "30", "--sensor", "digit")
    assert first.code == 0
    again = imported("plain", source, "--fps", "30", "--sensor", "digit")
    assert again.code == 0 and "imported before with the same options" in again.said
    other = imported("plain", source, "--fps", "60", "--sensor", "digit")
    assert other.code == 1 and "made with other options (imported_options differ)" in other.said


@pytest.mark.parametrize(
    "text",
    [
        ",index,t_s,Fx_N,Fy_N,Fz_N,slipping\n0,0,0.0,1.5,2,3,0.0\n1,1,0.5,,nan,3,1.0\n",
        "index;t_ms;fx_n;fy_n;fz_n;Slipping\r\n0;0;1,5;2;3;false\r\n1;500;;;;true\r\n",
        "# index\tt_us\tFx_N\tFy_N\tFz_N\tslipping\n"
        "0.000e+00\t0.0e+00\t1.5e+00\t2e0\t3e0\t0.000e+00\n"
        "1.000e+00\t5.0e+05\tnan\tnan\tnan\t1.000e+00\n",
    ],
)
def test_tables_of_pandas_spreadsheets_and_numpy_are_read(tmp_path, imported, text) -> None:
    source = tmp_path / "press"
    source.mkdir()
    for name in ("0.jpg", "1.jpg"):
        (source / name).write_bytes(_jpeg(0))
    (source / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    result = imported("plain", source)
    assert result.code == 0 and "1 rows of labels.csv have no force" in result.said
    said = _events(result.out / "press")
    (force,) = said["tactile", "force"]
    assert force.value.tolist() == [1.5, 2, 3]
    assert [event.value[0] for event in said["tactile", "slip"]] == [False, True]
    stamps = [event.stamp_ns for event in said["tactile", "frame"]]
    assert stamps[1] - stamps[0] == 500_000_000


def test_images_named_by_their_time_have_it(tmp_path: Path, imported) -> None:
    source = tmp_path / "press"
    source.mkdir()
    for name in ("1732795999.5.jpg", "1732795999.25.jpg", "1732796001.0.jpg"):
        (source / name).write_bytes(_jpeg(0))
    result = imported("plain", source)
    frames = _events(result.out / "press")["tactile", "frame"]
    assert np.diff([frame.stamp_ns for frame in frames]).tolist() == [250_000_000, 1_500_000_000]


def test_hidden_files_shift_no_label_and_labels_without_images_are_said(tmp_path, imported) -> None:
    source = tmp_path / "press"
    source.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (source / name).write_bytes(_jpeg(0))
        (source / f"._{name}").write_bytes(b"AppleDouble")
    (source / "labels.csv").write_text("file,slipping\nb.jpg,1\nc.jpg,1\n")
    result = imported("plain", source)
    assert "1 rows of" in result.said and "could not be decoded" not in result.said
    said = _events(result.out / "press")
    assert said["tactile", "slip"][0].stamp_ns == said["tactile", "frame"][1].stamp_ns
    (source / "labels.csv").write_text("file,slipping\nnone.jpg,1\n")
    shutil.rmtree(result.out)
    assert "gave no label at all" in imported("plain", source).said


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path, imported) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "press.mp4").write_text(pointer)
    result = imported("plain", tmp_path / "press.mp4")
    assert result.code == 1 and "git lfs pull" in result.said
