# SPDX-License-Identifier: Apache-2.0
"""The fit of a `Calibration` to measured forces: gain and offset, then ridge regression on tokens.

How much of it is used is chosen by cross-validation over stretches of time, for pressing and for
shear apart: neighbouring frames are so alike that single frames left out would test nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import ParameterError
from sparsh_ros.perception.calibration import LIMIT_SHARE, Calibration, Floats

FEWEST_FRAMES = 30
MOST_FRAMES = 1500
"""More are thinned out: the regression needs n^2 numbers, and neighbours teach little."""

_FOLDS = 10
_RIDGES = (
    None,
    10.0,
    3.0,
    1.0,
    0.3,
    0.1,
    0.03,
    0.01,
)  # times the tokens' mean variance; None: no correction
_BASES = ("model", "gain", "mean")
_AS_GOOD = 1.02  # of two fits whose errors differ by less, the simpler one is taken
_FEWEST_LEVELS = 5  # distinct forces that a correction by tokens needs
_EXCITED_SHARE = 0.3
_Z = 2


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """Frames of one sensor with what was measured.

    Attributes:
        tokens: (n, N, D) of the encoder.
        force_n: (n, 3) N, of the model.
        measured_n: (n, 3) N; NaN where it is not known.
    """

    tokens: NDArray[np.float16]
    force_n: Floats
    measured_n: Floats

    def __len__(self) -> int:
        return len(self.force_n)

    def take(self, rows: NDArray) -> CalibrationData:
        """Some of the frames, in that order."""
        return CalibrationData(self.tokens[rows], self.force_n[rows], self.measured_n[rows])


class Choice(NamedTuple):
    """How the force along some axes is made.

    Attributes:
        base: "model", its force as it is; "gain", with gain and offset; "mean", not at all.
        ridge: Strength of the regularisation of the correction by tokens; None for no correction.
    """

    base: str
    ridge: float | None

    def __str__(self) -> str:
        base = {"model": "as it is", "gain": "gain and offset", "mean": "replaced"}[self.base]
        return base if self.ridge is None else f"{base}, correction by tokens ({self.ridge:g})"


def fit_calibration(
    data: CalibrationData, model: str, sensor_type: str, serial: str = ""
) -> tuple[Calibration, dict[str, Choice]]:
    """Fit a calibration to frames in the order of time.

    An axis along which hardly any shear was measured gets no correction of its own, but the gain of
    the other: gels are as stiff in x as in y, and what was not shown cannot be learned.

    Args:
        data: At most `MOST_FRAMES` frames, see `thin_out`.
        model: Name of the model that made them.
        sensor_type: Type of the sensor.
        serial: Its serial number.

    Returns:
        The calibration, and what was chosen for "shear" and "pressing", as far as measured.

    Raises:
        ParameterError: There are too few measured frames.
    """
    fitter = _Fitter(data)
    choices: dict[str, Choice] = {}
    variance = np.full(3, np.nan)
    for name, axes in (("shear", (0, 1)), ("pressing", (_Z,))):
        rows = fitter.rows(axes)
        if len(rows) >= FEWEST_FRAMES:
            choices[name], variance[list(axes)] = _choose(fitter, axes, rows)
    if not choices:
        raise ParameterError(
            f"calibration: wanted at least {FEWEST_FRAMES} frames with a measured force, found "
            f"{int(np.isfinite(data.measured_n[:, _Z]).sum())}; record a longer one"
        )
    layer = _Layer.identity(data)
    for name, axes in (("shear", (0, 1)), ("pressing", (_Z,))):
        if name in choices:
            fitter.fit(layer, axes, fitter.rows(axes), choices[name])
    corrections = fitter.flat @ layer.weights + layer.bias
    limit = LIMIT_SHARE * np.abs(corrections).max(axis=0)
    arrays = (layer.gain, layer.offset, layer.weights, layer.bias, limit, variance)
    single = (np.asarray(array, np.float32) for array in arrays)
    return Calibration(model, sensor_type, serial, *single), choices


def thin_out(count: int) -> NDArray[np.int64]:
    """Indices of at most `MOST_FRAMES` of so many frames, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(np.int64))


@dataclass(eq=False)
class _Layer:
    """A calibration that is being fitted."""

    gain: Floats
    offset: Floats
    weights: Floats
    bias: Floats

    @classmethod
    def identity(cls, data: CalibrationData) -> _Layer:
        size = int(np.prod(data.tokens.shape[1:]))
        return cls(np.eye(3), np.zeros(3), np.zeros((size, 3)), np.zeros(3))


