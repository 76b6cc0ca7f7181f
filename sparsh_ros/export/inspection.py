# SPDX-License-Identifier: Apache-2.0
"""What a weights file is: its kind, what is in it, and what it does not say.

The report is made of what loading uses, so a file without problems in it loads.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sparsh_ros.engines.onnx_engine import open_session
from sparsh_ros.errors import MissingDependencyError, WeightsError
from sparsh_ros.models.checkpoints.architecture import EncoderFacts
from sparsh_ros.models.checkpoints.encoder_keys import (
    describe_groups,
    describe_module,
    find_encoder,
    has_encoder,
)
from sparsh_ros.models.checkpoints.head_facts import (
    TASK_PREFIX,
    find_head,
    read_head_facts,
    recognise_head,
)
from sparsh_ros.models.checkpoints.tensor_files import TensorFile, open_tensor_file
from sparsh_ros.models.zoo import describe_encoder

_CHUNK = 1 << 20
_POOLER = ".pooler.query_tokens"


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
        self.facts.append((label, text))

    def add_problems(self, found: Iterable[tuple[str, list[str]]]) -> None:
        """Add the kinds of problems that have names."""
        for kind, names in found:
            if names:
                self.problems.setdefault(kind, []).extend(names)


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
            _inspect_tensors(open_tensor_file(path), report)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{path}: wanted the Python package {error.name}, found none; "
                f"`pip install {error.name}`"
            ) from error
    report.facts[1:1] = [
        ("size", f"{path.stat().st_size:,} bytes"),
        ("sha256", _hash(path, progress)),
    ]
    return report


def _hash(path: Path, progress: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


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


def _inspect_tensors(file: TensorFile, report: Inspection) -> None:
    report.say("kind", file.kind)
    types = Counter(info.dtype for info in file.tensors.values())
    total = sum(types.values())
    report.say("tensors", f"{total}, of type {', '.join(sorted(types)) or 'none'}")
    report.keys = [f"{name} {info.shape} {info.dtype}" for name, info in file.tensors.items()]
    names, source = list(file.tensors), str(file.path)
    parts = {name: file.tensors[found].shape for name, found in find_head(names, source).items()}
    heads = _own_heads(names)
    if heads:
        report.say("heads", ", ".join(heads))
    if recognise_head(parts):
        _inspect_decoder(file, report)
    if has_encoder(names, source):
        _inspect_encoder(file, report)
    elif not heads and not recognise_head(parts):
        raise WeightsError(
            f"{file.path}: wanted the encoder, the decoder or the heads of a touch model, found "
            f"{describe_groups(names)}; give another file"
        )


def _inspect_encoder(file: TensorFile, report: Inspection) -> None:
    from sparsh_ros.models.checkpoints.checkpoints import differences, outline

    keys = find_encoder(file.tensors, str(file.path))
    shapes = {name: file.tensors[in_file].shape for name, in_file in keys.names.items()}
    facts = EncoderFacts.of(shapes, str(file.path))
    report.say("encoder", describe_encoder(facts))
    report.say("", _describe_details(facts))
    prefix = keys.prefix or "none"
    report.say("prefix", f"{prefix} ({keys.method}), {len(keys.names)} tensors")
    for module, names in keys.others.items():
        report.say("beside it", f"{module} ({len(names)}): {describe_module(module)}")
    for text in _untold(facts):
        report.say("not told", text)
    report.add_problems(differences(outline(facts.any_layout()), file, keys.names).labelled())
    report.add_problems([("of no known module", keys.unexpected)])


def _describe_details(facts: EncoderFacts) -> str:
    positions = (
        "sinusoidal positions"
        if facts.learned_tokens is None
        else f"learned positions of {facts.learned_tokens} tokens"
    )
    scale = "with" if facts.layer_scale else "without"
    return f"{positions}, {scale} layer scale, perceptrons of {facts.mlp_width} hidden units"


def _untold(facts: EncoderFacts) -> Iterator[str]:
    heads = facts.default_heads()
    yield f"attention heads: {f'{heads}, one per 64 channels' if heads else 'to be given'}"
    if facts.learned_tokens is None:
        yield "image size: 320 x 240 unless given; sinusoidal positions fit any"
    else:
        yield f"image size: any of {facts.learned_tokens} tokens"
    if facts.tubelet and facts.learned_tokens is None:
        yield "frames of a clip: 4 unless given"
    yield "time between frames, background and colour order: as the model's description says"


def _inspect_decoder(file: TensorFile, report: Inspection) -> None:
    from sparsh_ros.models.checkpoints.checkpoints import differences
    from sparsh_ros.models.checkpoints.decoders import outline

    names = find_head(file.tensors, str(file.path))
    shapes = {name: file.tensors[in_file].shape for name, in_file in names.items()}
    facts = read_head_facts(shapes, str(file.path))
    report.say("decoder", f"{facts.describe()}, {len(names)} tensors")
    report.say("not told", facts.untold())
    module = outline(facts, attention_heads=1)  # any number gives the same shapes
    report.add_problems(differences(module, file, names).labelled())


def _own_heads(names: Iterable[str]) -> list[str]:
    """Heads in a file of our own format, keys `<head>.<parameter>`."""
    heads = [name.removesuffix(_POOLER) for name in names if name.endswith(_POOLER)]
    return [head for head in heads if "." not in head and f"{head}." != TASK_PREFIX]
