# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train probe`: heads for a task or several, as a folder that the live nodes load.

<run>/encoder.onnx, <task>.onnx, heads.json, *.safetensors   the weights folder
<run>/model.yaml                                             its description, for `--model`
<run>/probe.json                                             test scores, and what the run was
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sparsh_ros.errors import ParameterError, WeightsError
from sparsh_ros.export.export import export_model
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import describe_as_yaml
from sparsh_ros.training.patches import fold_scaling, unfold_scaling
from sparsh_ros.training.steps import describe_run, write_json
from sparsh_ros.training.tacbench.bench import Arena
from sparsh_ros.training.tacbench.encoders import Contender
from sparsh_ros.training.tacbench.objectives import GROUPS
from sparsh_ros.training.tacbench.probe import ProbeSettings, ProbeTraining

MODEL_FILE = "model.yaml"
FROZEN, UNFROZEN, FROM_SCRATCH = "frozen", "unfrozen", "from scratch"
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class ProbeJob:
    """What to train.

    Attributes:
        tasks: Heads.
        spec: The model whose encoder they read.
        data: Folder with simulated episodes.
        run: Folder to write.
        settings: How to train.
        budget: Share of the labels, 0 to 1.
        encoder: `FROZEN`, `UNFROZEN` or `FROM_SCRATCH`.
        chains: Of each five frames, how many are the newest of a clip.
    """

    tasks: Sequence[str]
    spec: ModelSpec
    data: Path
    run: Path
    settings: ProbeSettings
    budget: float = 1.0
    encoder: str = FROZEN
    chains: int = 2


def train_probe(job: ProbeJob) -> tuple[Scores, Scores]:
    """Train heads, score them on the test split, and write the weights folder.

    Returns:
        Test scores by task, and those of the answers that need no sensor.

    Raises:
        DatasetError: A split is missing or damaged, or shares what it must not.
        ParameterError: The tasks are not trained on the same data.
        WeightsError: There is no such encoder, or ``job.run`` is its own folder.
    """
    if job.run.resolve() == job.spec.weights.resolve():
        raise WeightsError(f"--run {job.run}: holds the encoder; wanted another folder")
    if not any(set(job.tasks) <= set(group) for group in GROUPS):
        groups = ", or ".join(map(" ".join, GROUPS))
        raise ParameterError(
            f"tasks {' '.join(job.tasks)}: wanted those of one data set ({groups}); train the "
            "others in another --run"
        )
    contender = Contender(job.spec.name, job.spec, job.encoder == FROZEN)
    arena = Arena(contender, job.tasks, job.data, job.run / "cache", job.chains)
    encoder = arena.fresh_encoder()
    if job.encoder == UNFROZEN:
        encoder = unfold_scaling(load_model_encoder(job.spec)).requires_grad_(True)
    training = ProbeTraining(job.tasks, arena.spec, job.settings, encoder)
    examples = arena.examples
    training.run(examples["train"].share(job.budget), examples["validation"])
    scores = {
        task: training.score(task, examples["validation"], examples["test"]) for task in job.tasks
    }
    _export(job, arena, training)
    about = {
        "tasks": list(job.tasks),
        "encoder": job.encoder,
        "budget": job.budget,
        "settings": asdict(job.settings),
        "scores": scores,
        "trivial": arena.trivial(),
    }
    write_json(job.run / "probe.json", {**describe_run(arena.stores), **about})
    return scores, about["trivial"]


def _export(job: ProbeJob, arena: Arena, training: ProbeTraining) -> None:
    """One encoder serves all heads: where it was trained with them, that of the last check at which
    one of them got better."""
    spec = replace(arena.spec, name=f"{job.spec.name}-probed", files=None, sources=())
    if "slip" in job.tasks:
        threshold = training.threshold(arena.examples["validation"])
        spec = replace(spec, slip_threshold=threshold)
    encoder, heads = _best(job, training)
    export_model(encoder, heads, spec, job.run)
    here = replace(spec, weights=Path("."), heads=())
    (job.run / MODEL_FILE).write_text(describe_as_yaml(here))


def _best(job: ProbeJob, training: ProbeTraining):
    network = training.network.cpu()
    if network.encoder is None:
        for name, best in training.best.items():
            own = f"heads.{name}."
            state = {k.removeprefix(own): v for k, v in best.state.items() if k.startswith(own)}
            network.heads[name].load_state_dict(state)
        encoder: VisionTransformer = load_model_encoder(job.spec)
    else:
        latest = max(training.best.values(), key=lambda best: best.check)
        network.load_state_dict(latest.state)
        encoder = network.encoder
        fold_scaling(encoder)
    return encoder, dict(network.heads.items())
