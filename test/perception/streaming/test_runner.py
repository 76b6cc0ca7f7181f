# SPDX-License-Identifier: Apache-2.0
"""The live path steps as training does: observer from the partner, heads from frame to frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sparsh_ros.models.spec import ModelSpec  # noqa: E402
from sparsh_ros.models.streaming.layout import HIDDEN  # noqa: E402
from sparsh_ros.models.zoo import load_model_spec  # noqa: E402
from sparsh_ros.names import STREAM_MODEL  # noqa: E402
from sparsh_ros.perception.streaming.runner import StreamRunner  # noqa: E402
from sparsh_ros.sensors.profiles import load_profile  # noqa: E402
from sparsh_ros.training.stream.batches import cut_chains  # noqa: E402
from sparsh_ros.training.stream.episodes import StreamEpisode, make_episode  # noqa: E402
from sparsh_ros.training.stream.network import StreamNetwork, interleave  # noqa: E402

STRIDE = 5
INTERVAL_S = STRIDE / 60


class Heads:
    """An engine that has heads alone, on torch, and notes the memory it was given."""

    def __init__(self, network: StreamNetwork) -> None:
        self._network = network
        self.since: list[float] = []

    @torch.no_grad()
    def step(self, whole, readings, hidden):
        self.since.append(float(readings[0, -1]))
        assert hidden.shape == (1, HIDDEN) and hidden.any() == (self.since[-1] > 0)
        parts = (torch.from_numpy(np.asarray(p, np.float32)) for p in (whole, readings, hidden))
        return {name: value.numpy() for name, value in self._network.heads(*parts).items()}


@pytest.fixture(scope="module")
def network() -> StreamNetwork:
    torch.manual_seed(0)
    return StreamNetwork().eval()


@pytest.fixture(scope="module")
def episode() -> StreamEpisode:
    return make_episode("validation", 93, 1, 1.5)


def stream_spec(network: StreamNetwork) -> ModelSpec:
    prior = network.prior()
    return replace(
        load_model_spec(STREAM_MODEL),
        friction_prior=tuple(prior.log_weight.tolist()),
        evidence_kept=float(prior.memory.detach()),
    )


def run_live(network: StreamNetwork, episode: StreamEpisode, every: int = 1):
    """Outputs of the runner by frame, and the engine."""
    engine = Heads(network)
    profile = load_profile(episode.meta["sensor"])
    runner = StreamRunner(stream_spec(network), engine)
    runner.add_sensor("gel", profile)
    batch = cut_chains(episode, STRIDE)
    tokens = interleave(network._encode(batch).detach()).numpy()
    contact = interleave(batch.contact).numpy()
    found = {}
    for index in range(0, len(tokens), every):
        stamp_ns = round((index + 1) * 1e9 / 60)
        (step,) = runner.step([("gel", stamp_ns, INTERVAL_S)], tokens[index : index + 1])
        runner.remember("gel", step if contact[index] else None)
        found[index] = step.outputs
    return found, engine, batch


def test_the_runner_does_what_training_foresaw(network, episode) -> None:
    """Every frame of an episode whose gel is as large as its profile says."""
    profile = load_profile(episode.meta["sensor"])
    meta = episode.meta | {"size_mm": [profile.gel_width_mm, profile.gel_height_mm]}
    found, _, batch = run_live(network, replace(episode, meta=meta))
    with torch.no_grad():
        wanted = network.forward_live(batch).heads
    contact = interleave(batch.contact).numpy()
    assert contact[20:].any()
    for name in ("slip", "force", "pose", "slide_scale"):
        own = np.stack([found[index][name] for index in range(len(found))])
        np.testing.assert_allclose(own, interleave(wanted[name]).numpy(), atol=2e-4)


@pytest.mark.parametrize("every", (1, 2))
def test_heads_are_told_how_long_ago_they_remembered(network, episode, every: int) -> None:
    _, engine, batch = run_live(network, episode, every)
    contact = interleave(batch.contact).numpy()[::every]
    since = np.array(engine.since)
    lasts = np.concatenate([[False], contact[:-1]])
    assert lasts.any() and not lasts.all()
    np.testing.assert_allclose(since[lasts], 12 * every / 60, atol=1e-5)
    assert not since[~lasts].any()
