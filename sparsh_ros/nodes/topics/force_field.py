# SPDX-License-Identifier: Apache-2.0
"""Force fields beside the estimates: on a thread of their own, while somebody looks.

A force field costs two passes of an encoder, on a CPU longer than the time between frames. On the
thread of the estimates it would delay the next slip; here it only skips frames.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.scheduling import show_name


class FieldListener(Protocol):
    """Takes the force fields of one sensor."""

    @property
    def wants_field(self) -> bool:
        """Whether somebody looks."""

    def publish_field(self, field: ForceField) -> None:
        """Hand a force field to those who look."""

    def publish_no_field(self, stamp_ns: int) -> None:
        """Tell them that of the frame of that moment none is known."""


class FieldWorker:
    """Makes force fields of the newest frames, one sensor after the other."""

    def __init__(
        self,
        perception: Perception,
        listeners: Mapping[str, FieldListener],
        log_error: Callable[[str], None],
    ) -> None:
        """Begin to wait for frames.

        Args:
            perception: has a model with a force field.
            listeners: by name of the sensor.
            log_error: takes a sentence for the log, on this worker's thread.
        """
        self._perception = perception
        self._listeners = listeners
        self._log_error = log_error
        self._news = threading.Condition()
        self._due: dict[str, int] = {}  # stamp of the newest frame
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="force field")
        self._thread.start()

    def request(self, sensor: str, stamp_ns: int) -> None:
        """Note that a frame of this sensor was looked at; never waits."""
        if self._listeners[sensor].wants_field:
            with self._news:
                self._due[sensor] = stamp_ns
                self._news.notify()

    def stop(self) -> None:
        """Finish the field at hand and join the thread."""
        with self._news:
            self._stopped = True
            self._news.notify()
        self._thread.join()

    def _next(self) -> tuple[str, int] | None:
        with self._news:
            self._news.wait_for(lambda: self._due or self._stopped)
            if self._stopped:
                return None
            sensor = next(iter(self._due))
            return sensor, self._due.pop(sensor)

    def _work(self) -> None:
        show_name()
        while (due := self._next()) is not None:
            sensor, stamp_ns = due
            try:
                field = self._perception.force_field(sensor)
                if field is None:
                    self._listeners[sensor].publish_no_field(stamp_ns)
                else:
                    self._listeners[sensor].publish_field(field)
            except Exception as error:  # an engine may raise anything, and must not end the node
                self._log_error(f"sensor {sensor}: this force field is lost: {error}")
