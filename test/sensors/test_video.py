# SPDX-License-Identifier: Apache-2.0
"""Video files, folders, cameras and MJPEG streams, whole and broken."""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.waiting import LONG_S, until

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.errors import FrameError, ParameterError, RecordingError
from sparsh_ros.frames import IMAGE_SHAPE, FrameRing
from sparsh_ros.sensors import Sensor, open_sensor
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.health.watchdog import EMPTY, HANG, TORN, VANISHED, BrokenStreamError
from sparsh_ros.sensors.images import list_images, read_image
from sparsh_ros.sensors.schedule import Schedule
from sparsh_ros.sensors.sources import VideoFile

FAST_HZ = 240.0


def picture(level: int) -> np.ndarray:
    """A plain landscape image, recognised by its grey level."""
    return np.full((240, 320, 3), level, np.uint8)


def write_folder(folder: Path, levels: list[int]) -> Path:
    folder.mkdir(exist_ok=True)
    for index, level in enumerate(levels):
        cv2.imwrite(str(folder / f"frame{index}.png"), picture(level))
    return folder


def write_video(path: Path, levels: list[int], fps: float = 20.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (320, 240))
    for level in levels:
        writer.write(picture(level))
    writer.release()
    return path


def play(sensor: Sensor, limit: int = 1_000) -> list[int]:
    """Grey levels of the frames taken until the end, or until `limit` frames were handed out."""
    levels, last = [], 0
    with sensor:
        while last < limit and (frame := sensor.wait(last, LONG_S)) is not None:
            assert frame.image.shape == IMAGE_SHAPE
            levels.append(int(round(frame.image.mean())))
            last = frame.sequence
    return levels


def in_order(levels: list[int], wanted: list[int]) -> bool:
    """Whether `levels` is `wanted` with some left out: a busy machine passes frames over."""
    rest = iter(wanted)
    return all(any(abs(level - one) <= 2 for one in rest) for level in levels)


def test_folder_plays_in_natural_order_and_ends(tmp_path: Path) -> None:
    levels = list(range(20, 240, 10))
    sensor = open_sensor("video", input=write_folder(tmp_path / "f", levels), fps=FAST_HZ)
    seen = play(sensor)
    assert sensor.finished and in_order(seen, levels)
    status = sensor.status()
    assert status.frames + status.skipped == len(levels)
    assert status.errors == status.refused == 0


def test_natural_order(tmp_path: Path) -> None:
    for name in ("b1.png", "a10.png", "a9.PNG", "10.jpg", "2.jpg", "notes.txt", "labels.csv"):
        (tmp_path / name).touch()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["2.jpg", "10.jpg", "a9.PNG", "a10.png", "b1.png"]


def test_broken_images_cost_those_frames_only(tmp_path: Path) -> None:
    levels = [30, 60, 90, 120, 150]
    folder = write_folder(tmp_path / "f", levels)
    (folder / "frame0.png").write_bytes(b"")
    (folder / "frame2.png").write_bytes(b"\x89PNG\r\n torn")
    whole = (folder / "frame3.png").read_bytes()
    (folder / "frame3.png").write_bytes(whole[:40])
    sensor = open_sensor("video", input=folder, fps=20.0)
    seen = play(sensor)
    status = sensor.status()
    assert sensor.finished and in_order(seen, [60, 150])
    assert (status.refused, status.errors, status.reopened) == (3, 0, 0)
    assert "frame3.png: not a readable image (40 bytes)" in status.last_error


def test_loop_goes_on_and_no_pair_spans_the_seam(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", [40, 60, 80, 100, 120, 140, 160, 180])
    ring, last, rounds, pairs = FrameRing(), 0, 0, 0
    with open_sensor("video", input=folder, fps=60.0, loop=True) as sensor:
        previous = 0.0
        while rounds < 3:
            frame = sensor.wait(last, LONG_S)
            last = frame.sequence
            rounds += frame.image.mean() < previous
            previous = frame.image.mean()
            ring.add(frame)
            if clip := ring.clip():
                pairs += 1
                newest, oldest = clip.frames
                assert oldest.image.mean() < newest.image.mean()
        assert not sensor.finished
    assert pairs > 0


def test_video_file_plays_to_its_end(tmp_path: Path) -> None:
    levels = list(range(20, 220, 10))
    sensor = open_sensor("video", input=write_video(tmp_path / "v.avi", levels, fps=50.0))
    assert in_order(play(sensor), levels)
    status = sensor.status()
    assert sensor.finished
    assert status.frames + status.skipped == len(levels)


@pytest.mark.parametrize(
    ("recording", "given_hz", "wanted_hz"),
    [("v.avi", 0.0, 50.0), ("v.avi", 7.0, 7.0), ("f", 0.0, 60.0), ("f", 7.0, 7.0)],
)
def test_rate_is_the_given_one_else_that_of_the_file_else_that_of_the_sensor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recording: str,
    given_hz: float,
    wanted_hz: float,
) -> None:
    rates = []

    def schedule(rate_hz: float, stop: threading.Event) -> Schedule:
        rates.append(rate_hz)
        return Schedule(rate_hz, stop)

    monkeypatch.setattr("sparsh_ros.sensors.video.Schedule", schedule)
    write_video(tmp_path / "v.avi", [10, 20], fps=50.0)
    write_folder(tmp_path / "f", [10, 20])
    with open_sensor("video", input=tmp_path / recording, fps=given_hz):
        assert rates[-1] == wanted_hz


