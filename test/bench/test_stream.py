# SPDX-License-Identifier: Apache-2.0
"""The streaming model is timed with its observer and its memory."""

from __future__ import annotations

from sparsh_ros.bench.models import baseline_case, candidate_cases, measure
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL


def test_the_observer_counts() -> None:
    spec = load_model_spec(STREAM_MODEL)
    cases = candidate_cases(spec)
    assert baseline_case(spec) is None and [case.batch for case in cases] == [1, 4]
    for timing in measure(cases, runs=2):
        assert 0 < timing.encode_ms < timing.total_ms
