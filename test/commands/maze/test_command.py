# SPDX-License-Identifier: Apache-2.0
"""The commands of the bead maze, as a user types them."""

import json

import cv2
import pytest

pytest.importorskip("onnx")

from fixtures.constant_policy import write_constant_policy

from sparsh_ros.bench.maze.closed_loop import RunResult, run_maze
from sparsh_ros.cli import _parser, main
from sparsh_ros.commands.maze import bench
from sparsh_ros.names import WIRE_FAMILIES
from sparsh_ros.policies import demonstrations
from sparsh_ros.policies.bags import write_bag
from sparsh_ros.policies.demonstrations import Demonstration, record
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.recordings.bags import open_bag

TRUE_FORCE = "right/ground_truth/force"


WITH_FAMILY = {
    "draw": ("maze", "draw"),
    "demonstrate": ("maze", "demonstrate", "--out", "x"),
    "bench": ("bench", "bead-maze", "--out", "x"),
}


@pytest.mark.parametrize("command", WITH_FAMILY)
def test_a_family_is_one_of_those_that_wires_are_drawn_of(command, capsys):
    for family in WIRE_FAMILIES:
        assert _parser().parse_args([*WITH_FAMILY[command], "--family", family]).family == family
    with pytest.raises(SystemExit):
        _parser().parse_args([*WITH_FAMILY[command], "--family", "knots"])
    refusal = capsys.readouterr().err
    assert "'knots'" in refusal and all(family in refusal for family in WIRE_FAMILIES)


def test_a_run_of_the_expert_becomes_film_and_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("sparsh_ros.commands.maze.films.LONGEST_S", 1.5)
    film = tmp_path / "maze.mp4"
    assert main(["maze", "draw", "--seed", "3", "--out", str(film)]) == 0
    video = cv2.VideoCapture(str(film))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 16
    assert cv2.imread(str(film.with_suffix(".png"))).std() > 5.0


def test_a_demonstration_is_recorded_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(demonstrations, "LONGEST_S", 1.5)
    made = record("toy", 3, TouchReader())
    path = tmp_path / "one.npz"
    made.save(path)
    read = Demonstration.load(path)
    assert read.meta == made.meta and len(read) == len(made) > 15
    assert read.columns["images"].shape == (len(read), 2, 80, 60, 3)
    left, right = read.touches(12)
    assert left.in_contact and right.in_contact
    true, _ = read.touches(12, "true")
    assert abs(left.centre_m - true.centre_m).max() < 1.5e-3
    assert left.pooled.any() and left.force_n[1] > 1.0 > right.force_n[1]
    check_bag(read, tmp_path / "one")


def check_bag(demonstration, path):
    write_bag(demonstration, path)
    with open_bag(path) as bag:
        assert json.loads(bag.custom["demonstration"]) == demonstration.meta
        counts = {topic.name: topic.count for topic in bag.topics}
        assert counts.pop("left/background") == counts.pop("right/background") == 1
        assert len(counts) == 8 and set(counts.values()) == {len(demonstration)}
        wanted = [bag.decode(message) for message in bag.messages(["joint_command"])]
        joints = demonstration.columns["wanted_joints"]
        assert [list(one.position) for one in wanted] == joints.tolist()
        force = [bag.decode(one).wrench.force.z for one in bag.messages([TRUE_FORCE])]
        assert max(force) > 2.0  # into the gel


def test_a_policy_that_pushes_straight_on_moves_the_bead_and_fails_honestly(tmp_path):
    path = tmp_path / "straight.onnx"
    write_constant_policy(path, [3e-3, 0, 0, 0, 0, 0], without="touch")
    result = run_maze(Policy(path), "waves", 10_000, None, None)
    assert not result.finished
    assert result.failure in ("the bead was lost", "no progress")
    assert 0.005 < result.distance_m < result.length_m
    assert result.peak_force_n > 1.0


