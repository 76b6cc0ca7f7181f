# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the bead maze as a LeRobot dataset.

The layout is version 3.0 of LeRobotDataset (Cadene et al., 2024): rows of all episodes in one
Parquet file, a row for each episode in another, tasks, and JSON files that describe both. Pictures
lie in the rows as PNG, since a video codec would blur what a gel shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.errors import MissingDependencyError
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.touch import SIDES
from sparsh_ros.recordings.whole import whole_or_nothing

if TYPE_CHECKING:
    import pyarrow

TASK = "Move the bead along the wire to its end, by touch."
DATA_FILE, EPISODES_FILE, TASKS_FILE, INFO_FILE, STATS_FILE = (
    "data/chunk-000/file-000.parquet",
    "meta/episodes/chunk-000/file-000.parquet",
    "meta/tasks.parquet",
    "meta/info.json",
    "meta/stats.json",
)
IMAGES = tuple(f"observation.images.{side}" for side in SIDES)
_INDICES = ("frame_index", "episode_index", "index", "task_index")
_FORCE = tuple(f"{side}_force_{axis}" for side in SIDES for axis in "xyz")
_VECTORS = {
    "observation.state": kinematics.JOINT_NAMES,
    "observation.force": _FORCE,
    "action": (*kinematics.JOINT_NAMES, "grip"),
}
"""Values of each row, float32, by name: measured joint angles (rad); force on both gels as felt, in
the hand's frame (N); joint angles wanted one period later (rad), and the gripper's force (N)."""


