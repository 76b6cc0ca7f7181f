# SPDX-License-Identifier: Apache-2.0
"""A head that `sparsh-ros train probe` made goes live: same folder, same threshold, no torch."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import Image

from sparsh_ros.msg import PoseChange, Slip

torch = pytest.importorskip("torch", reason="probes are trained with torch")

from fixtures.dataset import dataset, one_thread  # noqa: E402, F401
from safetensors.torch import save_file  # noqa: E402

from sparsh_ros import cli  # noqa: E402
from sparsh_ros.models.vit import VisionTransformer  # noqa: E402
from sparsh_ros.models.zoo import describe_as_yaml  # noqa: E402
from sparsh_ros.training.pretraining.models import model_spec  # noqa: E402


@pytest.fixture(scope="module")
def probe(request, dataset, tmp_path_factory):  # noqa: F811
    """The folder of heads on a tiny encoder."""
    pretrained, run = (tmp_path_factory.mktemp(name) for name in ("pretrained", "probe"))
    spec = model_spec("mae", "nano", pretrained)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), pretrained / "encoder.safetensors")
    (pretrained / "model.yaml").write_text(describe_as_yaml(spec))
    words = ["--model", pretrained / "model.yaml", "--run", run, "--data", dataset, "--threads", 1]
    more = ["--steps", 10, "--batch", 8, "--chains", 1]
    assert cli.main(["train", "probe", *request.param.split(), *map(str, (*words, *more))]) == 0
    return run


@pytest.mark.parametrize("probe", ["slip force"], indirect=True)
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


@pytest.mark.parametrize("probe", ["forcefield"], indirect=True)
def test_a_probe_for_fields_goes_live(probe, start_graph, outsider):
    graph = start_graph(model=str(probe / "model.yaml"), fps="12")
    fields = outsider.listen(Image, "/tactile/force_field", 100)
    slips = outsider.listen(Slip, "/tactile/slip", 100)

    def known():
        return next((f for f in fields if np.isfinite(values(f)).all()), None)

    def values(field):
        return np.frombuffer(field.data, "<f4").reshape(80, 60, 3)

    outsider.wait_for(known, "a force field")
    field = known()
    assert (field.encoding, field.header.frame_id) == ("32FC3", "digit_gel_frame")
    # Metres and pascals: of millimetres and kilopascals that the head was trained on.
    assert np.abs(values(field)[..., :2]).max() < 2e-3
    assert 10.0 < np.abs(values(field)[..., 2]).max() < 200e3
    assert values(field).std(axis=(0, 1)).min() > 0.0
    status = "tactile/perception: digit"
    outsider.wait_for(
        lambda: outsider.diagnostics.get(status, {}).get("force field units") == "m, m, Pa",
        "its units",
    )
    assert slips and not any(m.valid for m in slips)  # there is no head for it
    assert graph.stop() == 0
