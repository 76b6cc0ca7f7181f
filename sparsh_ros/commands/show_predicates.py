# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros show-predicates`: what is said and what is true while a simulated hand works.

    sparsh-ros show-predicates
    sparsh-ros show-predicates --predicates my_predicates --seconds 60

Without ROS and without waiting: two simulated fingers grasp, lose, insert, screw and explore
things, in this order, and every change of what is said or true is a line. The same classifiers run
live in `ros2 launch sparsh_ros predicates_demo.launch.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

from rich.console import Console
from rich.table import Table

from sparsh_ros.commands.simulation.simulate_hand import enlarged
from sparsh_ros.frames import Frame
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.predicates.classifier import classifiers_folder, load_classifiers
from sparsh_ros.predicates.hand import HandPredicates, Predicate
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.hand.simulation import FINGERS, HandSimulation

_SENSOR = "digit"
_DOWNSCALE = 4  # the default model sees no more
_START_S = 1.0


@dataclass(frozen=True)
class Moment:
    """One frame of the hand.

    Attributes:
        time_s: Since the start.
        task: What the hand is doing.
        truth: Predicate -> whether it is true.
        said: Predicate -> whether it was said to be true; empty while nothing is known.
    """

    time_s: float
    task: str
    truth: Mapping[str, bool]
    said: Mapping[str, bool]

    @property
    def words(self) -> str:
        """What is said, and what is true where that is something else."""
        said, true = _names(self.said), _names(self.truth)
        return f"{self.task:8}{said}" + ("" if said == true else f"  (true: {true})")


def watch(model: str, predicates: str, seed: int, rate_hz: float = 30.0) -> Iterator[Moment]:
    """An endless hand at work.

    Args:
        model: Name of a model, or path of its description.
        predicates: "auto", or a folder of classifiers.
        seed: Even; see `HandSimulation`.
        rate_hz: Frames per second.

    Raises:
        SparshError: The model or the classifiers cannot be used.
    """
    now_s = [_START_S]
    perception = Perception(model, threads=1, monotonic=lambda: now_s[0])
    spec = perception.spec
    classifiers = load_classifiers(classifiers_folder(predicates, spec.name), spec.name)
    hand = HandPredicates(classifiers, spec, FINGERS)
    simulation = HandSimulation(_SENSOR, seed, rate_hz, downscale=_DOWNSCALE, succeeds=True)
    for name, image in zip(FINGERS, simulation.backgrounds(), strict=True):
        perception.add_sensor(name, load_profile(_SENSOR))
        perception.set_background(name, enlarged(image, _DOWNSCALE))
    for sequence in count():
        sample = simulation.step()
        now_s[0] = _START_S + sample.time_s
        for name, finger in zip(FINGERS, sample.fingers, strict=True):
            image = enlarged(finger.image, _DOWNSCALE)
            perception.push(name, Frame(round(now_s[0] * 1e9), image, sequence))
        features = perception.encode()
        found = hand.update(features, perception.run_heads(features))
        said = {} if found is None else _values(found[1])
        yield Moment(sample.time_s, sample.task, sample.truth, said)


def run(arguments: argparse.Namespace) -> int:
    """Print every change, then how often both agreed."""
    hand = watch(arguments.model, arguments.predicates, 2 * arguments.seed)
    moments, last = [], ""
    for moment in takewhile(lambda one: one.time_s <= arguments.seconds, hand):
        moments.append(moment)
        if moment.words != last:
            sys.stdout.write(f"{moment.time_s:7.2f} s  {moment.words}\n")
            last = moment.words
    Console().print(_summary(moments))
    return 0


def _summary(moments: Sequence[Moment]) -> Table:
    known = [moment for moment in moments if moment.said]
    table = Table("", "true", "said", "both", "became true", box=None, title="seconds")
    step_s = moments[-1].time_s / len(moments)
    for name in known[-1].said if known else ():
        true, said = ([getattr(m, part)[name] for m in known] for part in ("truth", "said"))
        both = [one and other for one, other in zip(true, said, strict=True)]
        rises = sum(later and not one for one, later in zip(said, said[1:], strict=False))
        seconds = (f"{step_s * sum(values):.1f}" for values in (true, said, both))
        table.add_row(name, *seconds, f"{rises} x")
    return table


def _values(found: Sequence[Predicate]) -> dict[str, bool]:
    return {one.name: one.value for one in found if one.valid}


def _names(values: Mapping[str, bool]) -> str:
    true = sorted(name for name, value in values.items() if value)
    return ", ".join(true) or ("nothing" if values else "unknown")
