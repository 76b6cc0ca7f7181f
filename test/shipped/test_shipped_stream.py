# SPDX-License-Identifier: Apache-2.0
"""The streaming model that ships: the live path (ONNX, NumPy) gives what training's twin gives."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.errors import WeightsError
from sparsh_ros.frames import Frame
from sparsh_ros.models.streaming.images import shrink
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.simulation import TouchSimulation

FRAMES = 46
STRIDE = 5


@pytest.fixture(scope="module")
def touch():
    """Samples of a touch on a whole sensor, all in firm contact, and its background."""
    simulation = TouchSimulation("digit", 30_000_001, "random", kinds=["flat"])
    background = simulation.background()
    samples = []
    while len(samples) < FRAMES:
        sample = simulation.step()
        samples = [*samples, sample] if sample.force_n[2] > 0.8 else []
    return background, samples


def follow(samples, background, leave_out=()):
    now_s = 0.0
    perception = Perception(
        STREAM_MODEL, ("force", "slip", "pose"), "cpu", 1, monotonic=lambda: now_s
    )
    perception.add_sensor("gel", load_profile("digit"))
    perception.set_background("gel", background)
    found = []
    for index, sample in enumerate(samples):
        now_s = 1 + index / 60
        if index in leave_out:
            continue
        perception.push("gel", Frame(round(now_s * 1e9), sample.image))
        found.extend(perception.infer())
    return found


@pytest.mark.parametrize("phase", (0, 3))
def test_live_equals_training(touch, phase) -> None:
    """At 12 frames/s there is a single chain, which is what training sees."""
    torch = pytest.importorskip("torch")
    from sparsh_ros.training.stream.batches import Batch

    background, samples = touch
    network = shipped_network()
    left_out = [index for index in range(FRAMES) if index % STRIDE != phase]
    live = follow(samples, background, left_out)[1:]
    assert all(estimate.in_contact for estimate in live), "the test needs contact throughout"
    images = [background, *(sample.image for sample in samples[phase::STRIDE])]
    small = torch.from_numpy(np.stack([shrink(image) for image in images])).float()
    small = small.permute(0, 3, 1, 2)
    profile = load_profile("digit")
    known = {
        "frames": small[None, 1:],
        "background": small[:1],
        "touched": torch.arange(len(live))[None] > 0,
        "size": torch.tensor([[profile.gel_width_mm, profile.gel_height_mm]]),
        "interval_s": torch.tensor([STRIDE / 60]),
    }
    with torch.no_grad():
        outputs = network(Batch(**dict.fromkeys(Batch.__dataclass_fields__) | known)).heads
    told = {
        "force": "force_n",
        "delta_force": "delta_force_n",
        "share": "slip_share",
        "margin": "friction_margin",
    }
    for name, attribute in told.items():
        if name not in load_model_spec(STREAM_MODEL).unshipped:
            values = np.array([getattr(estimate, attribute) for estimate in live])
            wanted = outputs[name][0].numpy()
            np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-4, err_msg=name)
    slip = torch.sigmoid(outputs["slip"][0]).numpy()
    np.testing.assert_allclose([e.slip_probability for e in live], slip, atol=1e-4)


def shipped_network():
    """Training's twin with the weights that ship."""
    from sparsh_ros.training.stream.network import StreamNetwork
    from sparsh_ros.training.stream.start import read_weights

    network = StreamNetwork()
    network.load_state_dict(read_weights(load_model_spec(STREAM_MODEL).weights))
    return network.eval()


def test_memory_makes_a_difference_and_ends_with_a_break(touch) -> None:
    background, samples = touch
    whole = follow(samples, background)
    gap = range(20, 33)
    broken = follow(samples, background, leave_out=gap)
    fresh = follow(samples[33:], background)
    last = broken[-1]
    np.testing.assert_allclose(last.force_n, fresh[-1].force_n, atol=1e-5)
    assert not np.allclose(last.force_n, whole[-1].force_n, atol=1e-5)


def test_frames_left_out_by_a_slow_computer_do_not_end_memory(touch) -> None:
    background, samples = touch
    sparse = follow(samples, background, leave_out=[i for i in range(FRAMES) if i % 2])
    whole = follow(samples, background)
    assert sparse[-1].valid
    np.testing.assert_allclose(sparse[-1].force_n, whole[-2].force_n, atol=1.0)


def test_files_are_small_and_what_was_chosen_stands_beside_them() -> None:
    folder: Path = load_model_spec(STREAM_MODEL).weights
    assert sum(path.stat().st_size for path in folder.glob("*.onnx")) < 3e6
    chosen = json.loads((folder / "chosen.json").read_text())
    assert chosen["run"] == min(chosen["runs"], key=lambda n: chosen["runs"][n]["best_loss"])
    spec = load_model_spec(STREAM_MODEL)
    assert spec.slip_threshold == chosen["slip_threshold"]
    assert 0 < spec.slip_release < spec.slip_threshold < 1


def test_the_live_path_needs_no_torch(touch, monkeypatch) -> None:
    background, samples = touch
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        monkeypatch.setitem(sys.modules, name, None)
    assert follow(samples[:8], background)[-1].valid


def test_heads_of_another_build_are_refused(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    from sparsh_ros.export.export import write_graph
    from sparsh_ros.models.streaming.layout import OUTPUTS, STEP_INPUTS
    from sparsh_ros.models.streaming.network import StreamingHeads

    spec = load_model_spec(STREAM_MODEL)
    shutil.copytree(spec.weights, tmp_path / "old")
    sizes = STEP_INPUTS | {"readings": STEP_INPUTS["readings"] - 1}
    values = {name: torch.zeros(2, size) for name, size in sizes.items()}
    old = replace(spec, weights=tmp_path / "old")
    write_graph(StreamingHeads(sizes["readings"]), values, list(OUTPUTS), old, "heads")
    with pytest.raises(WeightsError, match="exported from another model"):
        Perception(STREAM_MODEL, weights_dir=tmp_path / "old")
