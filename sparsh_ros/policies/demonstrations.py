# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the bead maze: recorded, kept as files, read again.

A demonstration is one NPZ file with a row for each period: what the world was like before the
expert decided, and what it then wanted. What was carried out differs by the disturbance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.kinematics import HandDriver
from sparsh_ros.policies.reading import TouchReader, TruthReader
from sparsh_ros.policies.touch import Touch
from sparsh_ros.recordings.whole import whole_or_nothing
from sparsh_ros.simulation.maze.expert import Disturbance, Expert, start_run
from sparsh_ros.simulation.maze.wire import draw_wire
from sparsh_ros.simulation.maze.world import RATE_HZ, MazeSample, MazeWorld

LONGEST_S = 40.0
DEFAULT_COUNT = 50
FIRST_TEST_SEED = 10_000
"""Demonstrations are on wires and hands below this seed, tests on those from it on."""
_TOUCH_FIELDS = (
    "valid",
    "in_contact",
    "force_n",
    "force_sd_n",
    "margin",
    "margin_sd",
    "slide_m_s",
    "slide_sd_m_s",
    "slip_share",
    "motion_m",
    "centre_m",
    "axis",
    "elongation",
    "pooled",
)


@dataclass(frozen=True)
class Demonstration:
    """One run of the expert.

    Attributes:
        meta: family, seed, rate_hz, whether it finished, and more.
        columns: by name, a row for each period. `images` (T, 2, 80, 60, 3) uint8 RGB of left and
            right fingertip, `joints` (T, 7) measured, `wanted_joints` (T, 7) and `twist` (T, 6)
            what the expert wanted for the period that follows, `grip_n` (T,), `bead_m` (T,),
            `hand_m` (T, 3), `held` (T,), `force_n` (T, 3) of the hand on the bead; `touch_*`
            (T, 2, ...) what the model felt, see `Touch`, and `true_*` what is true of the same.
    """

    meta: dict[str, Any]
    columns: dict[str, NDArray]

    def __len__(self) -> int:
        return len(self.columns["joints"])

    def touches(self, index: int, prefix: str = "touch") -> tuple[Touch, Touch]:
        """What both fingertips felt at a row; `true`: what is true of them."""
        left, right = (self._touch(index, side, prefix) for side in range(2))
        return left, right

    def _touch(self, index: int, side: int, prefix: str) -> Touch:
        values = {
            name: self.columns[f"{prefix}_{name}"][index, side]
            for name in _TOUCH_FIELDS
            if f"{prefix}_{name}" in self.columns
        }
        if "backgrounds" in self.columns:
            images = self.columns["images"]
            shown = images[index, side], images[max(index - 1, 0), side]
            values["images"] = np.stack([*shown, self.columns["backgrounds"][side]])
        return Touch(round(1e9 * index / self.meta["rate_hz"]), **values)

    @classmethod
    def load(cls, path: Path) -> Demonstration:
        """Read one.

        Raises:
            DatasetError: The file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                columns = {name: file[name] for name in file.files if name != "meta"}
                return cls(json.loads(str(file["meta"])), columns)
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(
                f"demonstration {path}: cannot be read ({error}); record it again with "
                "`sparsh-ros maze demonstrate`"
            ) from error

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        with whole_or_nothing(path) as partial, partial.open("wb") as file:
            np.savez(file, meta=np.array(json.dumps(self.meta)), **self.columns)


def record(
    family: str, seed: int, reader: TouchReader, disturbance: float = 1.0, rate_hz: float = RATE_HZ
) -> Demonstration:
    """Let the expert do one maze.

    Args:
        family: of wires.
        seed: of wire, hand and expert.
        reader: feels.
        disturbance: how much what it does is disturbed; 0 is not at all.
        rate_hz: periods per second.
    """
    wire = draw_wire(family, seed)
    world = MazeWorld(wire, seed, rate_hz)
    rng = np.random.default_rng((seed, 23))
    expert, driver = Expert(wire, rate_hz, rng), HandDriver(world.start)
    noise = Disturbance(rate_hz, rng, disturbance)
    backgrounds = world.backgrounds()
    reader.begin(backgrounds)
    truth, rows = TruthReader(), []
    sample = start_run(world)
    while not sample.finished and sample.time_s < LONGEST_S:
        images = sample.touches[0].image, sample.touches[1].image
        touches = reader.read(sample.time_s, images)
        command = expert.command(sample)
        rows.append(
            _world_row(sample, images)
            | _touch_row("touch", touches)
            | _touch_row("true", truth.read(sample.time_s, sample.touches))
            | {
                "twist": command.twist,
                "grip_n": command.grip_n,
                "wanted_joints": HandDriver(driver.joints).move(command.twist),
                "commanded": driver.joints.copy(),
            }
        )
        sample = world.step(driver.move(noise.apply(command.twist)), command.grip_n)
    meta = {
        "family": family,
        "seed": seed,
        "rate_hz": rate_hz,
        "disturbance": disturbance,
        "finished": sample.finished,
        "regrasps": expert.regrasps,
        "length_m": wire.length_m,
    }
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return Demonstration(meta, columns | {"backgrounds": np.stack(backgrounds)})


def record_all(
    folder: Path, count: int, family: str = "toy", disturbance: float = 1.0
) -> Iterator[Path]:
    """Record finished demonstrations with seeds 0, 1, ... until there are `count`; keeps those
    that are there already. Runs that do not finish are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    reader = TouchReader()
    found, seed = 0, 0
    while found < count and seed < FIRST_TEST_SEED:
        path, failed = folder / f"{family}_{seed:05d}.npz", folder / f"{family}_{seed:05d}.failed"
        if not path.exists() and not failed.exists():
            demonstration = record(family, seed, reader, disturbance)
            if demonstration.meta["finished"]:
                demonstration.save(path)
            else:
                failed.write_text("the expert did not finish this one in time\n")
        seed += 1
        if path.exists():
            found += 1
            yield path


def load_all(folder: Path, count: int | None = None) -> list[Demonstration]:
    """The first `count` demonstrations of a folder, in order of their seeds.

    Raises:
        DatasetError: There are none, or fewer.
    """
    paths = sorted(Path(folder).glob("*.npz"))
    if not paths or len(paths) < (count or 1):
        raise DatasetError(
            f"{folder}: wanted {count or 'some'} demonstrations, found {len(paths)}; make them "
            f"with `sparsh-ros maze demonstrate --out {folder}`"
        )
    return [Demonstration.load(path) for path in paths[:count]]


def _world_row(
    sample: MazeSample, images: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> dict[str, Any]:
    return {
        "images": np.stack(images),
        "joints": sample.joints,
        "bead_m": sample.bead_m,
        "hand_m": sample.hand.position,
        "offset_mm": sample.offset_mm,
        "force_n": sample.force_n,
        "held": sample.held,
    }


def _touch_row(prefix: str, touches: tuple[Touch, Touch]) -> dict[str, NDArray]:
    names = _TOUCH_FIELDS if prefix == "touch" else _TOUCH_FIELDS[:-1]
    return {
        f"{prefix}_{name}": np.stack([np.asarray(getattr(touch, name)) for touch in touches])
        for name in names
    }
