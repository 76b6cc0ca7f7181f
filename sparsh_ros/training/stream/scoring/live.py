# SPDX-License-Identifier: Apache-2.0
"""Models on recordings exactly as live, by the same `Perception`, and what they are worth.

Every model sees the same frames, those as `sparsh-ros simulate` records them. Beside them stand the
answers that need no sensor, and the perfect speedometer, which knows the true speed of the object
and calls it slip from 1.0 mm/s on until below 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.events import accumulate_drift
from sparsh_ros.evaluation.metrics import slip_scores
from sparsh_ros.frames import Frame
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.progress import progress_bar
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.training.episodes import Episode
from sparsh_ros.training.stream.scores import ranked_precision
from sparsh_ros.training.stream.slip_events import RATE_HZ, AlarmRule, alarm, score_events

TASKS = ("force", "slip", "pose")
LIGHT_N = 5.0
MOVING_MM_S = 1.0
STRIDE = 5
_FIRST_NS = 1_000_000_000
_ANISOTROPY = 0.3

Scores = dict[str, float]
Columns = dict[str, NDArray]


class LiveModel:
    """One model with a clock that stands still between frames."""

    def __init__(self, model: str | Path, weights_dir: Path | None = None) -> None:
        """Load it for one CPU thread."""
        self._now_s = 0.0
        self.perception = Perception(
            model,
            TASKS,
            "cpu",
            threads=1,
            monotonic=lambda: self._now_s,
            weights_dir=weights_dir,
        )

    @property
    def frame_threshold(self) -> float:
        """Slip probability of a frame from which on it counts as slip."""
        spec = self.perception.spec
        own = spec.slip_frame_threshold
        return spec.slip_threshold if own is None else own

    def follow(
        self,
        sensor_type: str,
        background: NDArray[np.uint8],
        frames: Iterable[tuple[int, NDArray[np.uint8]]],
    ) -> list[Estimate]:
        """Estimates of all frames (stamp in ns, canonical image) of one sensor."""
        self.perception.add_sensor("gel", load_profile(sensor_type))
        self.perception.set_background("gel", background)
        found = []
        for stamp_ns, image in frames:
            self._now_s = stamp_ns * 1e-9
            self.perception.push("gel", Frame(stamp_ns, image))
            found.extend(self.perception.infer())
        return found


def run_models(
    models: dict[str, LiveModel], paths: Sequence[Path]
) -> tuple[list[Columns], dict[str, list[Columns]]]:
    """Truth of each episode, and the estimates of each model."""
    truths, found = [], {name: [] for name in models}
    with progress_bar("Test episodes", len(paths)) as bar:
        for path in paths:
            episode = Episode.load(path)
            images = [episode.image(index) for index in range(len(episode))]
            frames = list(zip((episode.stamp_ns + _FIRST_NS).tolist(), images, strict=True))
            truths.append(true_columns(episode))
            for name, model in models.items():
                estimates = model.follow(episode.meta["sensor"], episode.background, frames)
                found[name].append(estimated_columns(estimates, model.frame_threshold))
            bar.advance()
    return truths, found


def true_columns(episode: Episode) -> Columns:
    """What is true of each frame, in SI units; changes are since the frame 5 earlier."""
    contact = episode.in_contact.astype(bool)
    force, pose = episode.force_n, episode.pose
    older = np.maximum(np.arange(len(episode)) - STRIDE, 0)
    lost = np.cumsum(~contact)
    held = contact & contact[older] & (lost == lost[older]) & (np.arange(len(episode)) >= STRIDE)
    change = pose - pose[older]
    change[:, 2] = (change[:, 2] + np.pi) % (2 * np.pi) - np.pi
    shown = np.nan_to_num(episode.print_anisotropy) > _ANISOTROPY
    last = np.maximum(np.arange(len(episode)) - 1, 0)
    speed = np.linalg.norm((pose - pose[last])[:, :2], axis=1) * episode.meta["rate_hz"]
    return {
        "force": force,
        "delta": force - force[older],
        "contact": contact,
        "held": held,
        "slipping": episode.slipping.astype(bool),
        "gross_slip": episode.gross_slip.astype(bool),
        "slide": episode.slide_speed_m_s,
        "share": episode.slip_share,
        "margin": episode.friction_margin,
        "change": change,
        "pose": np.where(contact[:, None], pose, np.nan),
        "turns": held & shown & shown[older],
        "speed": np.nan_to_num(speed),
    }


def estimated_columns(estimates: Sequence[Estimate], frame_threshold: float) -> Columns:
    """What was said of each frame; NaN where nothing was. `frame`: whether it slips by that
    threshold alone."""
    named = {
        "force": "force_n",
        "delta": "delta_force_n",
        "probability": "slip_probability",
        "alarm": "slipping",
        "slide": "slide_speed_m_s",
        "share": "slip_share",
        "margin": "friction_margin",
        "change": "pose_change",
        "pose": "pose",
    }
    found = {key: np.array([getattr(e, name) for e in estimates]) for key, name in named.items()}
    found["contact"] = np.array([bool(e.in_contact) for e in estimates])
    variances = [np.diag(estimate.force_covariance) for estimate in estimates]
    frame = found["probability"].astype(float) >= frame_threshold
    return found | {"variance": np.array(variances), "frame": frame}


def live_scores(truths: Sequence[Columns], found: Sequence[Columns]) -> Scores:
    """Scores of one model over all episodes; force and slip in contact, motion while held."""
    truth = {key: np.concatenate([part[key] for part in truths]) for key in truths[0]}
    said = {key: np.concatenate([part[key] for part in found]) for key in found[0]}
    touch, held = truth["contact"], truth["held"]
    scores: Scores = {}
    for axis, name in enumerate("xyz"):
        _add(scores, f"force_{name}_mn", said["force"], truth["force"], touch, axis, 1e3)
        _add(scores, f"delta_{name}_mn", said["delta"], truth["delta"], held, axis, 1e3, True)
    light = touch & (truth["force"][:, 2] <= LIGHT_N)
    _add(scores, "force_z_light_mn", said["force"], truth["force"], light, 2, 1e3)
    for axis, name in enumerate(("x_mm", "y_mm")):
        _add(scores, name, said["change"], truth["change"], held, axis, 1e3, True)
    _add(scores, "turn_deg", said["change"], truth["change"], truth["turns"], 2, 180 / np.pi, True)
    for name, factor in (("share", 1.0), ("margin", 1.0), ("slide", 1e3)):
        key = "slide_mm_s" if name == "slide" else name
        _add(scores, key, said[name][:, None], truth[name][:, None], touch, 0, factor)
    scores["force_within_sd"] = _within(said, truth, touch)
    scores["drift_mm_s"] = _drift(truths, found)
    return scores | _slip(truths, found, truth, said)


def _slip(
    truths: Sequence[Columns], found: Sequence[Columns], truth: Columns, said: Columns
) -> Scores:
    touch, wanted = truth["contact"], truth["slipping"]
    known = touch & np.isfinite(said["probability"])
    moving = known & (truth["speed"] > MOVING_MM_S * 1e-3)
    frames = slip_scores(said["frame"].astype(float), wanted, 0.5)
    alarmed = slip_scores(said["alarm"].astype(float), wanted, 0.5)
    events = score_events([f["alarm"] for f in found], [t["slipping"] for t in truths])
    contact = slip_scores(said["contact"].astype(float), touch, 0.5)
    return {
        "slip_f1": frames["f1"],
        "slip_precision": frames["precision"],
        "slip_recall": frames["recall"],
        "slip_alarm_f1": alarmed["f1"],
        "slip_ap": ranked_precision(said["probability"][known], wanted[known]),
        "slip_moving_ap": ranked_precision(said["probability"][moving], wanted[moving]),
        "gross_slip_ap": ranked_precision(said["probability"][known], truth["gross_slip"][known]),
        "event_f1": events.f1,
        "events": events.events,
        "events_found": events.found,
        "false_per_min": events.false_per_min,
        "unfounded_per_min": events.unfounded_per_min,
        "delay_ms": 1e3 * events.delay_s,
        "contact_f1": contact["f1"],
    }


def trivial_columns(truth: Columns) -> Columns:
    """What needs no sensor: median force of contact, no change, always slipping."""
    count = len(truth["contact"])
    return {
        "force": np.full((count, 3), np.nan),
        "delta": np.zeros((count, 3)),
        "probability": np.ones(count),
        "alarm": np.ones(count, bool),
        "frame": np.ones(count, bool),
        "slide": np.zeros(count),
        "share": np.zeros(count),
        "margin": np.ones(count),
        "change": np.zeros((count, 3)),
        "pose": np.where(truth["contact"][:, None], np.zeros((count, 3)), np.nan),
        "contact": np.ones(count, bool),
        "variance": np.full((count, 3), np.nan),
    }


def speedometer_columns(truth: Columns) -> Columns:
    """The perfect speedometer; of force it knows nothing."""
    speed = 1e3 * truth["speed"] * truth["contact"]
    alarmed = alarm(speed, AlarmRule(1.0, 0.5))
    changed = {
        "probability": speed,
        "alarm": alarmed,
        "frame": alarmed,
        "slide": truth["speed"],
    }
    return trivial_columns(truth) | changed | {"contact": truth["contact"]}


def _add(
    scores: Scores,
    name: str,
    said: NDArray,
    truth: NDArray,
    mask: NDArray,
    axis: int,
    factor: float,
    is_change: bool = False,
) -> None:
    """Mean absolute error where something was said, that of the median (or no change), coverage."""
    value, wanted = said[mask, axis], truth[mask, axis]
    known = np.isfinite(value) & np.isfinite(wanted)
    guess = 0.0 if is_change else np.nanmedian(wanted) if len(wanted) else np.nan
    error = np.abs(value - wanted)[known]
    scores[name] = factor * float(error.mean()) if known.any() else float("nan")
    trivial = np.abs(guess - wanted[np.isfinite(wanted)])
    scores[f"{name}_trivial"] = factor * float(trivial.mean()) if len(trivial) else float("nan")
    scores[f"{name}_coverage"] = float(known.mean()) if len(known) else float("nan")


def _within(said: Columns, truth: Columns, touch: NDArray) -> float:
    """Share of the forces within one standard deviation; .76 for a Laplace distribution."""
    ratio = (said["force"] - truth["force"])[touch] ** 2 / said["variance"][touch]
    known = np.isfinite(ratio)
    return float((ratio[known] <= 1).mean()) if known.any() else float("nan")


def _drift(truths: Sequence[Columns], found: Sequence[Columns]) -> float:
    """How far the pose since contact began drifts from the true one, mm/s."""
    scale = (1e3, 1e3, 180 / np.pi)
    period_ns = 1e9 / RATE_HZ
    total = 0.0
    lasted_s = 0.0
    for truth, said in zip(truths, found, strict=True):
        stamps = np.round(np.arange(len(truth["pose"])) * period_ns).astype(np.int64)
        sums = accumulate_drift(stamps, said["pose"] * scale, truth["pose"] * scale, period_ns)
        total, lasted_s = total + float(sums["drift_mm"]), lasted_s + float(sums["drift_mm_s"])
    return total / lasted_s if lasted_s else float("nan")


def score_models(models: dict[str, LiveModel], paths: Sequence[Path]) -> dict[str, Scores]:
    """Scores of each model and of what knows less, or only speed, on the same episodes."""
    truths, found = run_models(models, paths)
    scores = {name: live_scores(truths, columns) for name, columns in found.items()}
    for name, make in (("speedometer", speedometer_columns), ("trivial", trivial_columns)):
        scores[name] = live_scores(truths, [make(truth) for truth in truths])
    return scores
