# SPDX-License-Identifier: Apache-2.0
"""A gel sensor that exists only in simulation, with its ground truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sparsh_ros.frames import Frame
from sparsh_ros.sensors.ahead import Ahead
from sparsh_ros.sensors.base import Sensor
from sparsh_ros.sensors.drivers import SimulatedConfig
from sparsh_ros.sensors.profiles import SensorProfile
from sparsh_ros.sensors.schedule import Schedule
from sparsh_ros.simulation.hand.script import ROUGH, SMOOTH, HandSampler, finger_stream
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation

_STRONGEST_GRIP_N = 8.0
HAND, HAND_DEMO = "hand", "hand_demo"
"""Touches by which two sensors, of seeds 2 n and 2 n + 1, are the fingers of a hand: one that does
anything, and one that does all tasks in their order."""
REST_S = 1.0
"""The gel is untouched for so long at first: time to capture a background, at 5 frames/s too."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedFrame(Frame):
    """A frame with what really happened in it: force, slip and pose at the same moment."""

    truth: TouchSample = field(kw_only=True)


class SimulatedSensor(Sensor):
    """A simulated touch at a true frame rate.

    Each frame is rendered ahead of its tick and handed out on the tick, stamped then: like a
    camera's, its content is as old as its stamp says, and the cost of simulating is not mistaken
    for latency. A real camera costs its robot nothing, so the first half of each period belongs to
    those who work on the last frame. Where simulating takes longer than a period, ticks are skipped
    and counted and the simulated world waits.

    Attributes:
        background: (320, 240, 3) uint8 RGB, what the sensor sees without contact; None until it
            was started.
    """

    has_beginning = True

    def __init__(
        self,
        profile: SensorProfile,
        config: SimulatedConfig,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare the simulation.

        Args:
            profile: Type of sensor; its name selects the simulated optics and gel.
            config: Its touch, see TouchSimulation, the seed of sensor and touch, and the frame
                rate, in the simulation and on the clock.
            clock: Gives the stamps, nanoseconds.
        """
        super().__init__(f"simulated {profile.name}", profile, clock)
        self.config = config
        rate_hz = config.fps or profile.fps
        self._settings = {
            "seed": config.seed,
            "touch": "random" if config.touch in (HAND, HAND_DEMO) else config.touch,
            "rate_hz": rate_hz,
            "maximum_load_n": profile.maximum_load_n,
            "rest_s": REST_S,
        }
        self._nominal_hz = rate_hz
        self._schedule = Schedule(rate_hz, self._stop)
        self._samples: Ahead[TouchSample] | None = None
        self._next: TouchSample | None = None
        self.background: np.ndarray | None = None

    def _open(self) -> None:
        if self._samples is None:
            simulation = TouchSimulation(self.profile.name, **self._settings, **self._hand())
            self.background = simulation.background()
            self._samples = Ahead(simulation.step, pause_s=0.5 / self._nominal_hz)
        self._samples.start()
        self._schedule.restart()

    def _hand(self) -> dict[str, object]:
        """The part of a finger in what a hand does; which finger, the seed says."""
        if self.config.touch not in (HAND, HAND_DEMO):
            return {}
        load_n = min(self._settings["maximum_load_n"], _STRONGEST_GRIP_N)
        kinds = (*SMOOTH, *ROUGH)
        succeeds = self.config.touch == HAND_DEMO
        sampler = HandSampler(self.config.seed, kinds, self._nominal_hz, load_n, succeeds)
        return {"stream": finger_stream(sampler, self.config.seed % 2)}

    def _read(self, sequence: int) -> SimulatedFrame | None:
        if self._next is None:
            self._next = self._samples.take()
        skipped = None if self._next is None else self._schedule.wait()
        if skipped is None:  # stopped; the next start goes on with this sample
            return None
        sample, self._next = self._next, None
        self._skipped += skipped
        return SimulatedFrame(
            stamp_ns=self._clock(), image=sample.image, sequence=sequence, truth=sample
        )

    def _interrupt(self) -> None:
        if self._samples is not None:
            self._samples.wake()

    def _close(self) -> None:
        """Stop simulating; the world stays as it is for the next start."""
        if self._samples is not None:
            self._samples.stop()