class TimedRecording:
    """Frames at times of their own, as a camera of an uneven rate leaves them."""

    fps = 25.0

    def __init__(self, _path: Path) -> None:
        self._left = iter([(0.0, 10), (0.1, 20), (0.5, 30), (1.0, 40)])
        self.time_s = 0.0

    def read(self) -> np.ndarray | None:
        self.time_s, level = next(self._left, (0.0, None))
        return None if level is None else picture(level)

    def close(self) -> None:
        pass


def test_frames_of_a_video_come_and_are_stamped_at_their_own_times(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sparsh_ros.sensors.video.VideoFile", TimedRecording)
    monkeypatch.setattr("sparsh_ros.sensors.video._LATE_S", LONG_S)  # on a busy machine
    stamps_ns, last = {}, 0
    with open_sensor("video", input=tmp_path / "v.avi") as sensor:
        while (frame := sensor.wait(last, LONG_S)) is not None:
            stamps_ns[round(frame.image.mean(), -1)] = frame.stamp_ns
            last = frame.sequence
    times_s = [(stamp_ns - stamps_ns[10]) * 1e-9 for stamp_ns in stamps_ns.values()]
    assert times_s == pytest.approx([0.0, 0.1, 0.5, 1.0], abs=0.09)


def test_a_video_knows_the_times_of_its_frames(tmp_path: Path) -> None:
    video = VideoFile(write_video(tmp_path / "v.avi", [10, 20, 30], fps=50.0))
    times_s = []
    while video.read() is not None:
        times_s.append(video.time_s)
    assert times_s == pytest.approx([0.0, 0.02, 0.04], abs=1e-4)


def test_video_file_loops(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", [40, 120, 200])
    sensor = open_sensor("video", input=path, fps=100.0, loop=True)
    seen = play(sensor, limit=8)
    assert not sensor.finished
    assert sum(after < before for before, after in zip(seen, seen[1:], strict=False)) >= 1


def test_truncated_video_ends_early_without_an_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", list(range(20, 220, 2)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sensor = open_sensor("video", input=path, fps=FAST_HZ)
    assert 0 < len(play(sensor)) < 100
    assert sensor.finished


def missing(tmp_path: Path) -> Path:
    return tmp_path / "none.mp4"


def garbage(tmp_path: Path) -> Path:
    (tmp_path / "garbage.mp4").write_bytes(bytes(range(256)) * 40)
    return tmp_path / "garbage.mp4"


def empty_file(tmp_path: Path) -> Path:
    (tmp_path / "empty.avi").touch()
    return tmp_path / "empty.avi"


def empty_folder(tmp_path: Path) -> Path:
    (tmp_path / "labels.csv").write_text("no image")
    return tmp_path


def unreadable_folder(tmp_path: Path) -> Path:
    (tmp_path / "0.jpg").write_bytes(b"no image")
    (tmp_path / "1.jpg").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "none.mp4: wanted a video file, but it does not exist"),
        (garbage, r"garbage.mp4: not a readable video \(10240 bytes\): cut off .*; check it with"),
        (empty_file, r"not a readable video \(0 bytes\)"),
        (empty_folder, "no images in this folder; check the path"),
        (unreadable_folder, "none of the 2 images can be read; open 0.jpg"),
    ],
)
def test_unusable_recording_is_refused_at_start_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    sensor = open_sensor("video", input=make(tmp_path))
    with pytest.raises(RecordingError, match=message) as caught:
        sensor.start()
    assert "\n" not in str(caught.value)
    assert not [t for t in threading.enumerate() if t.name.startswith("capture")]


