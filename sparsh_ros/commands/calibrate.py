# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros calibrate`: adapt a model's force to one sensor, from a recording with known forces.

    sparsh-ros calibrate press_and_shear --serial D20123
    sparsh-ros calibrate weight_on_off --weight 200g --serial D20123

The first takes a recording with a topic of forces, of a force sensor under the gel, say. The second
takes one in which a known weight was put on the gel and taken off, some times, each for a second
or so. Half of what was recorded is fitted to, the other half is what the printed errors are of.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sparsh_ros.background import StillFrames
from sparsh_ros.background.still import block_means
from sparsh_ros.errors import FrameError, ParameterError, RecordingError
from sparsh_ros.evaluation.evaluator import StampClock
from sparsh_ros.frames import Frame
from sparsh_ros.perception.calibration import CalibrationStore, save_calibration
from sparsh_ros.perception.calibration.fit import (
    MOST_FRAMES,
    CalibrationData,
    Choice,
    fit_calibration,
    thin_out,
)
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.progress import progress_bar
from sparsh_ros.recordings.bag_sensor import BagSensor, read_sensor_items
from sparsh_ros.recordings.bags import Bag, list_bags, open_bag
from sparsh_ros.recordings.label_series import LabelLog
from sparsh_ros.recordings.topics import find_sensors
from sparsh_ros.sensors.cameras.discovery import find_cameras

Floats = NDArray[np.float64]

_KEY = "sensor"
_TOUCHED_LEVELS = 9.0  # see background.keeper: above it something touches
_STEP_BACK_NS = 50_000_000
_AXES = ("x", "y", "z")


def run(arguments: argparse.Namespace) -> int:
    """Fit, report, store; 0 if the calibration is better than the model alone, else 1."""
    console = Console(highlight=False)
    serial = "" if arguments.out else _serial(arguments.serial)
    bags = [bag for path in arguments.recordings for bag in list_bags(path)]
    clock = StampClock()
    perception = Perception(
        arguments.model,
        ("force",),
        arguments.device,
        arguments.threads,
        monotonic=clock,
        weights_dir=arguments.weights_dir,
    )
    if perception.heads.missing:
        raise ParameterError("; ".join(perception.heads.missing.values()))
    collected = [_collect(perception, clock, bag, arguments) for bag in bags]
    types = {each.sensor_type for each in collected}
    if len(types) != 1:
        raise RecordingError(f"recordings: wanted one type of sensor, found {', '.join(types)}")
    fitted, unused = _halves(collected)
    model = perception.spec.name
    calibration, choices = fit_calibration(fitted, model, types.pop(), arguments.serial or serial)
    after_n = calibration.apply(unused.force_n, unused.tokens)
    console.print(_table(unused, after_n, fitted))
    for line in _remarks(choices, fitted):
        console.print(escape(line), soft_wrap=True)
    if not _is_better(unused, after_n):
        console.print("Not better than the model alone on the half that was not used: not stored.")
        return 1
    path = arguments.out
    if path:
        save_calibration(path, calibration)
    else:
        path = CalibrationStore().save(calibration)
    console.print(f"Written to {escape(str(path))}", soft_wrap=True)
    return 0


def _serial(given: str) -> str:
    """Whose calibration it will be; found out before the work, not after it."""
    if given:
        return given
    found = [camera for camera in find_cameras() if camera.serial]
    if len(found) == 1:
        return found[0].serial
    names = ", ".join(camera.label for camera in found) or "none"
    raise ParameterError(
        f"calibrate: wanted one sensor whose calibration this will be, found {names} on USB; name "
        "its serial number with --serial, or a file with --out"
    )


@dataclass(frozen=True, eq=False)
class _Collected:
    """One recording: its frames in the order of time, and which of them are fitted to."""

    data: CalibrationData
    is_fitted: NDArray[np.bool_]
    sensor_type: str