def write_dataset(demonstrations: Sequence[Demonstration], folder: Path) -> int:
    """Write demonstrations as one dataset, whole or not at all.

    Args:
        demonstrations: its episodes, in order, all of one rate.
        folder: to make.

    Returns:
        How many rows it has.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        RecordingError: There is something at `folder` already.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError(
            "LeRobot dataset: the package pyarrow is not installed; pip install pyarrow"
        ) from error
    rate_hz = demonstrations[0].meta["rate_hz"]
    first, episodes, stats = 0, [], []
    with whole_or_nothing(folder) as partial:
        for file in (DATA_FILE, EPISODES_FILE):
            (partial / file).parent.mkdir(parents=True)
        with parquet.ParquetWriter(partial / DATA_FILE, _schema(pa)) as writer:
            for number, demonstration in enumerate(demonstrations):
                columns = _columns(demonstration, number, first, rate_hz)
                writer.write_table(_table(pa, demonstration, columns))
                stats.append(_stats(columns, demonstration.columns["images"]))
                episodes.append(_episode(number, first, len(demonstration), stats[-1]))
                first += len(demonstration)
        parquet.write_table(pa.Table.from_pylist(episodes), partial / EPISODES_FILE)
        parquet.write_table(_tasks(pa), partial / TASKS_FILE)
        info = _info(demonstrations, first, rate_hz)
        (partial / INFO_FILE).write_text(json.dumps(info, indent=2) + "\n")
        (partial / STATS_FILE).write_text(json.dumps(_together(stats), indent=2) + "\n")
    return first


def _columns(
    demonstration: Demonstration, number: int, first: int, rate_hz: float
) -> dict[str, NDArray]:
    """All but the pictures, (T,) or (T, size)."""
    source, count = demonstration.columns, len(demonstration)
    rows = np.arange(count)
    action = np.concatenate([source["wanted_joints"], source["grip_n"][:, None]], 1)
    return {
        "observation.state": source["joints"].astype(np.float32),
        "observation.force": source["touch_force_n"].reshape(count, -1).astype(np.float32),
        "action": action.astype(np.float32),
        "timestamp": (rows / rate_hz).astype(np.float32),
        "frame_index": rows,
        "episode_index": np.full(count, number),
        "index": first + rows,
        "task_index": np.zeros(count, np.int64),
    }


def _schema(pa: Any) -> pyarrow.Schema:
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema(
        [(name, picture) for name in IMAGES]
        + [(name, pa.list_(pa.float32(), len(of))) for name, of in _VECTORS.items()]
        + [("timestamp", pa.float32())]
        + [(name, pa.int64()) for name in _INDICES]
    )


def _table(pa: Any, demonstration: Demonstration, columns: dict[str, NDArray]) -> pyarrow.Table:
    pictures = {
        name: list(_pictures(demonstration.columns["images"][:, side]))
        for side, name in enumerate(IMAGES)
    }
    rows = {name: values.tolist() for name, values in columns.items()}
    return pa.Table.from_pydict(pictures | rows, schema=_schema(pa))


def _pictures(images: NDArray[np.uint8]) -> Iterator[dict[str, Any]]:
    for row, image in enumerate(images):
        _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        yield {"bytes": data.tobytes(), "path": f"frame-{row:06d}.png"}


def _stats(columns: dict[str, NDArray], images: NDArray[np.uint8]) -> dict[str, dict[str, list]]:
    """Of an episode; those of pictures are of each colour, from 0 to 1, shape (3, 1, 1)."""
    count = {"count": [len(images)]}
    found = {name: _spread(np.atleast_2d(of.T).T) | count for name, of in columns.items()}
    for side, name in enumerate(IMAGES):
        spread = _spread(images[:, side].reshape(-1, 3) / 255.0)
        parts = {key: np.reshape(value, (3, 1, 1)).tolist() for key, value in spread.items()}
        found[name] = parts | count
    return found


def _spread(values: NDArray) -> dict[str, list]:
    """Of the rows of (N, size)."""
    parts = {"min": values.min, "max": values.max, "mean": values.mean, "std": values.std}
    return {key: of(axis=0).tolist() for key, of in parts.items()}


def _together(stats: Sequence[dict[str, dict[str, list]]]) -> dict[str, dict[str, list]]:
    """Of all episodes, from those of each."""
    return {name: _pooled([episode[name] for episode in stats]) for name in stats[0]}


def _pooled(parts: Sequence[dict[str, list]]) -> dict[str, list]:
    arrays = {key: np.array([part[key] for part in parts], float) for key in parts[0]}
    counts = arrays["count"][:, 0]
    mean = np.average(arrays["mean"], axis=0, weights=counts)
    off = arrays["std"] ** 2 + (arrays["mean"] - mean) ** 2
    return {
        "min": arrays["min"].min(0).tolist(),
        "max": arrays["max"].max(0).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(np.average(off, axis=0, weights=counts)).tolist(),
        "count": [int(counts.sum())],
    }


def _episode(
    number: int, first: int, count: int, stats: dict[str, dict[str, list]]
) -> dict[str, Any]:
    row = {
        "episode_index": number,
        "tasks": [TASK],
        "length": count,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": first,
        "dataset_to_index": first + count,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for name, values in stats.items():
        row |= {f"stats/{name}/{key}": value for key, value in values.items()}
    return row


def _tasks(pa: Any) -> pyarrow.Table:
    """Tasks are the index of a data frame of pandas, whose form its metadata tell."""
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    told = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind}
            | {"metadata": None}
            for name, (kind, numpy_kind) in kinds.items()
        ],
        "pandas_version": "1.5.0",
    }
    table = pa.table({"task_index": [0], "task": [TASK]})
    return table.replace_schema_metadata({"pandas": json.dumps(told)})


def _info(demonstrations: Sequence[Demonstration], rows: int, rate_hz: float) -> dict[str, Any]:
    count = len(demonstrations)
    shape = list(demonstrations[0].columns["images"].shape[2:])
    axes = ["height", "width", "channels"]
    features = {name: {"dtype": "image", "shape": shape, "names": axes} for name in IMAGES}
    for name, of in _VECTORS.items():
        features[name] = {"dtype": "float32", "shape": [len(of)], "names": list(of)}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    features |= {name: {"dtype": "int64", "shape": [1], "names": None} for name in _INDICES}
    return {
        "codebase_version": "v3.0",
        "robot_type": "panda",
        "total_episodes": count,
        "total_frames": rows,
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 500,
        "fps": round(rate_hz),
        "splits": {"train": f"0:{count}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": features,
    }
