# SPDX-License-Identifier: Apache-2.0
"""Which models have their weights on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from sparsh_ros.doctor.findings import Finding, ok, problem
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.errors import ModelError, SparshError
from sparsh_ros.models.zoo import list_models, load_model_spec
from sparsh_ros.names import DEFAULT_MODEL


def check(machine: Machine) -> Iterator[Finding]:
    """The models of config/models: here, not here, or unusable."""
    elsewhere = []
    for name in list_models():
        try:
            spec = load_model_spec(name)
        except SparshError as error:
            shipped = name == DEFAULT_MODEL or isinstance(error, ModelError)
            yield problem(
                str(error),
                "install the package again" if shipped else f"`sparsh-ros weights get {name}`",
            )
            continue
        if spec.files or any(spec.weights.glob("encoder.*")):
            heads = ", ".join(spec.heads) or "none"
            yield ok(f"{name}: here; heads: {heads}; licence {spec.licence}")
        elif name == DEFAULT_MODEL:
            yield problem(f"{name}: no weights in {spec.weights}", "install the package again")
        else:
            elsewhere.append(name)
    if elsewhere:
        yield ok(f"weights not here: {', '.join(elsewhere)}")
