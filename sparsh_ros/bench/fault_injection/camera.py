# SPDX-License-Identifier: Apache-2.0
"""A simulated machine with USB cameras that fail on demand, to see how the drivers take it.

It stands in at the lowest layer: the files of sysfs and the device node. All above it is the code
that talks to real cameras.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.sensors.cameras.discovery import TactileCamera, find_cameras
from sparsh_ros.sensors.cameras.v4l2 import Buffer, Device, Host
from sparsh_ros.sensors.health import watchdog

_USB_IDS = {"digit": "2833:0209", "gelsight_mini": "0c45:636d", "": "046d:081b"}
_NAMES = {"digit": "DIGIT", "gelsight_mini": "GelSight Mini R0B {serial}", "": "Webcam C310"}
_VARIANTS = 8


class FaultyCamera:
    """A camera whose faults are injected.

    Attributes:
        kind, serial: as in TactileCamera.
        path: its device node, empty while it is unplugged.
        opened: how often it was opened.
        opened_s: when it was opened last, on the monotonic clock.
        in_use: how many devices are open on it.
        made: frames that it made while it was open.
        lost: frames of these that it did not send.
        controls: what was set, value by number.
        true_rate_hz: at which it delivers, whatever it agrees to; None to keep its word.
        largest: pixels to which it cuts down what is asked of it.
        busy: another program uses it.
        read_error: errno with which the next read fails, 0 for none; over once the camera is
            opened again.
        failed_reads: how often that was.
        dark_frames: how many of its first frames are too dark each time it is opened.
    """

    def __init__(self, kind: str, serial: str, seed: int = 0, start_s: float = 0.0) -> None:
        """Make a camera that is not plugged in yet and takes `start_s` to its first frame."""
        self.kind = kind
        self.serial = serial
        self.path = ""
        self.opened = self.in_use = self.made = self.lost = 0
        self.controls: dict[int, int] = {}
        self.true_rate_hz: float | None = None
        self.largest = (10_000, 10_000)
        self.busy = False
        self.opened_s = math.nan
        self.read_error = self.failed_reads = self.dark_frames = 0
        self.start_s = start_s
        self.changed = threading.Condition()
        self._random = np.random.default_rng(seed)
        self._fault = ""
        self._fault_frames: int | None = None

    def inject(self, fault: str, frames: int | None = None) -> None:
        """Show a kind of fault (see watchdog.py) for some frames, or until opened again."""
        with self.changed:
            self._fault, self._fault_frames = fault, frames
            self.changed.notify_all()

    def lose(self, frames: int) -> None:
        """Make frames that never arrive."""
        with self.changed:
            self.lost += frames

    def next_fault(self) -> str:
        """The fault that the next frame shows; empty for none."""
        fault = self._fault
        if fault and self._fault_frames is not None:
            self._fault_frames -= 1
            if self._fault_frames == 0:
                self._fault, self._fault_frames = "", None
        return fault

    @property
    def hangs(self) -> bool:
        """Whether it sends nothing at present."""
        return self._fault == watchdog.HANG

    def on_open(self) -> None:
        """What lasts until then is over."""
        self.opened += 1
        self.opened_s = time.monotonic()
        self.in_use += 1
        self.read_error = 0
        if self._fault_frames is None:
            self._fault = ""

    def pictures(self, width: int, height: int, fourcc: str) -> list[bytes]:
        """Some frames of a grey gel with a camera's noise, as this pixel format holds them."""
        if fourcc == "YUYV":
            noise = self._random.integers(114, 126, 2 * width * height + 256, np.uint8)
            size = 2 * width * height
            return [noise[8 * n : 8 * n + size].tobytes() for n in range(_VARIANTS)]
        gel = self._random.integers(90, 140, (24, 32, 3), np.uint8)
        coarse = gel + self._random.integers(0, 3, (_VARIANTS, *gel.shape), np.uint8)
        images = (cv2.resize(image, (width, height)) for image in coarse)
        return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]