@pytest.mark.parametrize(
    ("input", "is_recording"),
    [
        ("~/touch.mp4", True),
        ("frames", True),
        (2, False),
        ("/dev/video2", False),
        ("http://h/stream", False),
    ],
)
def test_recordings_have_a_beginning(input: str | int, is_recording: bool) -> None:
    assert open_sensor("video", input=input).has_beginning == is_recording


def test_input_that_is_nothing_of_the_kind() -> None:
    for wrong in ("", "ftp://host/x", "rtsp://host/x"):
        with pytest.raises(ParameterError, match="wanted a video file"):
            open_sensor("video", input=wrong)
    with pytest.raises(ParameterError, match="live input sets its own pace"):
        open_sensor("video", input="http://127.0.0.1/stream", loop=True)
    with pytest.raises(ParameterError, match="fps: wanted 0 to 240, found -1"):
        open_sensor("video", input="x.mp4", fps=-1.0)


@pytest.mark.parametrize("name", [963, "963", "/dev/video963"])
def test_absent_camera_is_waited_for(name: str | int) -> None:
    with open_sensor("video", input=name) as sensor:
        status = sensor.status()
        assert status.running and not status.connected
        assert status.last_error.startswith("/dev/video963: not there (No such file")


def test_camera_that_comes_loose_is_opened_again(host: FaultyHost) -> None:
    camera = FaultyCamera("", "")
    host.plug(camera, "1-1")
    with open_sensor("video", input=0, host=host) as sensor:
        frame = sensor.wait(0, LONG_S)
        camera.inject(EMPTY)
        until(lambda: camera.opened == 2)
        assert sensor.wait(frame.sequence, LONG_S)
        status = sensor.status()
    assert status.reopened == 1 and status.faults[EMPTY] > 1
    assert camera.in_use == 0


