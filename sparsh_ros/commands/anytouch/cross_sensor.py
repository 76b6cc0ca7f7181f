# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench cross-sensor`: is a touch on one sensor known again on another?

    sparsh-ros bench cross-sensor --encoders runs/anytouch runs/aligned --data touches \\
      --out cross.json

An encoder that was never trained, and chance, come along.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sparsh_ros.models.anytouch.encoder import AnyTouch, build_anytouch
from sparsh_ros.progress import progress_bar, stoppable
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.training.multisensor.across import Settings, compare
from sparsh_ros.training.multisensor.anytouch import load_anytouch
from sparsh_ros.training.multisensor.dataset import SEEN_KINDS, AlignedTouches, open_touches

UNTRAINED, CHANCE = "untrained", "chance"


def run(arguments: argparse.Namespace) -> int:
    """Compare; writes the JSON file and shows a table."""
    torch.set_num_threads(arguments.threads)
    settings = Settings(arguments.source, arguments.gallery, tuple(arguments.seeds))
    with stoppable(lambda: "stopped; nothing was written"):
        encoders = _load(arguments.encoders)
        touches = open_touches(arguments.data, subtract=arguments.subtract)
        found = {}
        with progress_bar("Comparing", len(encoders)) as bar:
            for name, encoder in encoders.items():
                bar.update(len(found), name)
                found[name] = compare(encoder, touches, settings)
        found[CHANCE] = _chance(touches, settings)
    summary = {
        "command": shlex.join(["sparsh-ros", *sys.argv[1:]]),
        "software": {"python": platform.python_version(), "torch": torch.__version__},
        "touches": {split: len(t) for split, t in touches.items()},
        "encoders": found,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(summary, indent=2) + "\n")
    _show(found, settings)
    return 0


def _load(paths: list[Path]) -> dict[str, AnyTouch]:
    names = [path.name if path.is_dir() else path.stem for path in paths]
    encoders = {name: load_anytouch(path) for name, path in zip(names, paths, strict=True)}
    torch.manual_seed(0)
    encoders[UNTRAINED] = build_anytouch(next(iter(encoders.values())).config)
    return encoders


def _chance(touches: Mapping[str, AlignedTouches], settings: Settings) -> dict[str, Any]:
    """What guessing gives: one touch of the gallery, the commonest kind of the training split."""
    test, kinds = touches["test"], touches["train"].labels["kind"]
    commonest = np.bincount(kinds).argmax()
    right = 100.0 * float((test.labels["kind"][test.rows_of(SEEN_KINDS)] == commonest).mean())
    one = {"mean": 100.0 / settings.gallery}
    return {
        "retrieval": {"seen kinds": one, "unseen kinds": one},
        "transfer": {sensor: [right] for sensor in SENSORS},
    }


def _show(found: Mapping[str, Any], settings: Settings) -> None:
    title = (
        f"% right: one touch among {settings.gallery} on another sensor, of kinds seen and unseen; "
        f"a probe for the kind, trained on {settings.source}, on each sensor"
    )
    table = Table("encoder", "reads", "seen", "unseen", *SENSORS, title=title)
    for name, row in found.items():
        read = f"{row['token']}, {row['pooling']}" if "token" in row else ""
        retrieval = (f"{kinds['mean']:.1f}" for kinds in row["retrieval"].values())
        probes = (_spread(row["transfer"][sensor]) for sensor in SENSORS)
        table.add_row(name, read, *retrieval, *probes)
    Console().print(table)


def _spread(values: list[float]) -> str:
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}"
