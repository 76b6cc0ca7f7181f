# SPDX-License-Identifier: Apache-2.0
"""Images of your own sensor, as files below `train/` and `validation/`, for training without
labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.errors import DatasetError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ROOM = 8 / 7  # images are kept larger than views by so much: 256 pixels for views of 224


class ImageFolder:
    """All images below a folder, read when they are needed, made square."""

    def __init__(self, folder: Path, view_size: int) -> None:
        """List the images.

        Args:
            folder: Where they are, in subfolders too.
            view_size: Side in pixels of the views that are cut of them.

        Raises:
            DatasetError: There is none.
        """
        self.size = round(ROOM * view_size)
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        self.meta = {"folder": str(folder)}
        if not self.paths:
            raise DatasetError(
                f"{folder}: wanted images ({', '.join(SUFFIXES)}), found none; give a folder with "
                "images below train and validation, or what `sparsh-ros simulate-vitactip` writes"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def clips(self, index: NDArray[np.int64]) -> Tensor:
        """(B, 1, S, S, 3) uint8 RGB images of indices (B,).

        Raises:
            DatasetError: A file is no image.
        """
        return torch.from_numpy(np.stack([self._read(self.paths[i]) for i in index])[:, None])

    def _read(self, path: Path) -> NDArray[np.uint8]:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise DatasetError(f"{path}: cannot be read as an image; take it out of the folder")
        image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
