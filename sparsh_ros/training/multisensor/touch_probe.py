# SPDX-License-Identifier: Apache-2.0
"""The linear probes of AnyTouch: a layer on the frozen encoder, on labelled still images.

Settings are the published ones (section "linear probing" of the repository). The images of whole
recordings or objects are set aside for VALIDATION, which chooses the epoch; the published probes
let the test split choose.

<run>/<task>.safetensors   the head, with what it takes of the encoder, for `load_head`
<run>/<task>.json          what the run was, and its scores
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.anytouch.encoder import AnyTouch
from sparsh_ros.models.checkpoints.anytouch.heads import linear_layer
from sparsh_ros.models.classes import MATERIALS
from sparsh_ros.models.preprocess import resample_weights, round_to_bytes
from sparsh_ros.progress import track
from sparsh_ros.recordings.importers.touch_sets import LabelledImages, read_images
from sparsh_ros.sensors.images import read_image
from sparsh_ros.training.multisensor.anytouch import load_anytouch
from sparsh_ros.training.multisensor.linear import LinearFit, fresh_head, train_head
from sparsh_ros.training.recipes.anytouch.views import mirror
from sparsh_ros.training.recipes.siamese.augment import jitter
from sparsh_ros.training.steps import write_json

VALIDATION_SHARE = 0.1
_STRONG, _WEAK, _NONE = (0.4, 0.4, 0.5, 0.3), (0.1, 0.1, 0.1, 0.1), ()


@dataclass(frozen=True)
class TouchTask:
    """One probe.

    Attributes:
        classes: Labels that there are; two are told by one logit.
        pooling: Vector that the head reads.
        sensor: Slot of the sensor tokens.
        batch: Samples per step, of the two GPUs together.
        rate, weight_decay: Of AdamW.
        colours: Strength of the changes of brightness, contrast, saturation and hue; with them go
            mirrored images; empty for none.
        fingers: Images of a sample, whose vectors are joined.
    """

    classes: int
    pooling: str
    sensor: int
    batch: int
    rate: float
    weight_decay: float
    colours: tuple[float, ...]
    fingers: int = 1

    @property
    def outputs(self) -> int:
        """Numbers that the head gives."""
        return 1 if self.classes == 2 else self.classes


_TOUCH_AND_GO = TouchTask(2, "cls", 0, 128, 2e-4, 0.05, _STRONG)
TASKS = {
    "material": replace(_TOUCH_AND_GO, classes=len(MATERIALS)),
    "roughness": _TOUCH_AND_GO,
    "hardness": _TOUCH_AND_GO,
    "feel": TouchTask(2, "cls", 0, 256, 1e-3, 0.05, _STRONG, fingers=2),
    "objectfolder1": TouchTask(7, "global", -1, 128, 1e-3, 0.01, _WEAK),
    "objectfolder2": TouchTask(7, "cls", -1, 256, 1e-3, 0.01, _NONE),
}


@dataclass(frozen=True)
class TouchProbe:
    """What to train.

    Attributes:
        task: A key of `TASKS`.
        encoder: File of AnyTouch.
        data: Folder with `TAG`, `feel`, `obj1.0`, `obj2.0`.
        run: Folder to write.
        epochs: How many.
        seed: Of weights, order, changes and what is set aside.
    """

    task: str
    encoder: Path
    data: Path
    run: Path
    epochs: int = 50
    seed: int = 0


def train_touch_probe(job: TouchProbe) -> dict[str, Any]:
    """Train a probe and score it on the test split.

    Returns:
        What is in the JSON file.

    Raises:
        DatasetError: Lists or images are missing, damaged or of another layout.
        WeightsError: The encoder is none of AnyTouch.
    """
    task = TASKS[job.task]
    encoder = load_anytouch(job.encoder).requires_grad_(False)
    listed, test = (read_images(job.task, job.data, s, task.classes) for s in ("train", "test"))
    train, validation = set_aside(listed, job.seed)
    fit = LinearFit(job.epochs, task.batch, task.rate, task.weight_decay, job.seed)
    head = fresh_head(task.fingers * encoder.config.projection_dim, task.outputs, job.seed)
    reader = _Reader(encoder, task)
    held = {
        name: reader.all_of(s, name) for name, s in (("validation", validation), ("test", test))
    }

    def percent(head: nn.Linear, split: str, labels: NDArray[np.int64]) -> float:
        with torch.no_grad():
            outputs = head(held[split])
        answers = outputs[:, 0] > 0.0 if task.outputs == 1 else outputs.argmax(dim=1)
        return 100.0 * float((answers.numpy() == labels).mean())

    best = train_head(
        head,
        lambda epoch: reader.epoch(train, np.random.default_rng([job.seed, epoch]), epoch),
        _loss(task),
        fit,
        lambda head: percent(head, "validation", validation.labels),
    )
    commonest = np.bincount(train.labels).argmax()
    summary = {
        "task": job.task,
        "encoder": str(job.encoder),
        "settings": {**asdict(task), **asdict(fit)},
        "samples": {"train": len(train), "validation": len(validation), "test": len(test)},
        "validation": best,
        "test": percent(head, "test", test.labels),
        "commonest": 100.0 * float((test.labels == commonest).mean()),
    }
    job.run.mkdir(parents=True, exist_ok=True)
    _save(job.task, encoder, head, job.run / f"{job.task}.safetensors")
    write_json(job.run / f"{job.task}.json", summary)
    return summary


def set_aside(samples: LabelledImages, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Part a split: the larger share, and whole groups for validation.

    Raises:
        DatasetError: There is but one group.
    """
    groups = np.unique(samples.groups)
    if len(groups) < 2:
        raise DatasetError(
            f"{samples.files[0][0]}: wanted images of two recordings or objects or more, one for "
            f"validation, found those of {groups[0]!r} alone"
        )
    count = max(round(VALIDATION_SHARE * len(groups)), 1)
    chosen = np.random.default_rng(seed).permutation(groups)[:count]
    held = np.isin(samples.groups, chosen)
    kept, aside = (
        LabelledImages(
            [files for files, wanted in zip(samples.files, rows, strict=True) if wanted],
            samples.labels[rows],
            samples.groups[rows],
        )
        for rows in (~held, held)
    )
    return kept, aside


