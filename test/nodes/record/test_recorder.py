# SPDX-License-Identifier: Apache-2.0
"""The recorder, as a process of its own and as a part of a graph."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Image

from sparsh_ros.msg import Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.topics import qos
from sparsh_ros.recordings.bags import open_bag

GIVE_UP_S = 60.0
FULL_DISK = """
import shutil, sys
from types import SimpleNamespace
shutil.disk_usage = lambda path: SimpleNamespace(free=0)
from sparsh_ros.cli import main
sys.exit(main())
"""


class Recording:
    """A running `sparsh-ros record`."""

    def __init__(
        self, *arguments: str, program: tuple[str, ...] = ("-m", "sparsh_ros.cli")
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *program, "record", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._began, self._lines = threading.Event(), []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_until_it_began(self) -> None:
        assert self._began.wait(GIVE_UP_S), self.said

    @property
    def said(self) -> str:
        return "".join(self._lines)

    def stop(self) -> int:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        exit_code = self._process.wait(GIVE_UP_S)
        self._reader.join()
        return exit_code

    def _read(self) -> None:
        for line in self._process.stderr:
            self._lines.append(line)
            if "recording to" in line:
                self._began.set()
        self._began.set()


@pytest.fixture
def publishers(outsider) -> Iterator[dict]:
    """Publishers of an image, a background, a slip and a force in the namespace /lab."""
    node = outsider.node
    made = {
        "image_raw": node.create_publisher(Image, "/lab/image_raw", qos.IMAGE_INPUT),
        "background": node.create_publisher(Image, "/lab/background", qos.LATCHED),
        "slip": node.create_publisher(Slip, "/lab/slip", qos.ESTIMATE),
    }
    yield made
    outsider.destroy(*made.values())


def _wait_for_listener(publisher, count: int = 1) -> None:
    event = threading.Event()
    for _ in range(int(GIVE_UP_S / 0.05)):
        if publisher.get_subscription_count() >= count:
            return
        event.wait(0.05)
    raise AssertionError(f"nobody listens to {publisher.topic_name}")


def _slip(stamp_ns: int) -> Slip:
    return Slip(header=conversions.header(stamp_ns, "gel"), valid=True, probability=0.25)


def test_all_that_is_sent_is_in_the_bag(tmp_path: Path, publishers, outsider) -> None:
    image = np.random.default_rng(0).integers(0, 255, (320, 240, 3), np.uint8)
    # Sent before anybody listens.
    publishers["background"].publish(conversions.image_to_msg(image, 1, "camera"))
    recording = Recording("--out", str(tmp_path / "bag"), "--namespace", "lab")
    for publisher in publishers.values():
        _wait_for_listener(publisher)
    slips = [_slip(stamp_ns) for stamp_ns in range(1, 51)]
    for slip in slips:
        publishers["slip"].publish(slip)
    late = outsider.node.create_publisher(WrenchStamped, "/lab/force", qos.ESTIMATE)
    foreign = outsider.node.create_publisher(WrenchStamped, "/elsewhere/force", qos.ESTIMATE)
    _wait_for_listener(late)
    late.publish(conversions.force_to_msg(np.ones(3), 7, "gel"))
    foreign.publish(conversions.force_to_msg(np.ones(3), 7, "gel"))
    assert recording.stop() == 0, recording.said
    outsider.destroy(late, foreign)
    with open_bag(tmp_path / "bag") as bag:
        assert bag.warnings == []
        counts = {topic.name: topic.count for topic in bag.topics}
        found = [message.data for message in bag.messages(["/lab/slip"])]
    assert [deserialize_message(data, Slip) for data in found] == slips
    assert counts.pop("/lab/slip") == 50
    assert counts == {"/lab/background": 1, "/lab/force": 1}
    # As another program reads it, by nothing but what the bag itself says of its types.
    with AnyReader([tmp_path / "bag"]) as reader:
        of_slip = [one for one in reader.connections if one.topic == "/lab/slip"]
        _, _, data = next(reader.messages(of_slip))
        assert reader.deserialize(data, of_slip[0].msgtype).probability == 0.25
    assert "/lab/slip: 50 messages" in recording.said and " 0 dropped" in recording.said


def test_it_ends_by_itself_and_records_the_topics_that_are_named(
    tmp_path: Path, publishers
) -> None:
    recording = Recording("/lab/slip", "--out", str(tmp_path / "bag"), "--duration", "0.1")
    _wait_for_listener(publishers["slip"])
    publishers["slip"].publish(_slip(1))
    publishers["image_raw"].publish(Image())
    assert recording.wait() == 0, recording.said
    with open_bag(tmp_path / "bag") as bag:
        assert [(topic.name, topic.count) for topic in bag.topics] == [("/lab/slip", 1)]


def test_diagnostics_that_are_no_message_cost_nothing(tmp_path: Path, publishers, outsider) -> None:
    recording = Recording("--out", str(tmp_path / "bag"), "--namespace", "lab")
    _wait_for_listener(publishers["slip"])
    stray = outsider.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    _wait_for_listener(stray, 2)  # the outsider is one
    sentence = "/diagnostics: a message cannot be read; it is recorded as it came"
    deadline_s = time.monotonic() + GIVE_UP_S
    # Until it is heard: a publisher may know of its listener before the listener knows of it.
    while sentence not in recording.said and time.monotonic() < deadline_s:
        for data in (b"\x00\x01\x00\x00", b"\x00\x01\x00\x00" + b"\xff" * 60):
            stray.publish(data)
        publishers["slip"].publish(_slip(1))
        threading.Event().wait(0.05)
    assert recording.stop() == 0, recording.said
    outsider.destroy(stray)
    assert sentence in recording.said
    with open_bag(tmp_path / "bag") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert counts["/lab/slip"] >= 1 and counts["/diagnostics"] >= 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out", "."], "exists already; give another path or delete it"),
        (["--out", "bag", "--duration", "-1"], "Parameter duration out of range"),
        (["--out", "/proc/bag"], "cannot be written"),
    ],
)
def test_what_cannot_be_recorded_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    root = Path(__file__).resolve().parents[3]
    paths = [str(root), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.chdir(tmp_path)
    recording = Recording(*arguments)
    assert recording.wait() == 1
    assert reason in recording.said and "Traceback" not in recording.said


def test_a_full_disk_ends_the_recording_with_a_whole_bag(tmp_path: Path, publishers) -> None:
    program = ("-c", FULL_DISK)
    recording = Recording("--out", str(tmp_path / "bag"), "--namespace", "lab", program=program)
    _wait_for_listener(publishers["slip"])
    publishers["slip"].publish(_slip(1))
    assert recording.wait() == 1
    assert "wanted 200 MB of free disk, found 0 MB" in recording.said
    assert "/lab/slip: 1 messages came and could not be written" in recording.said
    assert (tmp_path / "bag" / "metadata.yaml").is_file()


def test_a_graph_records_itself_and_tells_the_kind_of_its_sensors(
    tmp_path: Path, start_graph, outsider
) -> None:
    path = tmp_path / "touch"
    slips = outsider.listen(Slip, "/self/slip")
    graph = start_graph(
        namespace="self", sensor="gelsight_mini", record=str(path), fps="20", touch="protocol"
    )
    outsider.wait_for(lambda: len(slips) > 25, "slip")
    # Twice, so that the recorder has heard it too.
    before = outsider.diagnostics.get("self/sensor: gelsight_mini")
    outsider.wait_for(
        lambda: outsider.diagnostics.get("self/sensor: gelsight_mini") not in (None, before),
        "diagnostics of the sensor",
    )
    assert graph.stop() == 0, graph.log
    with open_bag(path) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert bag.custom == {"sensor_profile:/self": "gelsight_mini"}
    names = (
        "image_raw",
        "background",
        "force",
        "slip",
        "pose",
        "ground_truth/force",
        "ground_truth/pose",
    )
    assert all(counts[f"/self/{name}"] for name in names), counts
    assert counts["/self/slip"] > 25
