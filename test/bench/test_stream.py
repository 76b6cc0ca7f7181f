# SPDX-License-Identifier: Apache-2.0
"""The streaming model is timed with its observer and its memory."""

from __future__ import annotations

from importlib.util import find_spec

from sparsh_ros.bench.models import baseline_cases, candidate_cases, measure
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL


def test_the_observer_counts() -> None:
    spec = load_model_spec(STREAM_MODEL)
    cases = candidate_cases(spec)
    engines = 1 + (find_spec("openvino") is not None)
    assert baseline_cases(spec) == [] and [case.batch for case in cases] == [1, 4] * engines
    for row in measure(cases, runs=2):
        assert 0 < row.quantities["ENCODE_MS"].median < row.quantities["TOTAL_MS"].median