class _Reader:
    """From files to the vectors that the head reads."""

    def __init__(self, encoder: AnyTouch, task: TouchTask) -> None:
        self._encoder, self._task = encoder, task

    def epoch(
        self, samples: LabelledImages, rng: np.random.Generator, number: int
    ) -> Iterable[tuple[Tensor, Tensor]]:
        """All samples in random order, changed at random."""
        for rows in track(self._batches(rng.permutation(len(samples))), f"Epoch {number + 1}"):
            labels = torch.from_numpy(samples.labels[rows])
            yield self._vectors([samples.files[row] for row in rows], rng), labels

    def all_of(self, samples: LabelledImages, name: str) -> Tensor:
        """Vectors of all samples, as they are."""
        batches = self._batches(np.arange(len(samples)))
        return torch.cat(
            [
                self._vectors([samples.files[row] for row in rows], None)
                for rows in track(batches, f"Encoding {name}")
            ]
        )

    def _batches(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return np.array_split(rows, -(-len(rows) // self._task.batch))

    @torch.no_grad()
    def _vectors(self, files: list[tuple[Path, ...]], rng: np.random.Generator | None) -> Tensor:
        """(B, fingers P); fingers of a sample are changed alike."""
        size = self._encoder.config.image_size
        images = torch.stack([torch.stack([_squash(f, size) for f in own]) for own in files])
        if rng is not None and self._task.colours:
            images = self._change(images, rng)
        flat = images.flatten(0, 1)
        vectors = self._encoder.embed(flat, self._task.sensor, self._task.pooling)
        return vectors.reshape(len(files), -1)

    def _change(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        count, fingers = images.shape[:2]
        flip = torch.from_numpy(rng.random((count, 2)) < 0.5)
        strength = rng.uniform(-1.0, 1.0, (count, 4)) * np.array(self._task.colours)
        tall = mirror(images, flip).transpose(1, 2).flatten(2, 3)
        changed = jitter(tall, torch.from_numpy(np.float32(strength)))
        return changed.unflatten(2, (fingers, -1)).transpose(1, 2)


def _squash(path: Path, size: tuple[int, int]) -> Tensor:
    """(3, H, W) in [0, 1]: the image squashed as Pillow's bilinear filter does."""
    rgb = read_image(path)[..., ::-1].copy()
    image = torch.from_numpy(rgb).permute(2, 0, 1).float()
    rows, columns = (
        torch.from_numpy(resample_weights(found, wanted))
        for found, wanted in zip(image.shape[1:], size, strict=True)
    )
    return round_to_bytes(rows @ round_to_bytes(image @ columns.T)) / 255.0


def _loss(task: TouchTask):
    if task.outputs > 1:
        return F.cross_entropy
    return lambda outputs, labels: F.binary_cross_entropy_with_logits(outputs[:, 0], labels.float())


def _save(task: str, encoder: AnyTouch, head: nn.Linear, path: Path) -> None:
    layer = linear_layer(task)
    state = {
        "post_layernorm.weight": encoder.touch_model.post_layernorm.weight,
        "post_layernorm.bias": encoder.touch_model.post_layernorm.bias,
        "touch_projection.weight": encoder.touch_projection.weight,
        f"{layer}.weight": head.weight,
        f"{layer}.bias": head.bias,
    }
    save_file({name: value.detach().contiguous() for name, value in state.items()}, path)