class FaultyDevice(Device):
    """An open device node of a faulty camera."""

    def __init__(self, camera: FaultyCamera, path: str) -> None:
        self._camera = camera
        self._path = path
        self._fd = os.open(os.devnull, os.O_RDONLY)  # so that a device left open shows
        self._sequence = -1
        self._sent = 0
        self._lost = camera.lost
        with camera.changed:
            camera.on_open()

    def set_format(self, width: int, height: int, fourcc: str) -> tuple[int, int, str]:
        """See Device."""
        most = self._camera.largest
        self._mode = (min(width, most[0]), min(height, most[1]), fourcc)
        return self._mode

    def set_rate(self, fps: float) -> float:
        """See Device."""
        self._period_s = 1 / (self._camera.true_rate_hz or fps)
        return fps

    def set_control(self, number: int, value: int) -> int:
        """See Device."""
        self._camera.controls[number] = value
        return value

    def start(self) -> None:
        """See Device."""
        self._pictures = self._camera.pictures(*self._mode)
        self._due_s = time.monotonic() + self._camera.start_s

    def read(self, timeout_s: float) -> Buffer | None:
        """See Device."""
        camera = self._camera
        with camera.changed:
            until_s = time.monotonic() + timeout_s
            while True:
                if camera.path != self._path:
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
                if camera.read_error:
                    camera.failed_reads += 1
                    raise OSError(camera.read_error, os.strerror(camera.read_error))
                now_s = time.monotonic()
                if now_s >= self._due_s and not camera.hangs:
                    return self._next()
                wake_s = until_s if camera.hangs else min(until_s, self._due_s)
                if now_s >= until_s:
                    return None
                camera.changed.wait(wake_s - now_s)

    def _next(self) -> Buffer:
        # A reader that is late by more than what the kernel queues has lost the frames between.
        late = max(0, int((time.monotonic() - self._due_s) / self._period_s) - 3)
        stamp_s = self._due_s + late * self._period_s
        self._due_s = stamp_s + self._period_s
        # What was lost before the first frame nobody can know of.
        unsent = late + self._camera.lost - self._lost if self._sequence >= 0 else 0
        self._lost = self._camera.lost
        self._sequence += 1 + unsent
        self._camera.made += 1 + unsent
        self._sent += 1
        fault = self._camera.next_fault()
        stamp_ns = round(stamp_s * 1e9)
        return Buffer(self._content(fault), self._sequence, stamp_ns, fault == watchdog.USB)

    def _content(self, fault: str) -> bytes:
        width, height, fourcc = self._mode
        picture = self._pictures[self._sent % _VARIANTS]
        if self._sent <= self._camera.dark_frames:
            return (np.frombuffer(picture, np.uint8) // 2).tobytes()
        if fault == watchdog.EMPTY:
            return b""
        if fault == watchdog.TORN:
            return picture[: len(picture) // 2]
        if fault == watchdog.GREEN:
            return bytes(len(picture))
        if fault == watchdog.WRONG_SIZE:
            if fourcc == "YUYV":
                return picture * 4
            return self._camera.pictures(width // 2, height // 2, fourcc)[0]
        return self._pictures[0] if fault == watchdog.FROZEN else picture

    def close(self) -> None:
        """See Device."""
        with self._camera.changed:
            self._camera.in_use -= 1
        os.close(self._fd)


class FaultyHost(Host):
    """A machine with faulty cameras and a sysfs of its own."""

    def __init__(self, folder: Path) -> None:
        """Begin without cameras; `folder` is empty and will hold the files of sysfs."""
        self._sysfs = folder
        self._plugged: dict[str, FaultyCamera] = {}
        self._next_number = 0

    def plug(self, camera: FaultyCamera, port: str) -> None:
        """Plug a camera into a USB port; its device node gets a number not used before."""
        usb = self._sysfs / "devices" / "usb1" / port
        number = self._next_number
        self._next_number += 2
        # As real cameras have, one node for the images and a second one for metadata.
        for index in (1, 0):
            node = usb / f"{port}:1.0" / "video4linux" / f"video{number + index}"
            node.mkdir(parents=True)
            (node / "index").write_text(f"{index}\n")
            (node / "name").write_text(f"{_name(camera)}: {_name(camera)}"[:31] + "\n")
            (node / "device").symlink_to("../..")
        identity = zip(("idVendor", "idProduct"), _USB_IDS[camera.kind].split(":"), strict=True)
        for name, text in (*identity, ("serial", camera.serial), ("product", _name(camera))):
            (usb / name).write_text(f"{text}\n")
        camera.path = f"/dev/video{number}"
        self._plugged[camera.path] = camera
        links = self._sysfs / "class" / "video4linux"
        links.mkdir(parents=True, exist_ok=True)
        for index in (1, 0):
            node = usb / f"{port}:1.0" / "video4linux" / f"video{number + index}"
            (links / node.name).symlink_to(os.path.relpath(node, links))

    def unplug(self, camera: FaultyCamera) -> None:
        """Pull the cable of a camera."""
        node = self._sysfs / "class" / "video4linux" / Path(camera.path).name
        usb = (node / "device").resolve().parent
        for link in node.parent.iterdir():
            if link.resolve().is_relative_to(usb):
                link.unlink()
        shutil.rmtree(usb)
        with camera.changed:
            del self._plugged[camera.path]
            camera.path = ""
            camera.changed.notify_all()

    def cameras(self) -> list[TactileCamera]:
        """See Host."""
        return find_cameras(self._sysfs)

    def open(self, path: str) -> FaultyDevice:
        """See Host."""
        camera = self._plugged.get(path)
        if camera is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if camera.busy:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return FaultyDevice(camera, path)


def _name(camera: FaultyCamera) -> str:
    return _NAMES[camera.kind].format(serial=camera.serial)