class _Fitter:
    """Fits layers to the frames of `data`; the products of all tokens are made once."""

    def __init__(self, data: CalibrationData) -> None:
        self.data = data
        self.flat = np.asarray(data.tokens, np.float32).reshape(len(data), -1)
        # Each channel of the tokens has a unit of its own.
        channels = np.asarray(data.tokens, np.float32).std(axis=(0, 1))
        positions = data.tokens.shape[1]
        scale = np.where(channels > 0, channels, 1.0)
        self._scale = np.tile(scale, positions)
        self._mean = self.flat.mean(axis=0)
        self._scaled = (self.flat - self._mean) / self._scale
        self._products = (self._scaled @ self._scaled.T).astype(np.float64)
        self._decomposed: dict[bytes, tuple[Floats, Floats, Floats]] = {}
        self._products /= max(np.trace(self._products) / len(data), 1e-12)

    def rows(self, axes: tuple[int, ...]) -> NDArray[np.int64]:
        """Frames in which the force along these axes was measured, and the model knew it."""
        known = np.isfinite(self.data.measured_n) & np.isfinite(self.data.force_n)
        return np.flatnonzero(known[:, list(axes)].all(axis=1))

    def excited(self, axes: tuple[int, ...], rows: NDArray) -> list[int]:
        """The axes along which enough was measured to learn from."""
        spread = {axis: self.data.measured_n[rows, axis].std() for axis in axes}
        return [a for a in axes if spread[a] >= _EXCITED_SHARE * max(spread.values())]

    def predict(self, axes: tuple[int, ...], rows: NDArray, choice: Choice, at: NDArray) -> Floats:
        """The force (m, k) along `axes` at some frames, fitted to others."""
        gain, offset = self._base(axes, rows, choice.base)
        base = self.data.force_n[:, list(axes)] @ gain.T + offset
        for column, axis in enumerate(axes):
            if choice.ridge is not None and axis in self.excited(axes, rows):
                residual = self.data.measured_n[rows, axis] - base[rows, column]
                dual, mean = self._dual(rows, residual, choice.ridge)
                base[at, column] += self._products[np.ix_(at, rows)] @ dual + mean
        return base[at]

    def fit(self, layer: _Layer, axes: tuple[int, ...], rows: NDArray, choice: Choice) -> None:
        """Fit the part of a layer that makes the force along `axes`."""
        own = np.ix_(axes, axes)
        layer.gain[own], layer.offset[list(axes)] = self._base(axes, rows, choice.base)
        if choice.ridge is None:
            return
        unit = (self._scaled**2).sum() / len(self.data)
        for axis in self.excited(axes, rows):
            model = self.data.force_n[rows] @ layer.gain[axis] + layer.offset[axis]
            dual, mean = self._dual(rows, self.data.measured_n[rows, axis] - model, choice.ridge)
            weights = self._scaled[rows].T @ dual / unit / self._scale
            layer.weights[:, axis] = weights
            layer.bias[axis] = mean - self._mean @ weights

    def _base(self, axes: tuple[int, ...], rows: NDArray, base: str) -> tuple[Floats, Floats]:
        """Gain (k, k) and offset (k,) of the model's force along k axes."""
        found, wanted = (a[np.ix_(rows, axes)] for a in (self.data.force_n, self.data.measured_n))
        count = len(axes)
        if base == "model":
            return np.eye(count), np.zeros(count)
        if base == "mean":
            # An axis that was not excited keeps the gain of the other.
            gain, offset = self._base(axes, rows, "gain") if count == 2 else (None, None)
            learned = [axes.index(axis) for axis in self.excited(axes, rows)]
            gain = np.zeros((count, count)) if gain is None else gain
            offset = np.zeros(count) if offset is None else offset
            gain[learned], offset[learned] = 0.0, wanted.mean(axis=0)[learned]
            return gain, offset
        if count == 1:
            columns = np.column_stack([found[:, 0], np.ones(len(rows))])
            (slope, shift), *_ = np.linalg.lstsq(columns, wanted[:, 0], rcond=None)
            return np.array([[max(slope, 0.0)]]), np.array([shift])
        return _turned(found, wanted)

    def _dual(self, rows: NDArray, residual: Floats, ridge: float) -> tuple[Floats, float]:
        """Coefficients of ridge regression, one per row, and the constant beside them."""
        values, vectors, column_means = self._eigen(rows)
        mean = residual.mean()
        dual = vectors @ ((vectors.T @ (residual - mean)) / (values + ridge))
        return dual, float(mean - column_means @ dual)

    def _eigen(self, rows: NDArray) -> tuple[Floats, Floats, Floats]:
        """Eigenvalues and eigenvectors of some frames' products: once for all strengths."""
        key = rows.tobytes()
        if key not in self._decomposed:
            products = self._products[np.ix_(rows, rows)]
            values, vectors = np.linalg.eigh(products)
            self._decomposed[key] = np.maximum(values, 0.0), vectors, products.mean(axis=0)
        return self._decomposed[key]


def _turned(found: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """Gain that scales and turns shear (how a force sensor is mounted is its own affair), offset.

    As complex numbers: wanted = factor * found + shift.
    """
    ours, theirs = (shear[:, 0] + 1j * shear[:, 1] for shear in (found, wanted))
    columns = np.column_stack([ours, np.ones(len(ours))])
    (factor, shift), *_ = np.linalg.lstsq(columns, theirs, rcond=None)
    gain = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return gain, np.array([shift.real, shift.imag])


def _choose(fitter: _Fitter, axes: tuple[int, ...], rows: NDArray) -> tuple[Choice, Floats]:
    """The simplest choice that is as good as the best, and the variance it leaves, (k,)."""
    excited = [axes.index(axis) for axis in fitter.excited(axes, rows)]
    wanted = fitter.data.measured_n[np.ix_(rows, axes)]
    errors: dict[Choice, Floats] = {}
    for choice in _choices(len(np.unique(wanted.round(2), axis=0))):
        left = np.empty_like(wanted)
        for fold in np.array_split(np.arange(len(rows)), _FOLDS):
            others = np.delete(rows, fold)
            left[fold] = fitter.predict(axes, others, choice, rows[fold]) - wanted[fold]
        errors[choice] = left
    sizes = {choice: np.abs(left[:, excited]).mean() for choice, left in errors.items()}
    best = min(sizes.values())
    chosen = next(choice for choice, size in sizes.items() if size <= _AS_GOOD * best)
    return chosen, (errors[chosen] ** 2).mean(axis=0)


def _choices(levels: int) -> Iterator[Choice]:
    """From the simplest on."""
    for ridge in _RIDGES if levels >= _FEWEST_LEVELS else (None,):
        for base in _BASES:
            if (base, ridge) != ("mean", None):
                yield Choice(base, ridge)
