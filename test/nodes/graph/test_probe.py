# SPDX-License-Identifier: Apache-2.0
"""A head that `sparsh-ros train probe` made goes live: same folder, same threshold, no torch."""

from __future__ import annotations

import json
import math

import pytest
from geometry_msgs.msg import WrenchStamped

from sparsh_ros.msg import PoseChange, Slip

torch = pytest.importorskip("torch", reason="probes are trained with torch")

from fixtures.dataset import dataset, one_thread  # noqa: E402, F401
from safetensors.torch import save_file  # noqa: E402

from sparsh_ros import cli  # noqa: E402
from sparsh_ros.models.vit import VisionTransformer  # noqa: E402
from sparsh_ros.models.zoo import describe_as_yaml  # noqa: E402
from sparsh_ros.training.pretraining.models import model_spec  # noqa: E402


@pytest.fixture(scope="module")
def probe(dataset, tmp_path_factory):  # noqa: F811
    """The folder of slip and force heads on a tiny encoder."""
    pretrained, run = (tmp_path_factory.mktemp(name) for name in ("pretrained", "probe"))
    spec = model_spec("mae", "nano", pretrained)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), pretrained / "encoder.safetensors")
    (pretrained / "model.yaml").write_text(describe_as_yaml(spec))
    words = ["--model", pretrained / "model.yaml", "--run", run, "--data", dataset, "--threads", 1]
    more = ["--steps", 10, "--batch", 8, "--chains", 1]
    assert cli.main(["train", "probe", "slip", "force", *map(str, (*words, *more))]) == 0
    return run


def test_a_probe_goes_live(probe, start_graph, outsider):
    graph = start_graph(model=str(probe / "model.yaml"), fps="12")
    slips = outsider.listen(Slip, "/tactile/slip", 100)
    forces = outsider.listen(WrenchStamped, "/tactile/force", 100)
    motions = outsider.listen(PoseChange, "/tactile/pose_change", 100)

    def touched():
        known = [m for m in slips if m.valid and m.in_contact]
        return known and any(math.isfinite(m.wrench.force.z) for m in forces)

    outsider.wait_for(touched, "slip and force of a touch")
    scores = json.loads((probe / "probe.json").read_text())["scores"]
    slip = next(m for m in slips if m.valid)
    assert slip.threshold == pytest.approx(scores["slip"]["threshold"])
    assert 0.0 <= slip.probability <= 1.0
    assert not any(m.valid for m in motions)  # there is no head for it
    outsider.wait_for(
        lambda: "mae-nano-probed" in str(outsider.diagnostics.get("tactile/perception: digit")),
        "the model's name",
    )
    assert graph.stop() == 0
