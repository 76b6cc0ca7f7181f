# SPDX-License-Identifier: Apache-2.0
"""The classifier of one predicate, and its file.

Every finger goes through the same layer; mean and maximum of its units over the fingers give one
logit (Zaheer et al., "Deep Sets", 2017), so a classifier serves any number of fingers.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import WeightsError
from sparsh_ros.predicates.features import VERSION
from sparsh_ros.resources import weights_path

_ARRAYS = ("mean", "scale", "weight", "bias", "out_weight")
_MOST_FEATURES, _MOST_UNITS = 1 << 16, 1 << 12


@dataclass(frozen=True, eq=False)
class Classifier:
    """What makes a probability of features.

    Attributes:
        name: Of the predicate.
        model: Whose tokens and estimates it was trained on.
        mean, scale: (F,) by which features are standardised.
        weight, bias: (H, F), (H,) of the layer.
        out_weight: (2 H,) of the units' mean, then of their maximum.
        out_bias: Of the logit.
        fingers: Of the hand that it was trained on.
        on, off: Probabilities at which the predicate becomes true, and false again.
        scores: What a test found, for people.
    """

    name: str
    model: str
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    out_weight: NDArray[np.float32]
    out_bias: float
    fingers: int = 2
    on: float = 0.6
    off: float = 0.4
    scores: Mapping[str, float] = field(default_factory=dict)

    def probability(self, fingers: NDArray[np.float32]) -> NDArray[np.float64]:
        """How likely the predicate is true, (...), for features (..., fingers, F)."""
        units = np.maximum((fingers - self.mean) / self.scale @ self.weight.T + self.bias, 0.0)
        pooled = np.concatenate([units.mean(axis=-2), units.max(axis=-2)], axis=-1)
        logit = np.asarray(pooled @ self.out_weight + self.out_bias, np.float64)
        return 1.0 / (1.0 + np.exp(-np.clip(logit, -60.0, 60.0)))

    def save(self, folder: Path) -> Path:
        """Write `<name>.npz` into a folder; matrices are rounded to float16."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.npz"
        own = asdict(self)
        arrays = {name: own.pop(name) for name in _ARRAYS}
        arrays["weight"] = arrays["weight"].astype(np.float16)
        meta = json.dumps({**own, "features": VERSION})
        with path.open("wb") as file:
            np.savez_compressed(file, meta=np.array(meta), **arrays)
        return path


def load_classifier(path: Path) -> Classifier:
    """Read a classifier's file; nothing in it is run.

    Raises:
        WeightsError: The file is missing, damaged, of another kind or of other features.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            meta: dict[str, Any] = json.loads(str(data["meta"]))
            arrays = {name: np.asarray(data[name], np.float32) for name in _ARRAYS}
        version = meta.pop("features")
        classifier = Classifier(**arrays, **meta)
        _check(classifier, path)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path}: wanted the classifier of a predicate, found a damaged or foreign file "
            f"({str(error)[:200]}); train it again with `sparsh-ros train predicate`"
        ) from error
    if version != VERSION:
        raise WeightsError(
            f"{path}: wanted a classifier of features {VERSION}, found {version}; train it again "
            "with `sparsh-ros train predicate`"
        )
    return classifier


def load_classifiers(folder: Path, model: str) -> list[Classifier]:
    """All classifiers of a folder, sorted by name.

    Raises:
        WeightsError: There are none, one cannot be read, or one is for another model.
    """
    found = [load_classifier(path) for path in sorted(folder.glob("*.npz"))]
    if not found:
        raise WeightsError(
            f"{folder}: wanted classifiers of predicates, <name>.npz, found none; "
            "`sparsh-ros train predicate` makes them"
        )
    for classifier in found:
        if classifier.model != model:
            raise WeightsError(
                f"{folder / classifier.name}.npz: wanted a classifier for model {model}, found one "
                f"for {classifier.model}; train it again, or use that model"
            )
    return found


def classifiers_folder(setting: str, model: str) -> Path:
    """The folder that a setting speaks of: "auto" is what ships for the model, all else a path."""
    is_auto = setting == "auto"
    return weights_path("predicates", model) if is_auto else Path(setting).expanduser()


def _check(classifier: Classifier, path: Path) -> None:
    """Refuse sizes that do not fit together, and numbers that are none."""
    units, features = classifier.weight.shape
    shapes: dict[str, Sequence[int]] = {
        "mean": (features,),
        "scale": (features,),
        "bias": (units,),
        "out_weight": (2 * units,),
    }
    found = {name: getattr(classifier, name).shape for name in shapes}
    if found != shapes or not 0 < features <= _MOST_FEATURES or not 0 < units <= _MOST_UNITS:
        raise ValueError(f"arrays of shapes {found}, weight {classifier.weight.shape}")
    if not all(np.isfinite(getattr(classifier, name)).all() for name in _ARRAYS):
        raise ValueError("numbers that are not finite")
    if not 0.0 < classifier.off <= classifier.on < 1.0 or classifier.name != path.stem:
        raise ValueError(f"{classifier.name}: on {classifier.on}, off {classifier.off}")
