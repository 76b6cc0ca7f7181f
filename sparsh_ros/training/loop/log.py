# SPDX-License-Identifier: Apache-2.0
"""What a run leaves while it goes: a CSV file, pictures, and TensorBoard where it is wanted."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import MissingDependencyError


class RunLog:
    """Rows of numbers in `<name>.csv`, the newest picture in `<name>.png`.

    A resumed run drops the rows that were written after its checkpoint, so that the file reads as
    if nothing had happened.
    """

    def __init__(self, folder: Path, name: str, step: int, tensorboard: bool) -> None:
        """Open the files of a run that is at ``step``.

        Raises:
            MissingDependencyError: TensorBoard is wanted and not installed.
        """
        self._path, self._picture = folder / f"{name}.csv", folder / f"{name}.png"
        self._rows = self._kept(step)
        self._board = _open_board(folder / "tensorboard", step) if tensorboard else None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row."""
        row = {"step": str(step), **{name: repr(float(v)) for name, v in values.items()}}
        fresh = not self._rows
        self._rows.append(row)
        with self._path.open("w" if fresh else "a", newline="") as file:
            writer = csv.DictWriter(file, list(self._rows[0]), restval="", extrasaction="ignore")
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def show(self, step: int, picture: NDArray[np.uint8] | None) -> None:
        """Keep a picture."""
        if picture is None:
            return
        cv2.imwrite(str(self._picture), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        if self._board:
            self._board.add_image("picture", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        if self._board:
            self._board.close()

    def _kept(self, step: int) -> list[dict[str, str]]:
        if not step or not self._path.is_file():
            return []
        with self._path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        if rows:
            with self._path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return rows


def _open_board(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "--tensorboard: wanted the Python package tensorboard, found none; "
            "`pip install tensorboard`, or leave the option out"
        ) from error
    return SummaryWriter(str(folder), purge_step=step or None)
