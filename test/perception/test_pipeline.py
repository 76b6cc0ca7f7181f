# SPDX-License-Identifier: Apache-2.0
"""Perception: what is inferred when, by a fake engine; and end to end with the shipped weights."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.waiting import Clock

from sparsh_ros.engines import create_engine
from sparsh_ros.errors import FrameError, ModelError, ParameterError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL, TRANSFORMER_MODEL
from sparsh_ros.perception import pipeline as module
from sparsh_ros.perception.head_runner import EncodedFrame, Features, HeadRunner
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors import SensorProfile, load_profile, open_sensor
from sparsh_ros.sensors.images import read_image

LONG_S = 30.0
START = 1_700_000_000_000_000_000
PERIOD_NS = round(1e9 / 60)
DIGIT, GELSIGHT_2017 = load_profile("digit"), load_profile("gelsight_2017")
TOKENS, WIDTH = 300, 192
STALE_S = 8 / 60  # of a DIGIT


class FakeEngine:
    """Tokens hold the images' first pixels, and forces are what the tokens hold."""

    description = "fake"

    def __init__(self, heads: tuple[str, ...]) -> None:
        self.heads = tuple(heads)
        self.calls: list[tuple[np.ndarray, ...]] = []
        self.warm = 0

    def warm_up(self) -> None:
        self.warm += 1

    def encode(self, *images: np.ndarray) -> np.ndarray:
        self.calls.append(images)
        tokens = np.zeros((len(images[0]), TOKENS, WIDTH), np.float32)
        for column, batch in enumerate(images):
            tokens[:, 0, column] = batch[:, 0, 0, 0]
        return tokens

    def run_head(self, head: str, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        if head == "forcefield":
            return self._force_field(*inputs)
        (tokens,) = inputs
        batch = len(tokens)
        if head == "force":
            return {"force": tokens[:, 0, :3] / 255}
        if head == "slip":
            return {"slip": np.zeros((batch, 2), np.float32), "force": tokens[:, 0, :3] / 255}
        return {name: np.zeros((batch, 11), np.float32) for name in ("tx", "ty", "yaw")}

    def _force_field(self, *images: np.ndarray) -> dict[str, np.ndarray]:
        """Normal is the current image's left to right slope, shear 1 to the right, 2 down."""
        normal = np.linspace(0, 1, 8, dtype=np.float32) * images[0][0, 0, 0, 0] / 255
        shear = np.float32([1, 2])[:, None, None]
        return {
            "normal": np.broadcast_to(normal, (1, 1, 8, 8)),
            "shear": np.broadcast_to(shear, (1, 2, 8, 8)),
        }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Perception:
    """Perception on a fake engine, with a DIGIT "left" that has a background."""
    monkeypatch.setattr(module, "create_engine", lambda spec, device, heads, **_: FakeEngine(heads))
    spec = replace(load_model_spec("sparsh-sim-micro"), heads=("force", "slip", "pose"))
    monkeypatch.setattr(module, "load_model_spec", lambda *_: spec)
    perception = Perception(monotonic=clock)
    perception.add_sensor("left", DIGIT)
    perception.set_background("left", image(100))
    return perception


def image(level: int) -> np.ndarray:
    return np.full(IMAGE_SHAPE, level, np.uint8)


def frame(index: int, level: int | None = None) -> Frame:
    """Frame number `index` of a 60 fps sensor."""
    level = index % 256 if level is None else level
    return Frame(START + index * PERIOD_NS, image(level), index)


def push(perception: Perception, name: str, indices: range) -> None:
    for index in indices:
        perception.push(name, frame(index))


def test_pairs_current_with_the_frame_one_interval_older(fake: Perception) -> None:
    push(fake, "left", range(9))
    (estimate,) = fake.infer()
    assert estimate.valid and estimate.stamp_ns == START + 8 * PERIOD_NS
    assert estimate.interval_s == pytest.approx(5 / 60, abs=1e-6)
    np.testing.assert_allclose(estimate.force_n, np.array([8, 3, 100]) / 255 * DIGIT.force_scale_n)
    np.testing.assert_allclose(
        estimate.delta_force_n, np.array([8, 3, 100]) / 255 * DIGIT.delta_force_scale_n, rtol=1e-6
    )
    assert estimate.slip_probability == 0.5 and fake.engine.warm == 1


def test_a_video_model_sees_its_clip_newest_first(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets_s = (0.0, 2 / 60, 4 / 60, 6 / 60)
    spec = replace(fake.spec, frame_offsets_s=offsets_s, tubelet=2)
    monkeypatch.setattr(module, "load_model_spec", lambda *_: spec)
    video = Perception()
    for name, profile in (("left", DIGIT), ("right", GELSIGHT_2017)):
        video.add_sensor(name, profile)
    video.set_background("left", image(100))
    push(video, "left", range(9))
    push(video, "right", range(20, 29))
    left, right = video.infer()
    assert left.valid and right.valid and left.interval_s == pytest.approx(0.1, abs=1e-6)
    seen = [list(batch[:, 0, 0, 0]) for batch in video.engine.calls[0]]
    assert seen == [[8, 28], [6, 26], [4, 24], [2, 22], [100, 127]]


def test_each_frame_is_inferred_once(fake: Perception) -> None:
    push(fake, "left", range(6))
    assert len(fake.infer()) == 1
    assert fake.infer() == []
    fake.push("left", frame(5))
    assert fake.infer() == [] and len(fake.engine.calls) == 1
    fake.push("left", frame(6))
    assert fake.infer()[0].stamp_ns == START + 6 * PERIOD_NS


def test_late_frame_is_a_partner_but_not_inferred(fake: Perception) -> None:
    push(fake, "left", range(6))
    fake.push("left", frame(8))
    assert fake.infer()[0].stamp_ns == frame(8).stamp_ns
    fake.push("left", frame(7))
    assert fake.infer() == []
    fake.push("left", frame(12))
    assert fake.infer()[0].valid
    assert fake.engine.calls[-1][1][0, 0, 0, 0] == 7


def test_sensors_share_one_call_and_keep_their_own_backgrounds(fake: Perception) -> None:
    fake.add_sensor("right", GELSIGHT_2017)
    fake.add_sensor("idle", DIGIT)
    push(fake, "left", range(6))
    push(fake, "right", range(20, 26))
    left, right = fake.infer()
    assert (left.sensor, right.sensor) == ("left", "right") and left.valid and right.valid
    assert len(fake.engine.calls) == 1
    current, previous, background = fake.engine.calls[0]
    assert current.shape == previous.shape == background.shape == (2, *IMAGE_SHAPE)
    assert [list(images[:, 0, 0, 0]) for images in (current, previous)] == [[5, 25], [0, 20]]
    assert (background[0] == 100).all() and (background[1] == 127).all()
    np.testing.assert_allclose(left.force_n[0], 5 / 255 * 4.0)
    np.testing.assert_allclose(right.force_n[0], 25 / 255 * 1.5)


def test_a_background_can_be_forgotten(fake: Perception) -> None:
    fake.add_sensor("right", GELSIGHT_2017)
    for name in ("left", "right"):
        fake.set_background(name, None)
        push(fake, name, range(6))
    left, right = sorted(fake.infer(), key=lambda estimate: estimate.sensor)
    assert not left.valid and "no background" in left.reason
    assert right.valid


def test_a_sensor_that_is_not_ready_delays_nobody(fake: Perception) -> None:
    fake.add_sensor("first", DIGIT)
    fake.add_sensor("aa", GELSIGHT_2017)
    fake.push("aa", frame(0))
    push(fake, "first", range(6))
    push(fake, "left", range(6))
    estimates = {estimate.sensor: estimate for estimate in fake.infer()}
    assert estimates["left"].valid and not estimates["first"].valid and not estimates["aa"].valid
    assert "no background" in estimates["first"].reason
    assert "no partner frame" in estimates["aa"].reason
    np.testing.assert_allclose(estimates["left"].force_n[0], 5 / 255 * 4.0)


def test_background_makes_it_valid(fake: Perception) -> None:
    fake.add_sensor("left", DIGIT)
    push(fake, "left", range(6))
    assert "no background" in fake.infer()[0].reason
    fake.set_background("left", image(9))
    fake.push("left", frame(6))
    assert fake.infer()[0].valid
    assert (fake.engine.calls[-1][2] == 9).all()


def test_background_is_checked_and_copied(fake: Perception) -> None:
    mine = image(9)
    fake.set_background("left", mine)
    mine[:] = 0
    push(fake, "left", range(6))
    fake.infer()
    assert (fake.engine.calls[-1][2] == 9).all()
    with pytest.raises(FrameError, match="found shape"):
        fake.set_background("left", np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(ParameterError, match="'middle': unknown .* knows left"):
        fake.set_background("middle", mine)
    with pytest.raises(ParameterError, match="unknown"):
        fake.push("middle", frame(0))
    with pytest.raises(ParameterError, match="unknown"):
        fake.counters("middle")


def test_silence_is_reported_once_and_ends_by_itself(fake: Perception, clock: Clock) -> None:
    push(fake, "left", range(6))
    assert fake.infer()[0].valid
    clock.now_s += STALE_S * 0.9
    assert fake.infer() == []
    clock.now_s += STALE_S
    (estimate,) = fake.infer()
    assert not estimate.valid and "stale: no frame for 0.25 s" in estimate.reason
    assert np.isnan(estimate.force_n).all() and not estimate.slipping
    assert fake.infer() == []
    push(fake, "left", range(60, 66))
    assert fake.infer()[0].valid
    clock.now_s += 2 * STALE_S
    assert "stale" in fake.infer()[0].reason


@pytest.mark.parametrize(
    ("profile", "rate_hz", "stale_s"),
    [
        (DIGIT, 60.0, 8 / 60),
        (DIGIT, 30.0, 8 / 30),
        (DIGIT, 15.0, 8 / 15),
        (DIGIT, 90.0, 8 / 60),
        (replace(DIGIT, fps=120.0), 120.0, 0.1),
        (load_profile("gelsight_mini"), 25.0, 8 / 25),
        (load_profile("gelsight_mini"), 18.0, 8 / 18),
    ],
)
def test_silence_is_told_by_the_frame_period_and_slow_cameras_do_not_flicker(
    fake: Perception, clock: Clock, profile: SensorProfile, rate_hz: float, stale_s: float
) -> None:
    fake.add_sensor("left", profile)
    fake.set_background("left", image(100))
    estimates = []
    for number in range(40):
        fake.push("left", Frame(START + round(number / rate_hz * 1e9), image(number), number))
        estimates += fake.infer()
        for _ in range(10):  # looked at often, as a node does
            clock.now_s += 0.1 / rate_hz
            estimates += fake.infer()
    assert len(estimates) == 40 and all(estimate.valid for estimate in estimates[8:])
    clock.now_s += stale_s - 1 / rate_hz - 0.001
    assert fake.infer() == []
    clock.now_s += 0.002
    assert "stale" in fake.infer()[0].reason


def test_gap_is_not_taken_for_a_slow_camera(fake: Perception, clock: Clock) -> None:
    for number in range(12):
        clock.now_s += 2.0 if number in (1, 6, 7) else 1 / 60
        fake.push("left", frame(number))
        fake.infer()
        clock.now_s += STALE_S + 0.001
        assert "stale" in fake.infer()[0].reason
        clock.now_s -= STALE_S + 0.001


def test_frames_lost_to_an_engine_that_failed_can_be_invalidated(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_sensor("right", DIGIT)
    push(fake, "left", range(9))
    push(fake, "right", range(1))
    with monkeypatch.context() as patch:
        patch.setattr(fake.engine, "encode", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fake.infer()
    left, right = fake.invalidate_last("the engine failed")
    assert (left.valid, left.reason, left.stamp_ns) == (
        *(False, "the engine failed"),
        START + 8 * PERIOD_NS,
    )
    assert not right.valid and right.reason.startswith("no background")
    push(fake, "left", range(9, 10))
    (left,) = fake.infer()
    assert left.valid


@pytest.mark.parametrize(
    ("ahead_s", "found"),
    [(0, ""), (9, ""), (-9, ""), (3600, "3600 s behind it"), (-3600, "3600 s ahead of it")],
)
def test_stamps_an_hour_off_are_invalid(
    fake: Perception, monkeypatch: pytest.MonkeyPatch, ahead_s: int, found: str
) -> None:
    now_ns = START + 5 * PERIOD_NS + ahead_s * 10**9
    monkeypatch.setattr(fake, "_stamp_clock", lambda: now_ns)
    push(fake, "left", range(6))
    (estimate,) = fake.infer()
    assert estimate.valid == (not found) and found in estimate.reason
    assert fake.engine.calls == [] or estimate.valid


def test_wait_ends_with_silence(fake: Perception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "_monotonic", time.monotonic)
    push(fake, "left", range(6))
    fake.infer()
    assert fake.wait(LONG_S)
    assert "stale" in fake.infer()[0].reason
    assert not fake.wait(0.01)


def test_wait_ends_while_the_clock_of_the_frames_stands_still(fake: Perception) -> None:
    push(fake, "left", range(6))
    assert fake.infer()[0].valid
    assert not fake.wait(0.01)


def test_frame_that_waited_too_long_is_stale(fake: Perception, clock: Clock) -> None:
    push(fake, "left", range(6))
    clock.now_s += 2 * STALE_S
    assert "stale" in fake.infer()[0].reason
    assert fake.engine.calls == []


def test_never_seen_sensor_has_nothing_to_say(fake: Perception, clock: Clock) -> None:
    clock.now_s += 100.0
    assert fake.infer() == []


def test_counters_account_for_every_frame(fake: Perception, clock: Clock) -> None:
    rng = np.random.default_rng(0)
    index = 0
    for _ in range(300):
        for _ in range(rng.integers(1, 4)):
            index += int(rng.choice([1, 1, 1, 2, 0, -1, -50, 40]))
            fake.push("left", frame(index, 7))
        if rng.random() < 0.1:
            clock.now_s += 2 * STALE_S
        fake.infer()
    c = fake.counters("left")
    assert c.received == c.encoded + c.unpaired + c.replaced + c.duplicates + c.late
    assert min(c.encoded, c.unpaired, c.replaced, c.duplicates, c.late, c.clock_steps) > 0
    assert c.encoded == sum(len(current) for current, _, _ in fake.engine.calls)


def test_wait_ends_with_a_frame_from_another_thread(fake: Perception) -> None:
    assert not fake.wait(0.0)
    thread = threading.Thread(target=fake.push, args=("left", frame(0)))
    thread.start()
    assert fake.wait(LONG_S)
    thread.join()
    fake.infer()
    assert not fake.wait(0.0)


def test_pushing_goes_on_while_the_encoder_works(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(fake, "left", range(6))
    encode = fake.engine.encode

    def slow_encode(*images: np.ndarray) -> np.ndarray:
        push(fake, "left", range(6, 9))
        return encode(*images)

    monkeypatch.setattr(fake.engine, "encode", slow_encode)
    assert fake.infer()[0].stamp_ns == frame(5).stamp_ns
    monkeypatch.setattr(fake.engine, "encode", encode)
    assert fake.infer()[0].stamp_ns == frame(8).stamp_ns
    assert fake.counters("left").replaced == 5 + 2


def test_a_remote_head_gives_the_same_estimate(fake: Perception) -> None:
    fake.add_sensor("right", GELSIGHT_2017)
    remote = HeadRunner(fake.spec, FakeEngine(("force", "slip")))
    for name, profile in (("left", DIGIT), ("right", GELSIGHT_2017)):
        remote.add_sensor(name, profile)
    fake.push("left", frame(0))
    push(fake, "right", range(6))
    features = fake.encode()
    here = fake.run_heads(features)
    there = []
    for encoded, tokens in features.per_frame():
        assert (tokens is None) == (not encoded.valid)
        batch = None if tokens is None else tokens[None].astype(np.float32)
        there += remote.run(Features((encoded,), batch))
    assert [estimate.valid for estimate in there] == [False, True]
    assert tokens.shape == (TOKENS, WIDTH) and tokens.dtype == np.float16
    for near, far in zip(here, there, strict=True):
        assert (near.stamp_ns, near.reason) == (far.stamp_ns, far.reason)
        np.testing.assert_array_equal(near.force_n, far.force_n)


def test_heads_refuse_an_unknown_sensor(fake: Perception) -> None:
    head_runner = HeadRunner(fake.spec, FakeEngine(("force",)))
    with pytest.raises(ParameterError, match="'left': unknown to the heads"):
        head_runner.run(Features((EncodedFrame("left", START, reason="stale"),), None))


def test_weights_without_heads_give_invalid_estimates(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(fake.spec, heads=())
    monkeypatch.setattr(module, "load_model_spec", lambda *_: spec)
    bare = Perception()
    assert tuple(bare.heads.missing) == ("force", "slip", "pose")
    bare.add_sensor("right", GELSIGHT_2017)
    push(bare, "right", range(6))
    (estimate,) = bare.infer()
    assert not estimate.valid and "no weights for the heads" in estimate.reason


def test_a_missing_head_leaves_the_others(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_model_spec", lambda *_: replace(fake.spec, heads=("force",)))
    part = Perception(heads=("force", "slip"))
    assert tuple(part.heads.missing) == ("slip",)
    part.add_sensor("right", GELSIGHT_2017)
    push(part, "right", range(6))
    (estimate,) = part.infer()
    assert (
        estimate.valid
        and np.isfinite(estimate.force_n).all()
        and np.isnan(estimate.slip_probability)
    )


def with_field(
    fake: Perception, monkeypatch: pytest.MonkeyPatch, transforms: str = "", heads: tuple = ()
) -> Perception:
    """Perception with a force field, of a model that wants its images by such rules."""
    spec = replace(fake.spec, heads=("forcefield", *heads), transforms=transforms)
    monkeypatch.setattr(module, "load_model_spec", lambda *_: spec)
    perception = Perception(heads=("auto",))
    perception.add_sensor("left", DIGIT)
    perception.set_background("left", image(100))
    return perception


def test_the_force_field_is_that_of_the_frame_looked_at_last(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    perception = with_field(fake, monkeypatch)
    assert perception.force_field("left") is None
    push(perception, "left", range(9))
    perception.infer()
    push(perception, "left", range(9, 11))  # not looked at
    field = perception.force_field("left")
    assert field.frame.stamp_ns == START + 8 * PERIOD_NS
    assert field.frame.image[0, 0, 0] == 8
    np.testing.assert_allclose(field.values[0, -1, 2], 8 / 255, rtol=1e-5)
    np.testing.assert_allclose(field.values[5, 5, :2], [240 / 8, -2 * 320 / 8], rtol=1e-5)


def test_a_force_field_of_mirrored_images_is_mirrored_back(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    perception = with_field(fake, monkeypatch, transforms="sparsh-demo")  # flips a DIGIT's columns
    push(perception, "left", range(9))
    perception.infer()
    values = perception.force_field("left").values
    assert values[0, 0, 2] > values[0, -1, 2]
    np.testing.assert_allclose(values[5, 5, :2], [-240 / 8, -2 * 320 / 8], rtol=1e-5)


def test_there_is_no_force_field_of_a_frame_that_cannot_be_encoded(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    perception = with_field(fake, monkeypatch)
    push(perception, "left", range(9))
    perception.infer()
    perception.set_background("left", None)
    push(perception, "left", range(9, 10))
    perception.infer()
    assert perception.force_field("left") is None


def test_tokens_that_nobody_reads_are_not_made(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = with_field(fake, monkeypatch)
    push(alone, "left", range(9))
    (estimate,) = alone.infer()
    assert not alone.engine.calls
    # Not all is unknown, there is the field; but no head says anything.
    assert estimate.valid and estimate.in_contact is None
    assert np.isnan(estimate.force_n).all() and np.isnan(estimate.slip_probability)
    both = with_field(fake, monkeypatch, heads=("force",))
    push(both, "left", range(9))
    (estimate,) = both.infer()
    assert len(both.engine.calls) == 1 and np.isfinite(estimate.force_n).all()


def test_answers_are_turned_to_the_gel_frame(
    fake: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(fake.spec, transforms="sparsh-demo", force_outputs=("y", "x", "z"))
    monkeypatch.setattr(module, "load_model_spec", lambda *_: spec)
    perception = Perception(heads=("force",))
    perception.add_sensor("left", DIGIT)
    perception.set_background("left", image(100))
    push(perception, "left", range(9))
    (estimate,) = perception.infer()
    # The head says 8, 3, 100: labels with x and y exchanged, of an image with columns mirrored.
    wanted = np.array([-3, 8, 100]) / 255 * DIGIT.force_scale_n
    np.testing.assert_allclose(estimate.force_n, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"contact_threshold_n": 0.0}, ParameterError, "force above 0 N, found 0.0"),
        ({"contact_threshold_n": float("nan")}, ParameterError, "found nan"),
        ({"slip_threshold": 1.5}, ParameterError, "between 0 and 1, found 1.5"),
        ({"heads": ("force", "smell")}, ModelError, r"found \['smell'\]"),
    ],
)
def test_bad_settings(fake: Perception, settings: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        Perception(**settings)


# With the weights that ship.


def follow(sensor: object, perception: Perception, count: int) -> list[Estimate]:
    """Estimates of the first `count` frames or so of a sensor."""
    estimates, last = [], 0
    with sensor:
        while len(estimates) < count and (frame := sensor.wait(last, LONG_S)) is not None:
            last = frame.sequence
            perception.push("gel", frame)
            estimates += perception.infer()
    return estimates


def check_plausible(estimates: list[Estimate], scale_n: tuple[float, float, float]) -> None:
    known = [estimate for estimate in estimates if estimate.valid]
    assert len(known) >= 3
    for estimate in known:
        assert np.isfinite(estimate.force_n).all() and estimate.force_n[2] >= 0
        assert (np.abs(estimate.force_n) <= scale_n).all()
        assert 0 <= estimate.slip_probability <= 1
        assert isinstance(estimate.in_contact, bool)
        if np.isfinite(estimate.pose_change).all():
            assert (np.linalg.eigvalsh(estimate.pose_change_covariance) > 0).all()
    for estimate in estimates:
        assert estimate.valid == (estimate.reason == "")


@pytest.mark.parametrize(
    ("recording", "background", "profile"),
    [
        ("digit_force_shear/frames", "digit_force_shear/background.png", "digit"),
        ("gelsight_mini_slip/slip__plier__exp8__cam0.avi", None, "gelsight_mini"),
        ("gelsight_mini_slip/noslip__tin_box__exp4__cam2.avi", None, "gelsight_2017"),
    ],
)
@pytest.mark.parametrize("model", [TRANSFORMER_MODEL, STREAM_MODEL])
def test_real_recording_runs_through(
    tactile_data: Path, recording: str, background: str | None, profile: str, model: str
) -> None:
    sensor = open_sensor("video", profile=profile, input=tactile_data / recording, fps=30.0)
    perception = Perception(model, device="cpu", threads=1)
    perception.add_sensor("gel", sensor.profile)
    if background is not None:
        reference = sensor.profile.to_canonical(read_image(tactile_data / background), "bgr")
        perception.set_background("gel", reference)
    elif sensor.profile.subtract_background:
        perception.set_background("gel", image(127))
    estimates = follow(sensor, perception, 25)
    # The outputs of the streaming model have no bounds.
    bounds_n = sensor.profile.force_scale_n if model == TRANSFORMER_MODEL else (np.inf,) * 3
    check_plausible(estimates, bounds_n)
    counters = perception.counters("gel")
    assert counters.encoded == sum(estimate.valid for estimate in estimates)


def test_simulated_touch_runs_through() -> None:
    sensor = open_sensor("simulated", seed=4, touch="demo")
    perception = Perception(device="cpu", threads=1)
    perception.add_sensor("gel", sensor.profile)
    with sensor:
        perception.set_background("gel", sensor.background)
    check_plausible(follow(sensor, perception, 60), sensor.profile.force_scale_n)


def test_remote_heads_agree_with_local_ones_within_half_precision() -> None:
    spec = load_model_spec("sparsh-sim-micro")
    perception = Perception(spec.name, device="cpu", threads=1)
    remote = HeadRunner(spec, create_engine(spec, "cpu", encoder=False, threads=1))
    for known in (perception, remote):
        known.add_sensor("gel", GELSIGHT_2017)
    rng = np.random.default_rng(0)
    for index in range(6):
        noise = rng.integers(0, 256, IMAGE_SHAPE, np.uint8)
        perception.push("gel", Frame(START + index * PERIOD_NS, noise, index))
    features = perception.encode()
    (near,) = perception.run_heads(features)
    ((encoded, tokens),) = features.per_frame()
    (far,) = remote.run(Features((encoded,), tokens[None].astype(np.float32)))
    np.testing.assert_allclose(near.force_n, far.force_n, atol=0.02)
    assert near.slip_probability == pytest.approx(far.slip_probability, abs=0.01)


def test_tokens_on_a_torch_device_give_the_same_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from sparsh_ros.engines.torch_engine import TorchEngine

    by_onnx = Perception(TRANSFORMER_MODEL, device="cpu", threads=1, monotonic=Clock())
    monkeypatch.setattr(
        module,
        "create_engine",
        lambda spec, device, heads, **_: TorchEngine(spec, heads, device="cpu"),
    )
    by_torch = Perception(TRANSFORMER_MODEL, monotonic=Clock())
    rng = np.random.default_rng(0)
    for index in range(6):
        noise = rng.integers(0, 256, IMAGE_SHAPE, np.uint8)
        for perception in (by_onnx, by_torch):
            if index == 0:
                perception.add_sensor("gel", GELSIGHT_2017)
            perception.push("gel", Frame(START + index * PERIOD_NS, noise, index))
    near, far = by_onnx.encode(), by_torch.encode()
    (here,), (there,) = by_onnx.run_heads(near), by_torch.run_heads(far)
    np.testing.assert_allclose(there.force_n, here.force_n, atol=1e-3)
    np.testing.assert_allclose(there.slip_probability, here.slip_probability, atol=1e-3)
    ((_, tokens),), ((_, others),) = near.per_frame(), far.per_frame()
    assert others.dtype == np.float16
    np.testing.assert_allclose(tokens, others, atol=0.01)