class _RestingWeight:
    """The normal force in each frame, from a known weight that lies on the gel now and then."""

    def __init__(self, weight_n: float) -> None:
        self._weight_n = weight_n
        self._still = StillFrames()
        self._background: NDArray | None = None

    def use_background(self, image: NDArray | None) -> None:
        """Take the image of the untouched gel."""
        self._background = None if image is None else block_means(image)

    def force_n(self, frame: Frame) -> list[float]:
        """The weight where something rests on the gel, 0 where nothing does, else NaN."""
        self._still.add(frame)
        try:
            change = np.abs(self._still.blocks() - self._background).max()
        except (FrameError, TypeError):  # it moves, or the untouched gel was not seen yet
            return [np.nan] * 3
        return [np.nan, np.nan, self._weight_n if change > _TOUCHED_LEVELS else 0.0]


def _collect(
    perception: Perception, clock: StampClock, path: Path, arguments: argparse.Namespace
) -> _Collected:
    clock.forget()
    weight = None if arguments.weight is None else _RestingWeight(arguments.weight)
    with open_bag(path) as bag, progress_bar(path.name) as bar:
        sensor = _only_sensor(bag, arguments)
        total = next(t.count for t in bag.topics if t.name == sensor.topics.image)
        # Both halves are thinned out later; what is dropped here needs no memory.
        every = max(1, total // (4 * MOST_FRAMES))
        labels = LabelLog(3, _STEP_BACK_NS)
        tokens, stamps, forces, weights = [], [], [], []
        done = 0
        for item_type, stamp_ns, value in _items(bag, sensor):
            if item_type == "profile":
                perception.add_sensor(_KEY, value)
            elif item_type == "background":
                perception.set_background(_KEY, value)
                if weight is not None:
                    weight.use_background(value)
            elif item_type == "force":
                labels.add(stamp_ns, value, 0)
            elif item_type == "frame":
                known = [np.nan] * 3 if weight is None else weight.force_n(value)
                done += 1
                bar.update(done, total=total)
                found = _estimate(perception, clock, value)
                if found is not None and done % every == 0:
                    tokens.append(found[1])
                    stamps.append(stamp_ns)
                    forces.append(found[0].force_n)
                    weights.append(known)
    if not tokens:
        raise RecordingError(f"{path.name}: no frame that can be estimated; {sensor.trouble()}")
    measured = np.array(weights)
    if weight is None:
        measured = labels.series(0, 0).at(np.array(stamps))[0]
    data = CalibrationData(np.stack(tokens), np.array(forces), measured)
    halves = _first_half(measured) if weight is None else _every_other(measured[:, 2])
    return _Collected(data, halves, sensor.profile.name)


def _only_sensor(bag: Bag, arguments: argparse.Namespace) -> BagSensor:
    topics = find_sensors(bag.topics, arguments.image_topics, arguments.force_topics)
    if len(topics) != 1:
        raise RecordingError(
            f"{bag.path.name}: wanted the images of one sensor, found "
            f"{', '.join(each.image for each in topics)}; choose with --image-topics"
        )
    if arguments.weight is None and not topics[0].force:
        raise RecordingError(
            f"{bag.path.name}: wanted a topic with measured forces, found none; name it with "
            "--force-topics, or put a known weight on the gel and use --weight"
        )
    return BagSensor(_KEY, topics[0], arguments.sensor, arguments.background)


def _items(bag: Bag, sensor: BagSensor) -> Iterator[tuple[str, int, object]]:
    return ((kind, stamp, value) for _, kind, stamp, value in read_sensor_items(bag, [sensor]))


def _estimate(
    perception: Perception, clock: StampClock, frame: Frame
) -> tuple[Estimate, NDArray[np.float16]] | None:
    """The estimate of a frame with its tokens; None if it is invalid."""
    clock.advance(frame.stamp_ns)
    perception.push(_KEY, frame)
    features = perception.encode()
    estimates = perception.run_heads(features)
    for estimate, (_, tokens) in zip(estimates, features.per_frame(), strict=True):
        if estimate.valid and estimate.stamp_ns == frame.stamp_ns:
            return estimate, tokens
    return None


def _first_half(measured: Floats) -> NDArray[np.bool_]:
    """Of the frames whose force was measured, the first half."""
    known = np.isfinite(measured[:, 2])
    return np.cumsum(known) <= known.sum() / 2


def _every_other(weight_n: Floats) -> NDArray[np.bool_]:
    """The frames of every other time that the weight lay on the gel, with those before it."""
    lies = np.nan_to_num(weight_n) > 0
    ends = np.flatnonzero(lies[:-1] & ~lies[1:]) + 1
    if len(ends) + lies[-1] < 2:
        raise RecordingError(
            f"recording: wanted the weight to lie still on the gel at least twice, found it "
            f"{len(ends) + int(lies[-1])} times; put it on and take it off, a second each"
        )
    return np.searchsorted(ends, np.arange(len(lies)), side="right") % 2 == 0


def _halves(collected: list[_Collected]) -> tuple[CalibrationData, CalibrationData]:
    """What is fitted to and what is not, thinned out."""

    def join(choose: Callable[[_Collected], NDArray[np.bool_]]) -> CalibrationData:
        known = [np.isfinite(each.data.measured_n[:, 2]) & choose(each) for each in collected]
        parts = [
            each.data.take(np.flatnonzero(k)) for each, k in zip(collected, known, strict=True)
        ]
        columns = zip(*((p.tokens, p.force_n, p.measured_n) for p in parts), strict=True)
        joined = CalibrationData(*(np.concatenate(column) for column in columns))
        if not len(joined):
            raise RecordingError("recordings: wanted frames with a measured force, found none")
        return joined.take(thin_out(len(joined)))

    return join(lambda each: each.is_fitted), join(lambda each: ~each.is_fitted)


def _is_better(unused: CalibrationData, after_n: Floats) -> bool:
    before, after = (
        np.nanmean(np.abs(force_n - unused.measured_n)) for force_n in (unused.force_n, after_n)
    )
    return bool(after < before)


def _table(unused: CalibrationData, after_n: Floats, fitted: CalibrationData) -> Table:
    """Errors on the half that was not used, before and after; the mean as a guess beside them."""
    title = f"Mean absolute error and correlation r on {len(unused)} frames that were not fitted to"
    table = Table("force", title=title)
    for name in ("range (N)", "mean (N)", "before (N)", "after (N)", "r before", "r after"):
        table.add_column(name, justify="right", no_wrap=True)
    measured, guess = (
        unused.measured_n,
        np.ma.masked_invalid(fitted.measured_n).mean(axis=0).filled(np.nan),
    )
    columns = {
        axis: [values[:, index] for values in (measured, unused.force_n, after_n)]
        for index, axis in enumerate(_AXES)
        if np.isfinite(measured[:, index]).any()
    }
    guesses = dict(zip(_AXES, guess, strict=True))
    if "x" in columns:
        sizes = [np.hypot(v[:, 0], v[:, 1]) for v in (measured, unused.force_n, after_n)]
        columns["shear"] = sizes
        guesses["shear"] = np.nanmean(np.hypot(*fitted.measured_n[:, :2].T))
    for name, (true, before, after) in columns.items():
        errors = (np.nanmean(np.abs(found - true)) for found in (guesses[name], before, after))
        correlations = (_correlation(found, true) for found in (before, after))
        cells = [f"{np.nanmin(true):.1f} to {np.nanmax(true):.1f}"]
        cells += [f"{error:.2f}" for error in errors]
        table.add_row(name, *cells, *(f"{value:.2f}" for value in correlations))
    return table


def _correlation(found: Floats, true: Floats) -> float:
    known = np.isfinite(found) & np.isfinite(true)
    if min(np.ptp(found[known]), np.ptp(true[known])) == 0:
        return float("nan")
    return float(np.corrcoef(found[known], true[known])[0, 1])


def _remarks(choices: dict[str, Choice], fitted: CalibrationData) -> Iterator[str]:
    for name, choice in choices.items():
        yield f"{name}: {choice}"
    spread = fitted.measured_n[:, :2].std(axis=0)
    weak, strong = np.argsort(spread)
    if "shear" in choices and spread[weak] < 0.3 * spread[strong]:
        yield (
            f"{_AXES[weak]}: hardly any shear along it in the half that was used "
            f"(spread {spread[weak]:.2f} N, {spread[strong]:.2f} N along {_AXES[strong]}); shear "
            "in both directions to adapt both"
        )
