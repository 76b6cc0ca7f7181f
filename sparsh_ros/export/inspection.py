# SPDX-License-Identifier: Apache-2.0
"""What a weights file is: its kind, what is in it, and what it does not say.

The report is made of what loading uses, so a file without problems in it loads.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sparsh_ros.engines.onnx_engine import open_session
from sparsh_ros.errors import MissingDependencyError, WeightsError, printable
from sparsh_ros.files import sha256_of
from sparsh_ros.models.checkpoints.anytouch.config import InferredAnyTouch
from sparsh_ros.models.checkpoints.anytouch.heads import LINEAR, linear_weight
from sparsh_ros.models.checkpoints.architecture import InferredConfig
from sparsh_ros.models.checkpoints.checkpoint import Checkpoint, open_checkpoint
from sparsh_ros.models.checkpoints.encoder_keys import describe_groups, describe_module
from sparsh_ros.models.checkpoints.head_config import TASK_PREFIX
from sparsh_ros.models.zoo import describe_encoder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_READ_AT_ONCE = 64  # tensors
_SEE_INSPECTION = "; see `sparsh-ros weights inspect"  # as others advise, who is here already
_NOT_FINITE = "NaN or infinite"
_ONNX_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}
_MOST_VALUES = 1 << 24
_POOLERS = (".pooler.query_tokens", ".head.pooler.query_tokens", ".cells.0.weight")


@dataclass
class Inspection:
    """What was found out about a weights file.

    Attributes:
        facts: Label and text, in the order to show them.
        keys: Every tensor or graph input and output, with its shape and type.
        problems: Kind of problem -> the names that have it; none where the file loads.
    """

    facts: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def say(self, label: str, text: str) -> None:
        """Add a fact."""
        self.facts.append((label, printable(text)))

    def add_problems(self, found: Iterable[tuple[str, list[str]]]) -> None:
        """Add the kinds of problems that have names."""
        for kind, names in found:
            if names:
                self.problems.setdefault(kind, []).extend(printable(name) for name in names)


def inspect_file(path: Path, progress: Callable[[int], None] = lambda _: None) -> Inspection:
    """Find out what a weights file is; nothing in it is run.

    Args:
        path: `.onnx`, `.safetensors` or a torch file.
        progress: Told how many more bytes were hashed.

    Raises:
        WeightsError: The file is missing, truncated, unsafe, or no weights of a touch model.
        MissingDependencyError: torch or safetensors is needed and not installed.
    """
    report = Inspection()
    if path.suffix == ".onnx":
        _inspect_graph(path, report)
    else:
        try:
            _inspect_tensors(open_checkpoint(path), report)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{path}: wanted the Python package {error.name}, found none; "
                f"`pip install {error.name}`"
            ) from error
        except WeightsError as error:
            text, advice, _ = str(error).partition(_SEE_INSPECTION)
            raise WeightsError(f"{text}; use other weights" if advice else text) from error
    report.facts[1:1] = [
        ("size", f"{path.stat().st_size:,} bytes"),
        ("sha256", sha256_of(path, progress)),
    ]
    return report


def _inspect_graph(path: Path, report: Inspection) -> None:
    session = open_session(path, threads=1)
    report.say("kind", "ONNX graph")
    for label, text in session.get_modelmeta().custom_metadata_map.items():
        report.say(label, text)
    for way, nodes in (("input", session.get_inputs()), ("output", session.get_outputs())):
        for node in nodes:
            shape = ", ".join(str(size) for size in node.shape)
            kind = node.type.removeprefix("tensor(").removesuffix(")")
            report.say(way, f"{node.name} ({shape}) {kind}")
    report.add_problems([(f"{_NOT_FINITE} for inputs of zeros", _not_finite_outputs(session))])


def _not_finite_outputs(session: InferenceSession) -> list[str]:
    """Names of a graph's outputs that are no numbers where all inputs are zero."""
    feed = {}
    for node in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in node.shape]
        if node.type not in _ONNX_TYPES or math.prod(shape) > _MOST_VALUES:
            return []
        feed[node.name] = np.zeros(shape, _ONNX_TYPES[node.type])
    names = [node.name for node in session.get_outputs()]
    outputs = session.run(names, feed)
    return [n for n, values in zip(names, outputs, strict=True) if not np.isfinite(values).all()]


