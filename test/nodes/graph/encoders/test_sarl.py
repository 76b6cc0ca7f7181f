# SPDX-License-Identifier: Apache-2.0
"""The live graph with a ResNet as `train sarl` and `train probe` leave it, on ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sparsh_ros.msg import Slip

torch = pytest.importorskip("torch", reason="torch writes the files")

from sparsh_ros.export.export import export_model  # noqa: E402
from sparsh_ros.models.heads import build_head  # noqa: E402
from sparsh_ros.models.resnet.files import describe_run  # noqa: E402
from sparsh_ros.models.resnet.network import RESNETS, ResNetPair  # noqa: E402
from sparsh_ros.models.zoo import describe_as_yaml  # noqa: E402


def test_it_runs(tmp_path: Path, outsider, start_graph) -> None:
    torch.manual_seed(0)
    spec = describe_run("sarl", RESNETS["resnet18-nano"], tmp_path)
    heads = {"slip": build_head("slip", spec)}
    spec = export_model(ResNetPair(spec.encoder_config), heads, spec, tmp_path)
    path = tmp_path / "model.yaml"
    path.write_text(describe_as_yaml(replace(spec, weights=Path("."), heads=())))
    start_graph(model=str(path), fps="15")
    heard = outsider.listen(Slip, "/tactile/slip", 100)
    outsider.wait_for(lambda: any(message.valid for message in heard), "a slip estimate")
    slip = next(message for message in heard if message.valid)
    assert 0.0 <= slip.probability <= 1.0
