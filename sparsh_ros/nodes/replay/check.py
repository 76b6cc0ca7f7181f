# SPDX-License-Identifier: Apache-2.0
"""The end of a replay: what the graph said live against an evaluation of the same recording."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sparsh_ros.arguments import Value
from sparsh_ros.errors import SparshError
from sparsh_ros.evaluation.evaluator import Evaluator, Source, StampClock
from sparsh_ros.evaluation.result import SensorResult
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.nodes.replay.difference import (
    ReplayDifference,
    compare,
    difference_table,
    remarks,
    unique_rows,
)
from sparsh_ros.nodes.replay.live_estimates import read_live
from sparsh_ros.nodes.replay.scores import Scores, live_and_offline, score_table
from sparsh_ros.nodes.runtime.signals import StopRequest
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.recordings.bags import open_bag

FILE = "difference.json"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as of a shell: nothing is known of the rest, so it is not 0."""


def check(values: Mapping[str, Value], topics: Mapping[str, str], perception: str) -> int:
    """Compare, print a table, and write `FILE` into the folder of the recording.

    Where the recording has labels, both sides are scored as well.

    Args:
        values: of settings.PLAYER.
        topics: sensor -> what its topics began with live.
        perception: name of the perception node with its namespace.

    Returns:
        0 if whatever can be compared is equal, 1 if not, or if it cannot be compared, `INTERRUPTED`
        after Ctrl-C.
    """
    console, stop = Console(highlight=False, width=100), StopRequest()
    console.print("evaluating the same recording, to compare", soft_wrap=True)
    try:
        spec, results = _offline(values, stop)
        found = [
            _difference(values["out"], f"{perception}: {name}", name, below, result, spec)
            for (name, below), result in zip(topics.items(), results, strict=True)
        ]
    except KeyboardInterrupt:
        console.print("stopped before the comparison was done")
        return INTERRUPTED
    except SparshError as error:
        console.print(f"no comparison: {escape(str(error))}", soft_wrap=True)
        return 1
    differences = [one for one, _ in found]
    console.print(difference_table(differences))
    for line in (line for one in differences for line in remarks(one)):
        console.print(escape(line), soft_wrap=True)
    for one, scores in found:
        if scores["offline"]:
            console.print(score_table(one.sensor, scores))
    equal = all(one.equal for one in differences)
    console.print(_verdict(differences))
    document = {"schema": 1, "equal": equal, "settings": dict(values)}
    document["sensors"] = [one.document() | {"scores": scores} for one, scores in found]
    text = json.dumps(document, indent=1)
    path = Path(values["out"], FILE)
    path.write_text(f"{text}\n", encoding="utf-8")
    console.print(f"written to {escape(str(path))}", soft_wrap=True)
    return int(not equal)


def _verdict(differences: Sequence[ReplayDifference]) -> str:
    if all(one.equal for one in differences):
        return "live and offline are equal"
    if any(found.different for one in differences for found in one.quantities.values()):
        return "live and offline DIFFER"
    return (
        "live and offline cannot be compared: too few frames have a live estimate; play more "
        "slowly with --speed"
    )


def _offline(
    values: Mapping[str, Value], stop: StopRequest
) -> tuple[ModelSpec, list[SensorResult]]:
    clock = StampClock()
    perception = Perception(
        values["model"],
        heads=values["heads"],
        device=values["device"],
        engine=values["engine"],
        threads=values["threads"] or None,
        contact_threshold_n=values["contact_threshold_n"],
        slip_threshold=values["slip_threshold"] or None,
        monotonic=clock,
        weights_dir=values["weights_dir"] or None,
    )

    def check_stop(_done: int, _total: int) -> None:
        if stop:
            raise KeyboardInterrupt

    source = Source(image=tuple(values["image_topics"]), sensor_type=values["sensor"])
    with open_bag(values["bag"]) as bag:
        name = Path(values["bag"]).name
        return perception.spec, Evaluator(perception, clock, source).run(bag, name, check_stop)


def _difference(
    out: str, status: str, name: str, below: str, result: SensorResult, spec: ModelSpec
) -> tuple[ReplayDifference, dict[str, Scores]]:
    offline = result.estimates
    with open_bag(out) as bag:
        live = read_live(bag, below, status, offline.stamp_ns[unique_rows(offline.stamp_ns)])
    reach_ns = math.ceil(1.5e9 * spec.interval_s)
    clip = len(spec.frame_offsets_s)
    difference = compare(name, offline, live, reach_ns, clip, spec.streams)
    return difference, live_and_offline(result, live)