def test_bench_keeps_what_it_has_and_writes_table_and_page(tmp_path, monkeypatch):
    policy, out = tmp_path / "straight.onnx", tmp_path / "maze"
    write_constant_policy(policy, [3e-3, 0, 0, 0, 0, 0], without="touch")
    line = ["bench", "bead-maze", str(policy), "--mazes", "1", "--truth", "--out", str(out)]
    assert main(line) == 0
    page = (out / bench.REPORT_FILE).read_text()
    assert "straight" in page and "10.8" in page and "straight-truth.webm" in page
    monkeypatch.setattr(bench, "film_policy", None)  # nothing is run again
    assert main(line) == 0


class Bench:
    """`bench bead-maze` with runs that only say which they were."""

    def __init__(self, out, monkeypatch):
        self.out, self.ran = out, []
        monkeypatch.setattr(bench, "run_maze", lambda *one, **_: self.run(one[1], one[2]))
        monkeypatch.setattr(bench, "film_policy", lambda *one: (self.run(one[1], one[2]), None))

    def run(self, family, seed):
        self.ran.append((family, seed))
        return RunResult(family, seed, True, "", 0.2, 0.2, 9.0, 0, 0, 0, 9.0, 5.0, 1.0)

    def __call__(self, *options):
        del self.ran[:]
        line = ["bench", "bead-maze", "--truth", "--out", str(self.out)]
        code = main([*line, *map(str, options)])
        return code, list(self.ran)


@pytest.fixture
def bench_maze(tmp_path, monkeypatch):
    return Bench(tmp_path / "maze", monkeypatch)


def test_a_folder_of_policies_is_one_row_and_rows_are_compared(tmp_path, bench_maze, capsys):
    for name in ("felt/0", "felt/1", "chunks/0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_constant_policy(tmp_path / f"{name}.onnx", [3e-3, 0, 0, 0, 0, 0])
    folders = tmp_path / "felt", tmp_path / "chunks"
    code, ran = bench_maze(*folders, "--mazes", 2)
    assert code == 0 and ran == 3 * [("waves", 10_000), ("waves", 10_001)]
    summary = json.loads((bench_maze.out / bench.SUMMARY_FILE).read_text())
    assert {name: row["policies"] for name, row in summary["rows"].items()} == {
        "felt-truth": 2,
        "chunks-truth": 1,
    }
    assert summary["less"]["chunks-truth"][0]["mazes"] == 2
    page = (bench_maze.out / bench.REPORT_FILE).read_text()
    assert "felt-0-truth.webm" in page and "felt-truth less the others" in page
    assert bench_maze(*folders, "--mazes", 3)[1] == 3 * [("waves", 10_002)]
    assert bench_maze(tmp_path / "felt", tmp_path / "felt")[0] == 1
    assert "twice" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert bench_maze(tmp_path / "none")[0] == 1


def test_results_of_another_policy_family_or_lag_are_not_taken(tmp_path, bench_maze):
    policy = tmp_path / "straight.onnx"
    write_constant_policy(policy, [3e-3, 0, 0, 0, 0, 0])
    line = policy, "--mazes", 1
    assert bench_maze(*line)[1] == [("waves", 10_000)]
    assert bench_maze(*line, "--family", "hairpins")[1] == [("hairpins", 10_000)]
    assert bench_maze(*line, "--lag", 0)[1] == [("waves", 10_000)]
    assert bench_maze(*line)[1] == []
    write_constant_policy(policy, [2e-3, 0, 0, 0, 0, 0])
    assert bench_maze(*line)[1] == [("waves", 10_000)]


def test_mazes_of_the_demonstrations_are_refused(tmp_path, capsys):
    line = ["bench", "bead-maze", "p.onnx", "--seed", "5", "--out", str(tmp_path)]
    assert main(line) == 1
    assert "wanted a seed from 10000 on, found 5" in capsys.readouterr().err


def test_nobody_to_run_is_refused(tmp_path, capsys):
    assert main(["bench", "bead-maze", "--out", str(tmp_path)]) == 1
    assert "wanted policies, or --expert" in capsys.readouterr().err
