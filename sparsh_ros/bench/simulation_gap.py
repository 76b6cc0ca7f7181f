# SPDX-License-Identifier: Apache-2.0
"""How simulated difference images differ from real ones, in numbers.

All figures are of difference images (frame minus untouched gel, grey levels of 255) at 240x320.
The print is where the change, blurred over 2 pixels, exceeds 0.3 of its 99.5th percentile.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PRINT_SHARE = 0.3
LONG_WAVE_PX = 80.0
_OUTSIDE_PX = 30
_FOLDS = 5
_OCTAVES = 5
_RIDGE = 3.0

FIGURES = {
    "peak_r": "peak change, red",
    "peak_g": "peak change, green",
    "peak_b": "peak change, blue",
    "corr_rg": "correlation R-G in the print",
    "corr_rb": "correlation R-B in the print",
    "corr_gb": "correlation G-B in the print",
    "rim_px": "rim width (px)",
    "bright_over_dark": "bright over dark",
    "inside": "mean change inside the print",
    "outside": "change outside, low frequency",
    "long_waves": "power above 80 px wavelength",
    "noise": "noise outside the print",
    "area": "area of the print (share of the image)",
}
"""Name of a figure -> how a table calls it."""


@dataclass(frozen=True)
class Shot:
    """A touched gel.

    Attributes:
        caption: What is seen.
        image: (320, 240, 3) uint8 RGB.
        background: The same gel without contact.
        group: Recording or sensor instance; a classifier is tested on groups it was not fitted to.
    """

    caption: str
    image: NDArray[np.uint8]
    background: NDArray[np.uint8]
    group: int

    @property
    def change(self) -> NDArray[np.float32]:
        """(320, 240, 3) float32, frame minus untouched gel."""
        return self.image.astype(np.float32) - self.background


def measure(change: NDArray[np.float32]) -> dict[str, float]:
    """The figures of one difference image, (H, W, 3) grey levels, by the names in `FIGURES`."""
    smooth = cv2.GaussianBlur(change, (0, 0), 2.0)
    size = np.abs(smooth).max(axis=2)
    inside = size > PRINT_SHARE * np.percentile(size, 99.5)
    peaks = np.percentile(np.abs(smooth), 99.5, axis=(0, 1))
    correlation = np.corrcoef(smooth[inside].T)
    far = ~cv2.dilate(inside.astype(np.uint8), np.ones((_OUTSIDE_PX, _OUTSIDE_PX))).astype(bool)
    if far.mean() < 0.05:  # a print that fills the image
        far = ~inside
    values = [
        *peaks,
        correlation[0, 1],
        correlation[0, 2],
        correlation[1, 2],
        _rim_width(smooth, inside),
        np.maximum(smooth[inside], 0).sum() / max(-np.minimum(smooth[inside], 0).sum(), 1e-6),
        np.abs(smooth[inside].mean(axis=0)).mean(),
        np.sqrt(np.mean(cv2.GaussianBlur(change, (0, 0), 10.0)[far] ** 2)),
        _long_wave_share(smooth),
        1.4826 * np.median(np.abs(change - smooth)[far]),
        inside.mean(),
    ]
    return dict(zip(FIGURES, map(float, values), strict=True))


def _rim_width(change: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Length over which the change varies: its size over that of its gradient, pixels."""
    across = cv2.Sobel(change, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    along = cv2.Sobel(change, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    steepness = np.sum(across[inside] ** 2 + along[inside] ** 2)
    return float(np.sqrt(np.sum(change[inside] ** 2) / max(steepness, 1e-9)))


def _long_wave_share(change: NDArray[np.float32]) -> float:
    """Share of the power, without the mean, at wavelengths above `LONG_WAVE_PX`."""
    power = np.abs(np.fft.rfft2(change - change.mean(axis=(0, 1)), axes=(0, 1))) ** 2
    rows, columns = np.fft.fftfreq(change.shape[0]), np.fft.rfftfreq(change.shape[1])
    frequency = np.hypot(rows[:, None], columns)
    return float(power[frequency < 1.0 / LONG_WAVE_PX].sum() / power.sum())


def features(shot: Shot) -> NDArray[np.float64]:
    """What a classifier sees of a shot, (F,): pooled over the image, so that no place tells."""
    change = shot.change
    figures = measure(change)
    pooled = [np.log(max(figures[name], 1e-3)) for name in FIGURES if "corr" not in name]
    pooled += [figures[name] for name in FIGURES if "corr" in name]
    level = change
    for _ in range(_OCTAVES):
        coarse = cv2.pyrDown(level)
        band = level - cv2.pyrUp(coarse, dstsize=level.shape[1::-1])
        size = band.std(axis=(0, 1)) + 1e-3
        pooled += [*np.log(size), *(band**3).mean(axis=(0, 1)) / size**3]
        level = coarse
    return np.array(pooled, float)


def separability(real: list[Shot], simulated: list[Shot]) -> float:
    """How well a linear classifier tells the simulated from the real, by their `features`; see
    `tell_apart`. Recordings of one sensor can be told from simulations of many by what is peculiar
    to that sensor, too."""
    tables = [np.array([features(shot) for shot in shots]) for shots in (real, simulated)]
    groups = [np.array([shot.group for shot in shots]) for shots in (real, simulated)]
    return tell_apart(*tables, *groups)


def tell_apart(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    first_groups: NDArray[np.int64],
    second_groups: NDArray[np.int64],
) -> float:
    """How well a linear classifier tells features (n, F) from others (m, F).

    Ridge regression on standardised features, five folds that share no group, and within the only
    recording of a kind no stretch of time.

    Returns:
        Area under the ROC curve: 0.5 where they look the same, 1 where one look is enough.
    """
    table = np.concatenate([first, second])
    truth = np.r_[np.zeros(len(first)), np.ones(len(second))]
    folds = np.r_[_folds(first_groups), _folds(second_groups)]
    table = (table - table.mean(axis=0)) / (table.std(axis=0) + 1e-9)
    score = np.empty(len(table))
    for fold in range(_FOLDS):
        test = folds == fold
        weight = (truth[~test] - truth[~test].mean()) @ table[~test]
        gram = table[~test].T @ table[~test] + _RIDGE * len(table) / _FOLDS * np.eye(table.shape[1])
        score[test] = table[test] @ np.linalg.solve(gram, weight)
    return area_under_curve(score, truth == 1)


def _folds(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(np.unique(groups)) >= _FOLDS:
        return groups % _FOLDS
    return np.arange(len(groups)) * _FOLDS // len(groups)


def area_under_curve(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve from the ranks of the scores, (n,) each."""
    ranks = np.argsort(np.argsort(score)) + 1.0
    count = int(positive.sum())
    above = ranks[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(score) - count)))
