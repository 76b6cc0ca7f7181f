# SPDX-License-Identifier: Apache-2.0
"""The layer below the drivers: the kernel's interface, settings read back, frames decoded."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.errors import FrameError, SensorError
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.cameras import v4l2_abi as abi
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.v4l2 import Buffer, Device, Host, Mode

QVGA = Mode(320, 240, 60.0, "YUYV", {abi.CONTROL_ZOOM: 0xFFF})


class OneFrame(Device):
    """An open device that gives what it was made with."""

    def __init__(self, content: bytes = b"", **changes: object) -> None:
        self.buffers = [Buffer(content, 0, None)]
        self.chosen: dict[str, object] = changes
        self.closed = False

    def set_format(self, width: int, height: int, fourcc: str) -> tuple[int, int, str]:
        return self.chosen.get("format", (width, height, fourcc))

    def set_rate(self, fps: float) -> float:
        return self.chosen.get("rate", fps)

    def set_control(self, number: int, value: int) -> int:
        if isinstance(error := self.chosen.get("control", value), OSError):
            raise error
        return self.chosen.get("control", value)

    def start(self) -> None:
        pass

    def read(self, timeout_s: float) -> Buffer | None:
        return self.buffers.pop(0) if self.buffers else None

    def close(self) -> None:
        self.closed = True


def camera_on(device: Device | OSError, mode: Mode = QVGA) -> V4l2Camera:
    class OneHost(Host):
        def open(self, path: str) -> Device:
            if isinstance(device, OSError):
                raise device
            return device

    return V4l2Camera("/dev/video7", mode, OneHost())


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the numbers are those of a 64-bit kernel")
def test_requests_are_those_of_the_kernel() -> None:
    """As printed by a C program that includes linux/videodev2.h."""
    assert abi.SET_FORMAT == 0xC0D05605
    assert abi.REQUEST_BUFFERS == 0xC0145608
    assert abi.QUERY_BUFFER == 0xC0585609
    assert abi.QUEUE == 0xC058560F
    assert abi.DEQUEUE == 0xC0585611
    assert abi.STREAM_ON == 0x40045612
    assert abi.STREAM_OFF == 0x40045613
    assert abi.GET_PARAMETERS == 0xC0CC5615
    assert abi.SET_PARAMETERS == 0xC0CC5616
    assert abi.GET_CONTROL == 0xC008561B
    assert abi.SET_CONTROL == 0xC008561C
    info = abi.BufferInfo
    offsets = (info.timestamp.offset, info.sequence.offset, info.where.offset, info.length.offset)
    assert offsets == (0x18, 0x38, 0x40, 0x48)
    assert (abi.Format.format.offset, abi.StreamParameters.numerator.offset) == (8, 12)
    assert abi.fourcc_name(abi.fourcc("YUYV")) == "YUYV"


def test_settings_that_are_taken_make_no_difference() -> None:
    camera = camera_on(OneFrame())
    assert camera.fps == 60.0 and camera.differences == []


def test_settings_are_read_back_and_compared() -> None:
    camera = camera_on(OneFrame(format=(640, 480, "YUYV"), rate=29.97, control=0xF0))
    assert camera.fps == 29.97
    assert camera.differences == [
        "/dev/video7: size: wanted (320, 240), found (640, 480)",
        "/dev/video7: frame rate: wanted 60.0, found 30.0",
        "/dev/video7: control 0x9a090d: wanted 4095, found 240",
    ]


def test_control_that_the_camera_lacks() -> None:
    camera = camera_on(OneFrame(control=failure(errno.EINVAL)))
    assert camera.differences == [
        "/dev/video7: control 0x9a090d: wanted 4095, found none (Invalid argument)"
    ]


@pytest.mark.parametrize(
    ("failures", "differences"),
    [
        (2, []),
        (3, ["/dev/video7: control 0x9a090d: wanted 4095, found none (Input/output error)"]),
    ],
)
def test_control_whose_transfer_fails_is_tried_three_times(
    failures: int, differences: list[str]
) -> None:
    class Deaf(OneFrame):
        failures_left = failures

        def set_control(self, number: int, value: int) -> int:
            self.failures_left -= 1
            if self.failures_left >= 0:
                raise failure(errno.EIO)
            return value

    assert camera_on(Deaf()).differences == differences


def test_camera_without_a_say_in_its_frame_rate_is_used() -> None:
    class Webcam(OneFrame):
        def set_rate(self, fps: float) -> float:
            raise failure(errno.ENOTTY)

    camera = camera_on(Webcam())
    assert camera.fps is None
    assert camera.differences == [
        "/dev/video7: frame rate: wanted 60.0, found none (Inappropriate ioctl for device)"
    ]


def test_bus_without_bandwidth_for_one_more_camera() -> None:
    class Crowded(OneFrame):
        def start(self) -> None:
            raise failure(errno.ENOSPC)

    device = Crowded()
    with pytest.raises(SensorError, match="no bandwidth left on this USB bus; use another port"):
        camera_on(device)
    assert device.closed


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENODEV, "vanished"),
        (errno.EIO, "USB error"),
        (errno.EPIPE, "USB error"),
        (errno.EPROTO, "USB error"),
        (errno.ETIMEDOUT, "USB error"),
        (errno.EOVERFLOW, "USB error"),
        (errno.ESHUTDOWN, "USB error"),
    ],
)
def test_read_that_fails(number: int, kind: str) -> None:
    class Failing(OneFrame):
        def read(self, timeout_s: float) -> Buffer | None:
            raise failure(number)

    with pytest.raises(SensorError, match="/dev/video7: .*; check ") as caught:
        camera_on(Failing()).read()
    assert caught.value.fault == kind


def test_unknown_pixel_format_is_refused_and_the_device_closed() -> None:
    device = OneFrame(format=(320, 240, "H264"))
    with pytest.raises(SensorError, match="wanted pixel format YUYV or MJPG, found H264"):
        camera_on(device)
    assert device.closed


def test_camera_lost_while_it_is_set_is_closed() -> None:
    device = OneFrame(control=failure(errno.ENODEV))
    with pytest.raises(SensorError, match="not there"):
        camera_on(device)
    assert device.closed


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOENT, r"/dev/video7: not there \(No such file .*check the cable"),
        (errno.EBUSY, "/dev/video7: .* busy: another program uses it; `sparsh-ros doctor`"),
        (errno.EACCES, "/dev/video7: Permission denied: no right .* `sparsh-ros doctor`"),
        (errno.EINVAL, "/dev/video7: Invalid argument: look at it with `sparsh-ros"),
    ],
)
def test_device_that_cannot_be_opened(number: int, message: str) -> None:
    with pytest.raises(SensorError, match=message) as caught:
        camera_on(failure(number))
    assert "\n" not in str(caught.value)


def test_yuyv_is_decoded_to_bgr() -> None:
    grey = np.full((240, 320, 2), (126, 128), np.uint8)
    image = camera_on(OneFrame(grey.tobytes())).read().pixels
    assert image.shape == (240, 320, 3) and image.dtype == np.uint8
    assert abs(int(image.mean()) - 128) <= 1
    red = np.tile(np.array([[81, 90], [81, 240]], np.uint8), (240, 160, 1))
    blue, green, red = camera_on(OneFrame(red.tobytes())).read().pixels[100, 100]
    assert red > 240 and green < 15 and blue < 15


def test_large_jpeg_is_decoded_at_a_fraction_of_its_size() -> None:
    whole = cv2.resize(np.eye(7, dtype=np.uint8)[..., None].repeat(3, 2) * 200, (3280, 2464))
    content = cv2.imencode(".jpg", whole)[1].tobytes()
    mode = Mode.of(load_profile("gelsight_mini"))
    assert mode.fourcc == "MJPG"
    image = camera_on(OneFrame(content + bytes(100)), mode).read().pixels
    assert image.shape == (616, 820, 3)
    wanted = cv2.resize(whole, (820, 616), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(image - wanted).mean() < 2


def test_uncompressed_where_usb_carries_it() -> None:
    assert Mode.of(load_profile("digit")).fourcc == "YUYV"
    assert Mode.of(load_profile("gelsight_2017"), 15.0) == Mode(640, 480, 15.0, "YUYV")


JPEG = cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))[1].tobytes()
SMALL_JPEG = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("fourcc", "content", "kind"),
    [
        ("YUYV", b"", "empty"),
        ("YUYV", bytes(320 * 240), "torn"),
        ("YUYV", bytes(640 * 480 * 2), "wrong size"),
        ("MJPG", b"", "empty"),
        ("MJPG", JPEG[: len(JPEG) // 2], "torn"),
        ("MJPG", b"no image\xff\xd9", "torn"),
        ("MJPG", SMALL_JPEG, "wrong size"),
    ],
)
def test_broken_frames(fourcc: str, content: bytes, kind: str) -> None:
    with pytest.raises(FrameError, match="/dev/video7: ") as caught:
        camera_on(OneFrame(content), replace(QVGA, fourcc=fourcc)).read()
    assert caught.value.fault == kind


def test_frame_that_the_kernel_knows_to_be_damaged() -> None:
    device = OneFrame()
    device.buffers = [Buffer(bytes(320 * 240 * 2), 0, None, damaged=True)]
    with pytest.raises(FrameError, match="data lost on USB") as caught:
        camera_on(device).read()
    assert caught.value.fault == "USB error"


def test_gaps_in_the_numbering_are_lost_frames() -> None:
    device = OneFrame()
    content = bytes(range(256)) * 600
    device.buffers = [Buffer(content, number, number * 10**7) for number in (5, 6, 9, 10, 12)]
    camera = camera_on(device)
    stamps = [camera.read().monotonic_ns for _ in range(5)]
    assert stamps == [number * 10**7 for number in (5, 6, 9, 10, 12)]
    assert camera.lost == 3
    assert camera.read() is None


def test_device_on_what_is_no_camera(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SensorError, match="Inappropriate ioctl"):
        V4l2Camera(str(path), QVGA, Host())
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(SensorError, match="not there"):
        V4l2Camera(str(tmp_path / "video1"), QVGA, Host())


def _virtual_camera() -> str:
    """Path of a camera made by the kernel module vivid, empty where there is none."""
    names = Path("/sys/class/video4linux").glob("video*/name")
    found = [name.parent.name for name in names if name.read_text().startswith("vivid")]
    return f"/dev/{sorted(found)[0]}" if found else ""


@pytest.mark.skipif(not _virtual_camera(), reason="the kernel module vivid is not loaded")
def test_virtual_camera_of_the_kernel() -> None:
    camera = V4l2Camera(_virtual_camera(), Mode(640, 480, 30.0, "YUYV"), Host())
    try:
        images = [image for _ in range(40) if (image := camera.read()) is not None]
    finally:
        camera.close()
    assert len(images) > 3
    assert all(image.pixels.shape[2] == 3 and image.monotonic_ns for image in images)


def test_simulated_device_keeps_to_the_interface(host: FaultyHost) -> None:
    camera = FaultyCamera("digit", "D1")
    host.plug(camera, "1-1")
    device = host.open(camera.path)
    assert isinstance(device, Device)
    device.close()
    assert camera.in_use == 0
