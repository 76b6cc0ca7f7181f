# SPDX-License-Identifier: Apache-2.0
"""The graph on files in the layout of the published ones: what they lack is said, not guessed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import Image

from sparsh_ros.models.classes import TEXTILES
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Classification, PoseChange, Slip

pytest.importorskip("torch", reason="torch writes files in the layout of the published ones")

from reference.official import save_folder  # noqa: E402

TASKS = ("force", "textile", "forcefield")
MODEL = "name: downloaded\nsize: tiny\nlicence: CC-BY-NC-4.0\npooler_num_heads: 12\n"
STATUS = "tactile/perception: digit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's description, and a folder with its encoder and some decoders."""
    folder = tmp_path_factory.mktemp("official")
    (folder / "model.yaml").write_text(MODEL)
    save_folder(folder / "weights", load_model_spec(folder / "model.yaml"), TASKS)
    return folder


@pytest.fixture(scope="module")
def graph(folder: Path, start_graph):
    """The graph of a simulated DIGIT with that model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH")  # published files run on torch
        return start_graph(
            model=str(folder / "model.yaml"), weights_dir=str(folder / "weights"), fps="12"
        )


@pytest.fixture(scope="module")
def heard(outsider, graph) -> dict[str, list]:
    """Its estimates by topic."""
    kinds = {"slip": Slip, "pose_change": PoseChange, "force": WrenchStamped}
    messages = {
        topic: outsider.listen(kind, f"/tactile/{topic}", 100)
        for topic, kind in {**kinds, "textile": Classification}.items()
    }
    outsider.wait_for(
        lambda: any(message.valid for message in messages["textile"]), "the class of a textile"
    )
    return messages


def test_heads_that_are_there_estimate(heard) -> None:
    textile = next(message for message in heard["textile"] if message.valid)
    assert tuple(textile.class_names) == TEXTILES
    assert textile.class_name == TEXTILES[textile.class_id]
    assert textile.probability == pytest.approx(max(textile.probabilities))
    assert sum(textile.probabilities) == pytest.approx(1.0, abs=1e-5)
    pressed = [message.wrench.force.z for message in heard["force"]]
    known = [force for force in pressed if math.isfinite(force)]
    assert known and all(0.0 <= force <= 5.0 for force in known)


def test_a_head_that_is_not_there_says_valid_false(heard, outsider) -> None:
    stamp = next(message for message in heard["textile"] if message.valid).header.stamp
    for topic in ("slip", "pose_change"):
        outsider.wait_for(
            lambda topic=topic: any(message.header.stamp == stamp for message in heard[topic]),
            f"{topic} of the same frame",
        )
        assert not any(message.valid for message in heard[topic])
    assert all(math.isnan(message.probability) for message in heard["slip"])
    assert not any(message.slipping for message in heard["slip"])
    assert all(math.isnan(message.dx) for message in heard["pose_change"])


def test_diagnostics_and_log_say_why(heard, graph, folder, outsider) -> None:
    wanted = f"no weights for slip in {folder / 'weights'}: it has force, forcefield, textile"
    outsider.wait_for(
        lambda: wanted in outsider.diagnostics.get(STATUS, {}).get("message", ""), wanted
    )
    assert "for grasp" not in outsider.diagnostics[STATUS]["message"]
    assert wanted in graph.log
    assert "licence CC-BY-NC-4.0, for non-commercial use only" in graph.log
    assert "`sparsh-ros weights convert`" in graph.log


def test_what_was_not_asked_for_has_no_topic(heard, outsider) -> None:
    assert outsider.node.count_publishers("/tactile/textile") == 1
    assert outsider.node.count_publishers("/tactile/grasp") == 0


def test_the_force_field_exists_once_somebody_listens(heard, outsider) -> None:
    fields = outsider.listen(Image, "/tactile/force_field")
    pictures = outsider.listen(Image, "/tactile/overlay")
    outsider.wait_for(lambda: fields and pictures, "a force field and its picture")
    field = fields[0]
    assert (field.height, field.width, field.encoding) == (80, 60, "32FC3")
    assert field.header.frame_id == "digit_gel_frame" and not field.is_bigendian
    values = np.frombuffer(field.data, "<f4").reshape(80, 60, 3)
    assert np.isfinite(values).all() and values.std(axis=(0, 1)).min() > 0
    assert 0.0 <= values[..., 2].min() <= values[..., 2].max() <= 1.0
    assert np.abs(values[..., 0]).max() <= 20 * 240 / 224
    assert np.abs(values[..., 1]).max() <= 20 * 320 / 224
    assert pictures[0].encoding == "rgb8"
    assert pictures[0].header.frame_id == "digit_camera_optical_frame"
    units = "pixels, pixels, none"
    outsider.wait_for(
        lambda: outsider.diagnostics[STATUS]["force field units"] == units, "its units"
    )
    assert float(outsider.diagnostics[STATUS]["force field rate (Hz)"]) >= 0.0
