# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind, whole and damaged."""

from __future__ import annotations

import shutil
import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as PlainMcapWriter
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import Bag, list_bags, open_bag
from sparsh_ros.recordings.formats.definitions import decoder, known_types
from sparsh_ros.recordings.formats.mcap import McapFile
from sparsh_ros.recordings.whole import whole_or_nothing

COUNT = 40
PERIOD_NS = 16_666_667
START_NS = 5_000_000_000
WRENCH = "geometry_msgs/msg/WrenchStamped"
SLIP = "sparsh_ros/msg/Slip"
IMAGE = "sensor_msgs/msg/Image"
TOPICS = {
    "/tactile/ground_truth/force": WRENCH,
    "/tactile/ground_truth/slip": SLIP,
    "/tactile/image_raw": IMAGE,
}


def stamp(index: int) -> int:
    return START_NS + index * PERIOD_NS


def write(path: Path, first: int = 0, last: int = COUNT, size: int = 60) -> Path:
    """A bag of an image, a force and a slip for each index."""
    noise = np.random.default_rng(first).integers(0, 255, (last - first, size, size, 3), np.uint8)
    with BagWriter(path, custom={"sensor": "digit"}) as bag:
        for index in range(first, last):
            bag.image("/tactile/image_raw", stamp(index), noise[index - first], "camera")
            bag.wrench("/tactile/ground_truth/force", stamp(index), np.full(3, index), "gel")
            bag.slip("/tactile/ground_truth/slip", stamp(index), index % 2 == 1, True, "gel")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole MCAP bag."""
    return write(tmp_path_factory.mktemp("whole") / "bag")


@pytest.fixture(scope="module")
def messages(whole: Path) -> list[tuple[str, str, int, bytes]]:
    """(topic, type, log time, data) of its messages."""
    with open_bag(whole) as bag:
        return [(m.topic, m.type, m.log_time_ns, m.data) for m in bag.messages(TOPICS)]


def copy(path: Path, messages: list, storage: StoragePlugin, mode: CompressionMode) -> Path:
    """The messages in another kind of rosbag2."""
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, type_name, typestore=known_types())
            for topic, type_name in TOPICS.items()
        }
        for topic, _, log_time_ns, data in messages:
            writer.write(connections[topic], log_time_ns, data)
    return path


def check(bag: Bag, first: int = 0, last: int = COUNT) -> None:
    """Whether a bag holds the messages of these indices, and nothing else."""
    count = last - first
    assert [(t.name, t.type, t.count) for t in bag.topics] == [
        (name, type_name, count) for name, type_name in TOPICS.items()
    ]
    forces = [
        (m.log_time_ns, bag.decode(m).wrench.force.z)
        for m in bag.messages(["/tactile/ground_truth/force"])
    ]
    assert forces == [(stamp(index), index) for index in range(first, last)]
    everything = list(bag.messages(TOPICS))
    times = [m.log_time_ns for m in everything]
    assert times == sorted(times) and len(times) == 3 * count
    slips = [bag.decode(m).slipping for m in everything if m.type == SLIP]
    assert slips == [index % 2 == 1 for index in range(first, last)]


@pytest.mark.parametrize(
    ("storage", "mode"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_every_kind_of_rosbag2(tmp_path: Path, messages, storage, mode) -> None:
    with open_bag(copy(tmp_path / "bag", messages, storage, mode)) as bag:
        check(bag)
        assert bag.warnings == []


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_single_file_of_a_rosbag2(tmp_path: Path, messages, storage) -> None:
    folder = copy(tmp_path / "bag", messages, storage, CompressionMode.NONE)
    (file,) = (path for path in folder.iterdir() if path.suffix in (".mcap", ".db3"))
    with open_bag(file) as bag:
        check(bag)
        assert bag.warnings == []


@pytest.mark.parametrize("mode", [CompressionMode.NONE, CompressionMode.FILE])
@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_after_the_recorders_clock_was_set_back_the_order_is_that_of_writing(
    tmp_path: Path, messages, storage, mode
) -> None:
    half = len(messages) // 2
    written = [*messages[half:], *messages[:half]]
    folder = copy(tmp_path / "bag", written, storage, mode)
    paths = [folder]
    if (storage, mode) == (StoragePlugin.MCAP, CompressionMode.NONE):
        content = (folder / "bag.mcap").read_bytes()
        paths += [folder / "bag.mcap", tmp_path / "cut.mcap"]
        paths[-1].write_bytes(content[:-8])
    for path in paths:
        with open_bag(path) as bag:
            read = [(m.topic, m.log_time_ns) for m in bag.messages(TOPICS)]
        assert read == [(topic, log_time_ns) for topic, _, log_time_ns, _ in written]


def test_a_ros_1_bag(tmp_path: Path, messages) -> None:
    noetic = get_typestore(Stores.ROS1_NOETIC)
    for path in (Path(__file__).parents[2] / "msg").glob("*.msg"):
        noetic.register(get_types_from_msg(path.read_text(), f"sparsh_ros/msg/{path.stem}"))
    with Writer1(tmp_path / "bag.bag") as writer:
        connections = {
            topic: writer.add_connection(topic, type_name, typestore=noetic)
            for topic, type_name in TOPICS.items()
        }
        for topic, type_name, log_time_ns, data in messages:
            message = known_types().deserialize_cdr(data, type_name)
            object.__setattr__(message.header, "seq", 0)  # ROS 1 headers count
            data1 = noetic.serialize_ros1(message, type_name)
            writer.write(connections[topic], log_time_ns, data1)
    with open_bag(tmp_path / "bag.bag") as bag:
        check(bag)
        assert bag.warnings == []


def test_what_the_recorder_wrote_beside_the_messages(whole: Path) -> None:
    for path in (whole, whole / "bag.mcap"):
        with open_bag(path) as bag:
            assert bag.custom == {"sensor": "digit"}


def test_a_split_bag_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    # The names do not sort in the order of time.
    for name, (first, last) in {"bag_10": (0, 15), "bag_9": (15, COUNT)}.items():
        part = write(tmp_path / name, first, last)
        shutil.move(part / f"{name}.mcap", folder)
    with open_bag(folder) as bag:
        check(bag)
        assert bag.warnings == ["bag: no metadata.yaml, so its recorder was not ended properly"]


def _truncated(whole: Path, path: Path, keep: Callable[[int], int]) -> Path:
    content = (whole / "bag.mcap").read_bytes()
    path.write_bytes(content[: keep(len(content))])
    return path


def test_a_truncated_mcap_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    long = write(tmp_path / "bag", last=400)
    for name, keep in {
        "without_end": lambda size: size - 8,
        "without_index": lambda size: size * 19 // 20,
        "half": lambda size: size // 2,
    }.items():
        with open_bag(_truncated(long, tmp_path / f"{name}.mcap", keep)) as bag:
            counts = {topic.name: topic.count for topic in bag.topics}
            read = [m for m in bag.messages(TOPICS) if m.type == WRENCH]
            forces = [bag.decode(m).wrench.force.z for m in read]
            (warning,) = bag.warnings
        assert forces == list(range(counts["/tactile/ground_truth/force"])) and len(forces) > 100
        if name == "without_end":
            assert warning.startswith(f"{name}.mcap: its index is damaged or cut off")
            continue
        assert warning.startswith(f"{name}.mcap: truncated")
        # A chunk begins with any message: the image of an index may be in the chunk before.
        last_s = max(read[-1].log_time_ns, stamp(counts["/tactile/image_raw"] - 1)) * 1e-9
        assert f"read up to {last_s:.3f} s" in warning


def test_a_folder_of_a_killed_recorder(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    _truncated(whole, folder / "bag_0.mcap", lambda size: size - 8)
    with open_bag(folder) as bag:
        check(bag)
        assert len(bag.warnings) == 2 and "no metadata.yaml" in bag.warnings[0]


@pytest.mark.parametrize("size", [0, 5, 8, 60, 400])
def test_a_file_without_a_whole_chunk_is_a_sentence(tmp_path: Path, whole: Path, size: int) -> None:
    path = _truncated(whole, tmp_path / "short.mcap", lambda _: size)
    with pytest.raises(RecordingError, match=r"short.mcap.*wanted ROS 2 messages, found none"):
        open_bag(path)


@pytest.mark.parametrize("name", ["bag.mcap", "bag.db3", "bag.bag", "bag.txt"])
def test_what_is_no_bag_is_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(RecordingError, match=f"{name}: not found"):
        open_bag(path)
    path.write_bytes(b"this is no bag at all, whatever its name says")
    with pytest.raises(RecordingError, match=name):
        open_bag(path)


def test_a_folder_without_bags_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="wanted metadata.yaml"):
        open_bag(tmp_path)
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: 3")
    with pytest.raises(RecordingError, match="wanted metadata.yaml"):
        open_bag(tmp_path)


def test_a_damaged_chunk_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = write(tmp_path / "bag", last=400)
    content = bytearray((folder / "bag.mcap").read_bytes())
    middle = len(content) * 3 // 4
    content[middle : middle + 20_000] = bytes(20_000)
    (folder / "bag.mcap").write_bytes(content)
    with open_bag(folder) as bag:
        read = list(bag.messages(["/tactile/ground_truth/force"]))
        assert len(list(bag.messages(["/tactile/ground_truth/force"]))) == len(read)
        (warning,) = bag.warnings
        forces = [bag.decode(message).wrench.force.z for message in read]
    assert 100 < len(read) < 400 and forces[-1] == 399
    assert warning == "bag.mcap: 1 damaged chunks were left out, with all messages in them"


def test_a_chunk_with_a_wrong_checksum_is_damaged(tmp_path: Path) -> None:
    """Uncompressed, so that nothing but the checksum can tell."""
    path = tmp_path / "plain.mcap"
    with path.open("wb") as file:
        writer = PlainMcapWriter(file, 5_000, CompressionType.NONE)
        writer.start()
        definition, _ = known_types().generate_msgdef(WRENCH, ros_version=2)
        schema = writer.register_schema(WRENCH, "ros2msg", definition.encode())
        channel = writer.register_channel("/force", "cdr", schema)
        for index in range(400):
            data = np.full(8, index, "<f8").tobytes()
            writer.add_message(channel, stamp(index), data, stamp(index))
        writer.finish()
    content = bytearray(path.read_bytes())
    content[content.find(np.full(8, 200, "<f8").tobytes()) + 6] ^= 1
    for size in (len(content), len(content) - 8):  # with its index, and without
        path.write_bytes(content[:size])
        with open_bag(path) as bag:
            read = [np.frombuffer(m.data)[0] for m in bag.messages(["/force"])]
            assert any("1 damaged chunks were left out" in warning for warning in bag.warnings)
        assert 300 < len(read) < 400 and set(read) < set(range(400))


@pytest.mark.parametrize("compress", [True, False])
def test_our_bags_have_checksums(tmp_path: Path, compress: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
    with BagWriter(tmp_path / "bag", compress) as bag:
        for index in range(2):
            bag.image("/image_raw", stamp(index), noise, "camera")
    path = tmp_path / "bag" / "bag.mcap"
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1  # zstd stores noise as it is
    path.write_bytes(content)
    with open_bag(tmp_path / "bag") as bag:
        assert len(list(bag.messages(["/image_raw"]))) == 1
        assert "1 damaged chunks" in bag.warnings[0]


def test_messages_that_the_index_counts_in_vain_are_told(whole: Path) -> None:
    (topic, *_), damage = TOPICS, Counter()
    file = McapFile(whole / "bag.mcap")
    file.counts[topic] += 2
    list(file.messages({topic}, damage))
    assert damage == {"messages that the index counts are not there": 2}


def test_an_index_with_a_wrong_checksum_is_not_used(tmp_path: Path, whole: Path) -> None:
    content = (whole / "bag.mcap").read_bytes()
    index = content.rfind(b"/tactile/image_raw")
    path = tmp_path / "renamed.mcap"
    path.write_bytes(content[:index] + b"/tactile/imagi_raw" + content[index + 18 :])
    with open_bag(path) as bag:
        check(bag)
        assert bag.warnings == [
            "renamed.mcap: its index is damaged or cut off; the messages before it were read"
        ]
    # Of a writer that makes no checksum of its index, the names in the chunks still tell.
    path.write_bytes(path.read_bytes()[:-12] + bytes(4) + content[-8:])
    with open_bag(path) as bag:
        list(bag.messages([topic.name for topic in bag.topics]))
        assert "1 topics have another name in the chunks" in bag.warnings[0]


@pytest.mark.parametrize("compression", [None, CompressionType.NONE, CompressionType.LZ4])
def test_mcap_files_of_another_writer(tmp_path: Path, messages, compression) -> None:
    path = tmp_path / "plain.mcap"
    with path.open("wb") as file:
        chunks = compression is not None
        compression = compression or CompressionType.NONE
        writer = PlainMcapWriter(file, 50_000, compression, use_chunking=chunks)
        writer.start(profile="ros2")
        channels = {}
        for topic, type_name in TOPICS.items():
            definition, _ = known_types().generate_msgdef(type_name, ros_version=2)
            schema = writer.register_schema(type_name, "ros2msg", definition.encode())
            channels[topic] = writer.register_channel(topic, "cdr", schema)
        for topic, _, log_time_ns, data in messages:
            writer.add_message(channels[topic], log_time_ns, data, log_time_ns)
        writer.finish()
    with open_bag(path) as bag:
        check(bag)
        assert bag.warnings == []


def _with_definition(path: Path, type_name: str, text: str) -> Path:
    types = get_typestore(Stores.LATEST)
    types.register(get_types_from_msg(text, type_name))
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/topic", type_name, typestore=types)
        header = types.types["std_msgs/msg/Header"](
            types.types["builtin_interfaces/msg/Time"](1, 2), "frame"
        )
        message = types.types[type_name](header, 7)
        writer.write(connection, 1, types.serialize_cdr(message, type_name))
    return path


def test_messages_of_unknown_packages_are_read_by_their_own_definition(tmp_path: Path) -> None:
    path = tmp_path / "bag"
    _with_definition(path, "lab_msgs/msg/Gauge", "std_msgs/Header header\nint32 reading\n")
    with open_bag(path) as bag:
        (message,) = bag.messages(["/topic"])
        assert bag.decode(message).reading == 7


GAUGE = "module lab_msgs { module msg { struct Gauge { int32 reading; }; }; };\n"


@pytest.mark.parametrize("text", [GAUGE, f"{'=' * 80}\nIDL: lab_msgs/msg/Gauge\n{GAUGE}"])
def test_definitions_in_idl(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bag.mcap"
    with path.open("wb") as file:
        writer = PlainMcapWriter(file)
        writer.start(profile="ros2")
        schema = writer.register_schema("lab_msgs/msg/Gauge", "ros2idl", text.encode())
        channel = writer.register_channel("/topic", "cdr", schema)
        writer.add_message(channel, 1, b"\x00\x01\x00\x00\x07\x00\x00\x00", 1)
        writer.finish()
    with open_bag(path) as bag:
        (message,) = bag.messages(["/topic"])
        assert bag.decode(message).reading == 7


@pytest.mark.parametrize(("text", "named"), [("?!", "unreadable"), (GAUGE, "is of .*Gauge")])
def test_a_definition_that_is_none_is_a_sentence(text: str, named: str) -> None:
    definition = MessageDefinition(MessageDefinitionFormat.IDL, text)
    with pytest.raises(RecordingError, match=f"lab_msgs/msg/Scale: its definition.*{named}"):
        decoder("lab_msgs/msg/Scale", definition, False)


def test_our_messages_in_another_version_are_refused_by_their_fields(tmp_path: Path) -> None:
    _with_definition(tmp_path / "bag", SLIP, "std_msgs/Header header\nint32 state\n")
    wanted = pytest.raises(RecordingError, match=r"/topic.*another version.*found header, state")
    with open_bag(tmp_path / "bag") as bag, wanted:
        bag.check("/topic")


def test_types_that_nobody_defines_are_refused(tmp_path: Path) -> None:
    # A .db3 of ROS 2 before Iron holds no definitions.
    path = tmp_path / "bag"
    with Writer(path, version=8) as writer:
        writer.add_connection("/topic", "lab_msgs/msg/Gauge", msgdef="int32 x\n", rihs01="RIHS01_0")
    with sqlite3.connect(path / "bag.db3") as database:
        database.execute("DELETE FROM message_definitions")
    wanted = pytest.raises(RecordingError, match=r"/topic: lab_msgs/msg/Gauge.*does not define")
    with open_bag(path) as bag, wanted:
        bag.check("/topic")


def test_bytes_that_do_not_fit_their_type_are_a_sentence(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.raw("/force", WRENCH, 1, b"\x00\x01\x00\x00abc")
    with open_bag(tmp_path / "bag") as bag:
        (message,) = bag.messages(["/force"])
        with pytest.raises(RecordingError, match=f"/force: 7 bytes that are no {WRENCH}"):
            bag.decode(message)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3, "truncated"])
def test_memory_does_not_grow_with_the_bag(tmp_path: Path, storage) -> None:
    peaks = []
    for count in (200, 2000):  # 2 MB and 22 MB of images
        path = write(tmp_path / f"{count}", last=count)
        if storage == "truncated":
            file = path / f"{count}.mcap"
            path = tmp_path / f"{count}.mcap"
            path.write_bytes(file.read_bytes()[:-8])
        elif storage == StoragePlugin.SQLITE3:
            with open_bag(path) as bag:
                stream = ((m.topic, m.type, m.log_time_ns, m.data) for m in bag.messages(TOPICS))
                path = copy(tmp_path / f"{count}_sqlite", stream, storage, CompressionMode.NONE)
        tracemalloc.start()
        with open_bag(path) as bag:
            read = sum(bag.decode(message) is not None for message in bag.messages(TOPICS))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read == 3 * count
    assert peaks[1] < peaks[0] + 2_000_000


def test_bags_of_a_folder(tmp_path: Path, whole: Path) -> None:
    for name in ("b/two", "a", ".partial-x/three"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copytree(whole, tmp_path / name)
    (tmp_path / "a" / "bag.mcap").rename(tmp_path / "a" / "bag.mcap.zstd")
    assert list_bags(tmp_path) == [tmp_path / "a", tmp_path / "b" / "two"]
    assert list_bags(tmp_path / "a") == [tmp_path / "a"]
    assert list_bags(whole / "bag.mcap") == [whole / "bag.mcap"]
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(RecordingError, match=path.name):
            list_bags(path)


@pytest.mark.parametrize(
    ("names", "bags"),
    [
        (["day_0.mcap", "day_1.mcap", "day_10.mcap"], ["."]),
        (["morning.mcap", "noon.mcap"], ["morning.mcap", "noon.mcap"]),
        (["a_0.db3", "a_1.db3", "b_0.db3"], ["a_0.db3", "a_1.db3", "b_0.db3"]),
        (["run_0.bag", "run_1.bag"], ["run_0.bag", "run_1.bag"]),
        (["only.bag"], ["."]),
    ],
)
def test_files_side_by_side_are_bags_of_their_own_unless_one_was_split(
    tmp_path: Path, names: list[str], bags: list[str]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert list_bags(tmp_path) == [tmp_path / name for name in bags]


def test_the_same_calls_write_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    again = write(tmp_path / "bag")
    for name in ("bag.mcap", "metadata.yaml"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()


def test_the_writer_refuses_what_is_there_and_types_it_does_not_know(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.wrench("/force", 1, np.zeros(3), "gel")
        with pytest.raises(RecordingError, match=r"/x: wanted a standard message type"):
            bag.raw("/x", "lab_msgs/msg/Gauge", 1, b"")
        with pytest.raises(RecordingError, match=f"/force: wanted {WRENCH}"):
            bag.raw("/force", SLIP, 1, b"")
    with pytest.raises(RecordingError, match="exists already"):
        BagWriter(tmp_path / "bag")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        BagWriter(tmp_path / "file" / "bag")


def test_whole_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), whole_or_nothing(tmp_path / "bag") as path:
        write(path, last=2)
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    killed, other = tmp_path / ".partial-bag.abcdefgh", tmp_path / ".partial-bag.2.abcdefgh"
    killed.mkdir()
    other.mkdir()  # of another bag that is being written
    with whole_or_nothing(tmp_path / "bag") as path:
        write(path)
    assert other.exists() and not killed.exists()
    with open_bag(tmp_path / "bag") as bag:
        check(bag)
    with pytest.raises(RecordingError, match="exists already"), whole_or_nothing(tmp_path / "bag"):
        pass
