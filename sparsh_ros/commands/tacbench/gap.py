# SPDX-License-Identifier: Apache-2.0
"""The domain gap in the report of the benchmark: recorded touches beside simulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparsh_ros.bench.simulation_gap import tell_apart
from sparsh_ros.commands.simulation.simulation_gap import recorded_shots
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.reports.tacbench import Section
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.training.clips.episodes import prepare_frames
from sparsh_ros.training.clips.store import open_clips
from sparsh_ros.training.tacbench.encoders import Contender
from sparsh_ros.training.tacbench.gap import (
    frechet_distance,
    halves,
    pooled_features,
    touched_frames,
)

SHOTS = 300
"""Touches of each side, at most."""
_HEAD = ("encoder", "simulated to real", "between simulated sensors", "ratio", "told apart (AUC)")


def gap_section(
    contenders: Sequence[Contender],
    recordings: Sequence[Path],
    sensor: str,
    data: Path,
    cache: Path,
) -> Section:
    """How far real touches are from simulated ones in the features of each frozen encoder.

    Args:
        contenders: The encoders.
        recordings: Videos or folders of images of real sensors, each a group.
        sensor: Their type.
        data: Folder with simulated episodes, of which the test split is taken.
        cache: Folder for files.

    Raises:
        RecordingError: A recording is unreadable or shows no contact.
        DatasetError: There are no simulated episodes, or they are damaged.
    """
    profile, share = load_profile(sensor), -(-SHOTS // len(recordings))
    shots = [
        shot
        for group, path in enumerate(recordings)
        for shot in recorded_shots(path, profile, share, None, group)
    ]
    rows = []
    for contender in contenders:
        spec = contender.spec
        size = (spec.image_height, spec.image_width)
        real = np.concatenate(
            [
                prepare_frames(
                    Path(shot.caption), shot.image[None], shot.background, {"sensor": sensor}, size
                )
                for shot in shots
            ]
        )
        store = open_clips(data, "test", cache, spec)
        simulated, instances = touched_frames(store, sensor, SHOTS)
        encoder = load_model_encoder(spec)
        ours, theirs = (pooled_features(encoder, frames) for frames in (simulated, real))
        far, first = frechet_distance(ours, theirs), halves(instances)
        near = frechet_distance(ours[first], ours[~first])
        groups = np.array([shot.group for shot in shots])
        apart = tell_apart(theirs, ours, groups, instances)
        numbers = (f"{far:.3g}", f"{near:.3g}", f"{far / near:.1f}", f"{apart:.2f}")
        rows.append((contender.name, *numbers))
    title = (
        f"Domain gap: {len(shots)} touches of {len(recordings)} recordings of a {sensor} beside "
        f"{len(simulated)} simulated ones, Fr\u00e9chet distance of features"
    )
    return Section(title, "", _HEAD, rows, {})
