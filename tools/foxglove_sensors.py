# SPDX-License-Identifier: Apache-2.0
"""A Foxglove layout for several sensors, a tab each, from the one for a single sensor.

python tools/foxglove_sensors.py thumb index palm > config/foxglove_sensors.json
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from pathlib import Path
from typing import Any

_SINGLE = Path(__file__).resolve().parents[1] / "config" / "foxglove.json"
_SHARED = "DiagnosticSummary!"  # says of all sensors how they fare


def layout_for(single: dict[str, Any], sensors: list[str], namespace: str) -> dict[str, Any]:
    """The layout with a tab for each sensor, and the diagnostics of all below the tabs."""
    panels: dict[str, Any] = {}
    tabs = []
    for sensor in sensors:
        for name, panel in single["configById"].items():
            if not name.startswith(_SHARED):
                panels[f"{name}-{sensor}"] = _renamed(panel, sensor, namespace)
        tabs.append({"title": sensor, "layout": _places(single["layout"], sensor)})
    shared = {k: v for k, v in single["configById"].items() if k.startswith(_SHARED)}
    panels |= shared | {"Tab!sensors": {"activeTabIdx": 0, "tabs": tabs}}
    layout = {"direction": "column", "first": "Tab!sensors", "splitPercentage": 80}
    return {**single, "configById": panels, "layout": layout | {"second": next(iter(shared))}}


def _renamed(panel: Any, sensor: str, namespace: str) -> Any:
    """The same panel for the topics and the frames of one sensor."""
    text = json.dumps(panel).replace("/tactile/", f"/{namespace}/{sensor}/")
    return json.loads(text.replace("digit_gel_frame", f"{sensor}_gel_frame"))


def _places(node: Any, sensor: str) -> Any:
    """The same arrangement of that sensor's panels, without what is shared."""
    if isinstance(node, str):
        return None if node.startswith(_SHARED) else f"{node}-{sensor}"
    kept = [place for part in ("first", "second") if (place := _places(node[part], sensor))]
    if len(kept) < 2:
        return kept[0] if kept else None
    return {**copy.deepcopy(node), "first": kept[0], "second": kept[1]}


def main() -> None:
    """Write the layout to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sensors", nargs="+", metavar="NAME", help="of the sensors")
    parser.add_argument("--namespace", default="tactile", help="of the graph")
    options = parser.parse_args()
    single = json.loads(_SINGLE.read_text())
    layout = layout_for(single, options.sensors, options.namespace)
    sys.stdout.write(f"{json.dumps(layout, indent=2)}\n")


if __name__ == "__main__":
    main()
