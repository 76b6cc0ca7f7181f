# SPDX-License-Identifier: Apache-2.0
"""What all sensors share: a capture thread, a slot with the latest frame, counters, reopening."""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable

from sparsh_ros.errors import FrameError, SensorError
from sparsh_ros.frames import Frame
from sparsh_ros.scheduling import show_name
from sparsh_ros.sensors.health.status import SensorStatus, saturated_share
from sparsh_ros.sensors.health.watchdog import USB
from sparsh_ros.sensors.profiles import SensorProfile

FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 1.0

_RATE_WINDOW = 61
_REPORT_AGAIN_S = 10.0
_REPORTS_KEPT = 100
_log = logging.getLogger(__name__)


class Sensor(ABC):
    """A gel camera, real, recorded or simulated, that hands out its latest frame.

    A driver implements `_open`, `_read` and `_close`, of which only one runs at a time, and
    `_interrupt` where `_read` may block for long. They report trouble by what they raise:

    - FrameError: this frame only is lost.
    - anything else: the device is closed and opened again, after a pause that doubles from
      0.1 s to 1 s with every failure in a row.

    What they raise may have an attribute `fault`, the name by which it is counted.

    Use it as a context manager, or call `start` and `stop`.

    Attributes:
        name: The sensor in words.
        profile: What is known about this type of sensor.
        serial: Serial number of the camera; empty where it has none, or before it was found.
        has_beginning: Its first frames come only once, as those of a recording. It begins when
            somebody first asks for a frame, so that none is lost on who is not ready yet.
    """

    has_beginning = False
    _longest_back_off_s = LONGEST_BACK_OFF_S

    def __init__(
        self, name: str, profile: SensorProfile, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Prepare a sensor; nothing is opened yet.

        Args:
            name: The sensor in words, used in messages.
            profile: What is known about this type of sensor.
            clock: Gives the stamps, in nanoseconds. Pacing never depends on it.
        """
        self.name = name
        self.profile = profile
        self.serial = ""
        self._clock = clock
        self._stop = threading.Event()
        self._asked = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._frame: Frame | None = None
        self._taken = True
        self._connected = self._finished = False
        self._back_off_s = FIRST_BACK_OFF_S
        self._frames = self._overwritten = self._skipped = self._refused = 0
        self._errors = self._reopened = 0
        self._faults: Counter[str] = Counter()
        self._nominal_hz = math.nan
        self._arrivals_s: deque[float] = deque(maxlen=_RATE_WINDOW)
        self._last_arrival_s = math.nan
        self._last_error = ""
        self._reported_s: dict[str, float] = {}

    @abstractmethod
    def _open(self) -> None:
        """Open the device; raise SensorError where trying again later may help."""

    @abstractmethod
    def _read(self, sequence: int) -> Frame | None:
        """Wait for the next frame and number it; None at the end of a recording or on stop."""

    @abstractmethod
    def _close(self) -> None:
        """Release whatever `_open` got hold of, also when that was only half done."""

    def _interrupt(self) -> None:  # noqa: B027 -- most drivers have nothing to do here
        """Make a blocked `_read` return soon; called from another thread by `stop`."""

    def start(self) -> None:
        """Open the sensor and start capturing; does nothing while it runs.

        A device that is not there (SensorError) is waited for: it shows in `status`, and frames
        come as soon as it does.

        Raises:
            SparshError: what waiting does not fix, such as a missing file or a bad setting.
        """
        if self._thread is not None:
            return
        self._stop.clear()
        self._asked.clear()
        self._forget()
        try:
            self._open()
            self._connected = True
        except SensorError as error:
            self._fail(error)
        except BaseException:
            self._close_quietly()
            raise
        self._thread = threading.Thread(target=self._run, name=f"capture {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the capture thread, close the device and wake whoever waits."""
        self._stop.set()
        self._asked.set()
        if self._thread is not None:
            self._interrupt()
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Sensor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def latest(self) -> Frame | None:
        """The newest frame, None before the first. Looking does not count as taking it."""
        self._asked.set()
        with self._changed:
            return self._frame

    def wait(self, after_sequence: int = 0, timeout: float | None = None) -> Frame | None:
        """Take the newest frame once its sequence number is above `after_sequence`.

        Args:
            after_sequence: Sequence of the frame the caller already has, 0 for any.
            timeout: Seconds to wait at most; None waits as long as the sensor runs.

        Returns:
            The frame, or None after `timeout` and when the sensor stopped or finished.
        """

        def is_newer() -> bool:
            return self._frame is not None and self._frame.sequence > after_sequence

        self._asked.set()
        with self._changed:
            self._changed.wait_for(lambda: is_newer() or not self._is_running(), timeout)
            if not is_newer():
                return None
            self._taken = True
            return self._frame

    @property
    def finished(self) -> bool:
        """Whether a recording came to its end."""
        return self._finished

    def status(self) -> SensorStatus:
        """Counters and state, taken at one moment."""
        with self._changed:
            arrivals = self._arrivals_s
            span_s = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0.0
            return SensorStatus(
                name=self.name,
                running=self._is_running(),
                connected=self._connected,
                finished=self._finished,
                frames=self._frames,
                overwritten=self._overwritten,
                skipped=self._skipped,
                refused=self._refused,
                errors=self._errors,
                usb_errors=self._faults.get(USB, 0),
                faults=dict(self._faults),
                reopened=self._reopened,
                rate_hz=(len(arrivals) - 1) / span_s if span_s > 0 else math.nan,
                nominal_hz=self._nominal_hz,
                frame_age_s=time.monotonic() - self._last_arrival_s,
                saturated=saturated_share(self._frame),
                last_error=self._last_error,
            )

    def _forget(self) -> None:
        """Empty the slot, so that nobody gets a frame of an earlier run."""
        with self._changed:
            self._overwritten += not self._taken
            self._frame, self._taken, self._finished = None, True, False
            self._arrivals_s.clear()
            self._last_arrival_s = math.nan

    def _is_running(self) -> bool:
        return self._thread is not None and not self._stop.is_set() and not self._finished

    def _run(self) -> None:
        show_name()
        try:
            if self.has_beginning:
                self._asked.wait()
            while not self._stop.is_set() and not self._finished:
                if self._connected:
                    self._capture()
                else:
                    self._reopen()
        finally:
            self._close_quietly()
            with self._changed:
                self._connected = False
                self._changed.notify_all()

    def _capture(self) -> None:
        try:
            frame = self._read(self._frames + 1)
        except FrameError as error:
            with self._changed:
                self._refused += 1
            self._report(error)
        except Exception as error:  # a driver may raise anything, and must not end the process
            if not self._stop.is_set():
                self._fail(error)
        else:
            self._hand_out(frame)

    def _hand_out(self, frame: Frame | None) -> None:
        with self._changed:
            if frame is None:
                self._finished = not self._stop.is_set()
                return
            self._overwritten += not self._taken
            self._frame, self._taken = frame, False
            self._frames += 1
            self._last_arrival_s = time.monotonic()
            self._arrivals_s.append(self._last_arrival_s)
            self._back_off_s = FIRST_BACK_OFF_S
            self._changed.notify_all()

    def _reopen(self) -> None:
        if self._stop.wait(self._back_off_s):
            return
        self._back_off_s = min(2 * self._back_off_s, self._longest_back_off_s)
        try:
            self._open()
        except Exception as error:  # as above
            self._fail(error)
        else:
            with self._changed:
                self._connected = True
                self._reopened += 1

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._connected = False
            self._errors += 1
            self._arrivals_s.clear()
        self._report(error)
        self._close_quietly()

    def _close_quietly(self) -> None:
        try:
            self._close()
        except Exception as error:  # a device that vanished may refuse to be closed
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Keep the message for `status`; log each fault, but not again for 10 s."""
        message = str(error) or type(error).__name__
        fault = getattr(error, "fault", "")
        now_s = time.monotonic()
        with self._changed:
            self._last_error = message
            self._faults.update([fault] if fault else [])
        if now_s - self._reported_s.get(fault or message, -math.inf) > _REPORT_AGAIN_S:
            if len(self._reported_s) == _REPORTS_KEPT:
                self._reported_s.clear()
            self._reported_s[fault or message] = now_s
            _log.warning(message if message.startswith(self.name) else f"{self.name}: {message}")