Script = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def server(script: Script) -> Iterator[str]:
    """A real http server on a free port that runs `script` for each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            script(self)

        def log_message(self, *_: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/stream"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def jpeg(level: int) -> bytes:
    return cv2.imencode(".jpg", picture(level))[1].tobytes()


def start_stream(handler: http.server.BaseHTTPRequestHandler, boundary: str = "cut") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={boundary}")
    handler.end_headers()


def part(content: bytes, sized: bool = True) -> bytes:
    length = f"Content-Length: {len(content)}\r\n" if sized else ""
    return f"--cut\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("boundary", ["cut", "--cut", '"cut"'])
def test_stream_gives_its_frames_in_order(sized: bool, boundary: str) -> None:
    levels = list(range(20, 240, 20))
    released = threading.Event()

    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler, boundary)
        for level in levels:
            handler.wfile.write(part(jpeg(level), sized))
        handler.wfile.write(b"--cut\r\n")
        released.wait(LONG_S)

    with server(script) as url:
        sensor = open_sensor("video", input=url)
        seen = play(sensor, limit=len(levels))
        released.set()
    assert in_order(seen, levels)
    status = sensor.status()
    assert (status.frames, status.refused, status.errors) == (len(levels), 0, 0)


def test_broken_part_costs_that_frame_only() -> None:
    released = threading.Event()

    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        for content in (jpeg(50), b"no image", jpeg(90)[:30], jpeg(150)):
            handler.wfile.write(part(content))
        released.wait(LONG_S)

    with server(script) as url:
        sensor = open_sensor("video", input=url)
        seen = play(sensor, limit=2)
        released.set()
    assert in_order(seen, [50, 150])
    assert (sensor.status().refused, sensor.status().errors) == (2, 0)
    assert sensor.status().faults == {TORN: 2}


def test_image_without_its_end_is_torn() -> None:
    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        handler.wfile.write(part(jpeg(100)[:-2]))

    with server(script) as url:
        stream = MjpegStream(url)
        with pytest.raises(FrameError, match="JPEG image without an end") as caught:
            stream.read()
        stream.close()
    assert caught.value.fault == TORN


def test_stream_that_breaks_off_is_opened_again() -> None:
    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        handler.wfile.write(part(jpeg(100)) + part(jpeg(100))[:200])

    with server(script) as url, open_sensor("video", input=url) as sensor:
        assert sensor.wait(2, LONG_S).sequence >= 3
        status = sensor.status()
        assert status.reopened >= 2 and "stream ended" in status.last_error
        assert set(status.faults) == {VANISHED}


def test_server_that_is_no_camera_or_not_there() -> None:
    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()

    with server(page) as url, open_sensor("video", input=url) as sensor:
        assert "wanted an MJPEG stream, found text/html" in sensor.status().last_error
    with open_sensor("video", input=url) as sensor:
        assert "no video stream" in sensor.status().last_error
        assert sensor.status().running


def test_network_gelsight_that_falls_silent_is_connected_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sparsh_ros.sensors.cameras.mjpeg.FRAME_TIMEOUT_S", 0.2)
    released = threading.Event()

    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        handler.wfile.write(part(jpeg(100)) + part(b""))
        released.wait(LONG_S)

    with server(script) as url, open_sensor("gelsight_mini", input=url) as sensor:
        assert sensor.wait(2, LONG_S).image.shape == IMAGE_SHAPE
        status = sensor.status()
        released.set()
    assert status.reopened >= 2 and status.faults[HANG] >= 2


def _byte_by_byte(handler: http.server.BaseHTTPRequestHandler) -> None:
    for byte in part(jpeg(100)):
        handler.wfile.write(bytes([byte]))
        time.sleep(0.1)


def _endless_headers(handler: http.server.BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"X-A: b\r\n")
        time.sleep(0.01)


@pytest.mark.parametrize("cheat", [_byte_by_byte, _endless_headers])
def test_a_stream_that_trickles_is_noticed_in_half_a_second(cheat: Script) -> None:
    """Each read gets something: no read ever times out."""

    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        handler.wfile.write(part(jpeg(100)))
        with suppress(OSError):
            cheat(handler)

    with server(script) as url:
        stream = MjpegStream(url)
        assert stream.read().pixels.shape == picture(0).shape
        begun_s = time.monotonic()
        with pytest.raises(BrokenStreamError, match="no whole image for 0.5 s") as caught:
            stream.read()
        assert 0.4 < time.monotonic() - begun_s < 2.0
        stream.close()
    assert caught.value.fault == HANG


def test_a_password_is_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    logins = []

    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        logins.append(handler.headers["Authorization"])
        handler.send_response(401)
        handler.end_headers()

    with server(script) as url:
        secret = url.replace("://", "://me:s3cret%21@")
        for driver in ("video", "gelsight_mini"):
            with open_sensor(driver, input=secret) as sensor:
                status = sensor.status()
                assert "me:***@127.0.0.1" in status.last_error and "me:***@" in sensor.name
                assert "s3cret" not in f"{status} {sensor.name} {caplog.text}"
    assert base64.b64decode(logins[0].removeprefix("Basic ")) == b"me:s3cret!"
    with pytest.raises(ParameterError, match=r"found 'rtsp://me:\*\*\*@host/x'") as caught:
        open_sensor("rtsp://me:s3cret@host/x")
    assert "s3cret" not in str(caught.value)


def test_absurd_length_is_refused_without_reading_it() -> None:
    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        handler.wfile.write(b"--cut\r\nContent-Length: 99999999999\r\n\r\n")

    with server(script) as url, open_sensor("video", input=url) as sensor:
        until(lambda: "found 99999999999" in sensor.status().last_error)


def test_stop_while_the_server_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsh_ros.sensors.cameras.mjpeg.FRAME_TIMEOUT_S", 3_600.0)
    released = threading.Event()

    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        start_stream(handler)
        handler.wfile.write(part(jpeg(100)))
        released.wait(2 * LONG_S)

    with server(script) as url:
        sensor = open_sensor("video", input=url)
        sensor.start()
        assert sensor.wait(0, LONG_S)
        stopping = threading.Thread(target=sensor.stop)
        stopping.start()
        stopping.join(LONG_S)
        stopped = not stopping.is_alive()
        released.set()
    assert stopped and sensor.status().errors == 0


def test_read_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), picture(9))
    assert (read_image(tmp_path / "b.png") == 9).all()
    with pytest.raises(RecordingError, match="c.png: cannot be read"):
        read_image(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"x")
    with pytest.raises(FrameError, match="d.png: not a readable image"):
        read_image(tmp_path / "d.png")


@pytest.mark.parametrize(
    ("recording", "profile"),
    [
        ("digit_force_shear/frames", "digit"),
        ("gelsight_mini_slip/slip__plier__exp8__cam0.avi", "gelsight_mini"),
        ("gelsight_mini_grasp/tactile_left_panel.mp4", "gelsight_mini"),
    ],
)
def test_real_recording_plays(tactile_data: Path, recording: str, profile: str) -> None:
    path = tactile_data / recording
    sensor = open_sensor("video", profile=profile, input=path, fps=200.0)
    levels = play(sensor, limit=40)
    assert len(levels) >= 2 and sensor.status().errors == 0
