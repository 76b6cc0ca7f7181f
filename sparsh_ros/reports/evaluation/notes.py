# SPDX-License-Identifier: Apache-2.0
"""What to know before the scores are believed, in plain sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from sparsh_ros.evaluation.result import Result, SensorResult
from sparsh_ros.evaluation.summary import HEADS
from sparsh_ros.reports.evaluation.links import title_of
from sparsh_ros.reports.html import render

FEW = 10
"""Below so many recordings an interval says little."""

_NAMES = {"force": "force", "contact": "contact", "slip": "slip", "pose": "motion"}
_LABELS = {"contact": "slip"}  # what a label is part of, where that has another name


class _Note(NamedTuple):
    """A sentence, and the recordings that it is about; none where it is about all."""

    sentence: str
    recordings: list[str]


def notes_section(result: Result) -> Markup:
    """The sentences as HTML, those that concern most first."""
    sentences = [*_skipped(result.skipped), *_unscored(result), *_few(result.sensors)]
    notes = [_Note(sentence, []) for sentence in sentences]
    notes += [_Note(_closed(text), names) for text, names in _grouped(result.sensors).items()]
    return render("evaluation/notes.html", notes=notes)


def _skipped(skipped: Mapping[str, str]) -> Iterable[str]:
    for name, reason in skipped.items():
        yield f"{name} was left out: {reason}"


def _unscored(result: Result) -> Iterable[str]:
    """Of which estimates nothing can be said at all."""
    heads = result.model.get("heads", ())
    for task, head in HEADS.items():
        if task in result.metrics["scores"]:
            continue
        if head not in heads:
            yield f"{result.model['name']} does not estimate {_NAMES[task]}."
        elif not any(sensor.label_topics.get(_LABELS.get(task, task)) for sensor in result.sensors):
            yield f"No recording has a label of {_NAMES[task]}, so its estimates are not scored."
        else:
            yield f"No label of {_NAMES[task]} could be aligned, so its estimates are not scored."


def _few(sensors: Sequence[SensorResult]) -> Iterable[str]:
    count = len({sensor.recording for sensor in sensors})
    if count == 1:
        yield "There is one recording, so no score has an interval."
    elif count < FEW:
        yield (
            f"There are {count} recordings: the intervals, which come from drawing recordings "
            "again, are rough."
        )


def _grouped(sensors: Sequence[SensorResult]) -> dict[str, list[str]]:
    """Sentence -> the recordings it is true of."""
    found: dict[str, list[str]] = defaultdict(list)
    frames: dict[str, int] = defaultdict(int)
    for sensor in sensors:
        counted = {**_without_label(sensor), **_without_estimate(sensor), **_lacking(sensor)}
        for sentence, number in counted.items():
            found[sentence].append(f"{title_of(sensor)} ({number:,})")
            frames[sentence] += number
        for note in sensor.notes:
            found[note].append(title_of(sensor))
    return {
        f"{frames[sentence]:,} {sentence}" if sentence in frames else sentence: names
        for sentence, names in found.items()
    }


def _without_label(sensor: SensorResult) -> dict[str, int]:
    return {
        f"estimates of {_NAMES[task]} have no label to compare with: {reason}": number
        for task, reasons in sensor.unaligned.items()
        for reason, number in reasons.items()
    }


def _without_estimate(sensor: SensorResult) -> dict[str, int]:
    estimates = sensor.estimates
    numbers = np.bincount(estimates.reason[~estimates.valid], minlength=len(estimates.reasons))
    pairs = zip(estimates.reasons, numbers.tolist(), strict=True)
    return {f"frames have no estimate: {reason}": number for reason, number in pairs if number}


def _lacking(sensor: SensorResult) -> dict[str, int]:
    sentences = {
        "missing": "frames are missing, by the stamps of their neighbours",
        "clock_steps": "steps back of the recorder's clock; each counts as one frame in the plots",
    }
    counts = {sentence: sensor.frames.get(key, 0) for key, sentence in sentences.items()}
    return {sentence: number for sentence, number in counts.items() if number}


def _closed(sentence: str) -> str:
    ending = "" if sentence.endswith(".") else "."
    return f"{sentence[:1].upper()}{sentence[1:]}{ending}"