def _inspect_tensors(file: Checkpoint, report: Inspection) -> None:
    report.say("kind", file.kind)
    types = Counter(info.dtype for info in file.tensors.values())
    total = sum(types.values())
    report.say("tensors", f"{total}, of type {', '.join(sorted(types)) or 'none'}")
    report.keys = [f"{name} {info.shape} {info.dtype}" for name, info in file.tensors.items()]
    heads = _own_heads(file.tensors)
    if heads:
        report.say("heads", ", ".join(heads))
    if file.task:
        _inspect_decoder(file, report)
    if file.has_encoder:
        _inspect_encoder(file, report)
    elif not heads and not file.task:
        raise WeightsError(
            f"{file.path}: wanted the encoder, the decoder or the heads of a touch model, found "
            f"{describe_groups(file.tensors)}; give another file"
        )
    if not report.problems:
        report.add_problems([(_NOT_FINITE, _not_finite(file, heads))])


def _not_finite(file: Checkpoint, heads: Sequence[str]) -> list[str]:
    """Names of the tensors that loading would refuse for their values."""
    from sparsh_ros.models.loading.encoders import not_finite

    wanted = {name for name in file.tensors if name.split(".")[0] in heads}
    if file.task:
        wanted |= set(file.head_names.values())
    if file.has_encoder:
        wanted |= set(file.encoder_keys.names.values())
    names = [name for name in sorted(wanted) if "float" in file.tensors[name].dtype]
    found = []
    for first in range(0, len(names), _READ_AT_ONCE):
        found += not_finite(file.read(names[first : first + _READ_AT_ONCE]))
    return found


def _inspect_encoder(file: Checkpoint, report: Inspection) -> None:
    from sparsh_ros.models.loading.encoders import build_on_meta, differences

    keys, config = file.encoder_keys, file.encoder_config
    report.say("encoder", describe_encoder(config))
    report.say("", _describe_details(config))
    prefix = keys.prefix or "none"
    report.say("prefix", f"{prefix} ({keys.method}), {len(keys.names)} tensors")
    for module, names in keys.others.items():
        report.say(
            "beside it", f"{module} ({len(names)}): {describe_module(module, keys.anytouch)}"
        )
    for text in _untold(config):
        report.say("not told", text)
    report.add_problems(
        differences(build_on_meta(config.any_config()), file, keys.names).labelled()
    )
    report.add_problems([("of no known module", keys.unexpected)])


def _describe_details(config: InferredConfig | InferredAnyTouch) -> str:
    if isinstance(config, InferredAnyTouch):
        return (
            f"learned positions of {config.positions} patches, {config.sensors} sensors of "
            f"{config.sensor_tokens} tokens, perceptrons of {config.mlp_dim} hidden units, "
            f"projection to {config.projection_dim}"
        )
    positions = (
        "sinusoidal positions"
        if config.learned_tokens is None
        else f"learned positions of {config.learned_tokens} tokens"
    )
    scale = "with" if config.layer_scale else "without"
    return f"{positions}, {scale} layer scale, perceptrons of {config.mlp_dim} hidden units"


def _untold(config: InferredConfig | InferredAnyTouch) -> Iterator[str]:
    heads = config.default_num_heads()
    yield f"attention heads: {f'{heads}, one per 64 channels' if heads else 'to be given'}"
    if isinstance(config, InferredAnyTouch):
        size = " x ".join(map(str, config.complete(num_heads=1).image_size))
        yield f"image size: {size} unless given"
        yield "time between frames: as the model's description says"
        return
    if config.learned_tokens is None:
        yield "image size: 320 x 240 unless given; sinusoidal positions fit any"
    else:
        yield f"image size: any of {config.learned_tokens} tokens"
    if config.tubelet and config.learned_tokens is None:
        yield "frames of a clip: 4 unless given"
    yield "time between frames, background and colour order: as the model's description says"


def _inspect_decoder(file: Checkpoint, report: Inspection) -> None:
    from sparsh_ros.models.loading.encoders import differences
    from sparsh_ros.models.loading.heads import build_on_meta

    names, config = file.head_names, file.head_config
    report.say("decoder", f"{config.describe()}, {len(names)} tensors")
    report.say("not told", config.untold())
    module = build_on_meta(config, num_heads=1)  # any number gives the same shapes
    report.add_problems(differences(module, file, names).labelled())


def _own_heads(names: Iterable[str]) -> list[str]:
    """Heads in a file of our own format, keys `<head>.<parameter>`."""
    ends = (*_POOLERS, *(f".{linear_weight(task)}" for task in LINEAR))
    heads = [name.removesuffix(end) for name in names for end in ends if name.endswith(end)]
    others = (TASK_PREFIX, "head.")
    return [head for head in heads if "." not in head and f"{head}." not in others]
