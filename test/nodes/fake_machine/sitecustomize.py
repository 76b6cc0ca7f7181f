# SPDX-License-Identifier: Apache-2.0
"""In a Python process with this folder on PYTHONPATH, the cameras are those of a file.

The file, named by FAKE_CAMERAS, maps serial numbers to what is true of each camera now: `kind`,
`port` (empty while it is unplugged) and `fault` (a kind of watchdog.py, or empty). Whoever writes
the file plugs, unplugs and breaks cameras in processes that are running.
"""

import json
import os
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.sensors.cameras import v4l2

_POLL_S = 0.02


class Machine(FaultyHost):
    """A machine that is as the file says, a moment after it says so."""

    def __init__(self, file: Path) -> None:
        super().__init__(Path(tempfile.mkdtemp(dir=file.parent)))
        self._file = file
        self._cameras: dict[str, tuple[FaultyCamera, dict[str, str]]] = {}
        self._follow()
        threading.Thread(target=self._keep_following, daemon=True).start()

    def _keep_following(self) -> None:
        while True:
            time.sleep(_POLL_S)
            self._follow()

    def _follow(self) -> None:
        for serial, now in json.loads(self._file.read_text()).items():
            unplugged = {"port": "", "fault": ""}
            camera, before = self._cameras.get(serial, (None, unplugged))
            camera = camera or FaultyCamera(now["kind"], serial, seed=len(self._cameras))
            if now["port"] != before["port"]:
                if before["port"]:
                    self.unplug(camera)
                if now["port"]:
                    self.plug(camera, now["port"])
            if now["fault"] != before["fault"]:
                camera.inject(now["fault"])
            self._cameras[serial] = camera, now


_machine = cache(Machine)


class TheHost(v4l2.Host):
    """Stands in for the one that drivers make: there is but one machine in a process."""

    def __new__(cls) -> Machine:
        return _machine(Path(os.environ["FAKE_CAMERAS"]))


v4l2.Host = TheHost
