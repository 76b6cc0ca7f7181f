# SPDX-License-Identifier: Apache-2.0
"""A tactile sensor being touched, frame by frame, with exact labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat

import numpy as np

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation import shapes, trajectories
from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.elastomer import ContactState, Elastomer
from sparsh_ros.simulation.indenters import Indenter
from sparsh_ros.simulation.labels import SlidingSpeed, print_axes
from sparsh_ros.simulation.optics.gel_optics import GelOptics
from sparsh_ros.simulation.sensor_instance import SensorInstance

CONTACT_N = 0.02
"""Loads below this are no contact: no camera sees them."""
GROSS_SLIP_SHARE = 0.9
GROSS_SLIP_MM_PER_S = 0.5
"""Gross slip: this share of the contact area slides, and on average this fast."""
STEP_MM, MAXIMUM_STEPS = 0.15, 4
"""A frame takes as many mechanics steps as keep each below this motion, up to so many."""
_LEVER_MM = 3.0
"""Turning by 1 rad counts as this much motion: about the radius of a print."""


@dataclass(frozen=True)
class TouchSample:
    """One frame of a simulated sensor and what is true of it. Vectors are in the gel frame.

    Attributes:
        time_s: time since the start of the simulation.
        image: (320, 240, 3) uint8 RGB, standard orientation; smaller where downscaled.
        force_n: (3,) float64, force of the object on the gel in newtons; z >= 0 in compression.
        in_contact: an object touches the gel.
        slide_speed_m_s: how fast the contact slides over the gel, m/s: mean over its area and over
            3 frames (this one and the two before); 0 without contact.
        slipping: that speed has reached 1.0 mm/s and not fallen below 0.5 mm/s since.
        gross_slip: at least 90 % of the contact area slid since the last frame, and at 0.5 mm/s or
            more on average.
        slip_share: share of the contact area that slid since the last frame, 0 to 1 (incipient
            slip where it is between).
        friction_margin: how far shear is from the limit of friction, the mean over the contact of
            1 - |shear| / (mu pressure), weighted by pressure: 1 without shear, 0 where all of it
            slides; NaN without contact.
        pose: (3,) float64, object's x (m), y (m), theta (rad); NaN without contact.
        print_anisotropy: how elongated the contact print is, 0 to 1, see `labels.print_axes`; 0 for
            a solid of revolution, whose print does not turn with it; NaN without contact.
        print_angle: direction of the print's long axis, rad in (-pi/2, pi/2], counter-clockwise
            from x; it means something where the anisotropy is above 0.3; NaN without contact.
        normal_stress_pa: (160, 120) float32 pressure field; (80, 60) where downscaled by 4, like
            the two below.
        shear_stress_pa: (2, 160, 120) float32 shear stress field (x, y) on the gel.
        skin_stretch_mm: (2, 160, 120) float32, how far (x, y) the skin under the contact is dragged
            from its place, mm; 0 outside the contact.
    """

    time_s: float
    image: np.ndarray
    force_n: np.ndarray
    in_contact: bool
    slide_speed_m_s: float
    slipping: bool
    gross_slip: bool
    slip_share: float
    friction_margin: float
    pose: np.ndarray
    print_anisotropy: float
    print_angle: float
    normal_stress_pa: np.ndarray
    shear_stress_pa: np.ndarray
    skin_stretch_mm: np.ndarray


class SimulatedGel:
    """One simulated fingertip: gel, light and camera, and what is true of each frame.

    Attributes:
        instance: the sensor that was drawn.
        optics: its camera and light.
    """

    def __init__(self, sensor: str, seed: int, rate_hz: float, downscale: int = 1) -> None:
        """Draw the sensor; arguments as for `TouchSimulation`."""
        self.instance = instance = SensorInstance.draw(sensor, seed)
        self.optics = GelOptics(instance, downscale)
        self._rate_hz = rate_hz
        self._rng = np.random.default_rng((seed, 1))
        self._gel = Elastomer(
            GelGrid(instance.gel_width_mm, instance.gel_height_mm, *self.optics.grid_shape),
            instance.thickness_mm,
            instance.normal_stiffness_n_per_mm3,
            instance.tangential_ratio,
            instance.friction,
            instance.skin_stiffness_mm,
        )
        self._sliding = SlidingSpeed(rate_hz)

    @property
    def grid(self) -> GelGrid:
        """Where the fields of stress are sampled."""
        return self._gel.grid

    def background(self) -> np.ndarray:
        """A frame without contact, through the same camera."""
        return self.optics.background(self._rng)

    def press(self, indenter: Indenter, hold: trajectories.IndenterState) -> ContactState:
        """One quasi-static step of the mechanics; a frame may take several."""
        pose = np.array([hold.x_mm, hold.y_mm, hold.theta])
        load = hold.load_n if hold.load_n > CONTACT_N else 0.0
        return self._gel.press(indenter, pose, load, (hold.tilt_x, hold.tilt_y))

    def sample(
        self,
        states: Sequence[ContactState],
        hold: trajectories.IndenterState,
        indenter: Indenter,
        time_s: float,
    ) -> TouchSample:
        """Take the picture of a frame.

        Args:
            states: what the steps of this frame gave, in order.
            hold: where the object is now.
            indenter: the object.
            time_s: since the start.
        """
        state = states[-1]
        in_contact = bool(state.force_n[2] > 0.0)
        # All steps of the frame count: a stroke that stops within the frame slid all the same.
        slide_mm = sum(s.slide_mm for s in states)
        slip_share = float(max(s.slip_share for s in states)) if in_contact else 0.0
        self._sliding.update(in_contact, slide_mm)
        fast = slide_mm * self._rate_hz >= GROSS_SLIP_MM_PER_S
        anisotropy, angle = print_axes(state.pressure, self._gel.grid)
        skin = self._gel.shape_skin()
        pose = np.array([hold.x_mm * 1e-3, hold.y_mm * 1e-3, hold.theta])
        return TouchSample(
            time_s=time_s,
            image=self.optics.render(skin.surface_mm, skin.displacement_mm, self._rng, time_s),
            force_n=state.force_n,
            in_contact=in_contact,
            slide_speed_m_s=self._sliding.speed_m_s,
            slipping=self._sliding.slipping,
            gross_slip=bool(in_contact and slip_share >= GROSS_SLIP_SHARE and fast),
            slip_share=slip_share,
            friction_margin=state.friction_margin,
            pose=pose if in_contact else np.full(3, np.nan),
            print_anisotropy=0.0 if in_contact and indenter.is_round else anisotropy,
            print_angle=angle,
            normal_stress_pa=state.pressure * np.float32(1e6),
            shear_stress_pa=state.traction * np.float32(1e6),
            skin_stretch_mm=state.stretch_mm,
        )


class TouchSimulation:
    """An endless touch on one simulated sensor.

    Attributes:
        instance: the sensor that was drawn.
        optics: its camera and light.

    Args:
        sensor: "digit", "gelsight_mini" or "gelsight_2017".
        seed: draws the sensor instance, the objects and the motion; same seed, same frames.
        touch: "random", "protocol" or "demo", see `sparsh_ros.simulation.trajectories`.
        rate_hz: frames per simulated second.
        kinds: shapes that may touch, see `sparsh_ros.simulation.shapes.KINDS`; None means all.
        maximum_load_n: highest normal load, newtons.
        rest_s: simulated seconds before the touch begins; the touch itself is the same.
        downscale: 1 for canonical images; 2 or 4 for images, and with 4 mechanics, of that many
            times fewer rows and columns: what a small network trains on, several times faster.
        stream: how it is touched, in place of `touch`.

    Raises:
        ParameterError: unknown sensor, touch or shape, or a rate or load that is not positive.
    """

    def __init__(
        self,
        sensor: str = "digit",
        seed: int = 0,
        touch: str = "random",
        rate_hz: float = 60.0,
        kinds: Sequence[str] | None = None,
        maximum_load_n: float = 5.0,
        rest_s: float = 0.0,
        downscale: int = 1,
        stream: trajectories.Stream | None = None,
    ) -> None:
        kinds = tuple(kinds or shapes.KINDS)
        _check(touch, kinds, rate_hz, maximum_load_n)
        self.rate_hz = rate_hz
        self._gel = SimulatedGel(sensor, seed, rate_hz, downscale)
        self.instance, self.optics = self._gel.instance, self._gel.optics
        stream = stream or trajectories.TOUCHES[touch](
            trajectories.TrajectorySampler(
                np.random.default_rng((seed, 2)), kinds, rate_hz, maximum_load_n
            )
        )
        self._stream = _after_rest(stream, round(rest_s * rate_hz))
        self._indenter: Indenter | None = None
        self._hold = trajectories.IndenterState()
        self._frames = 0

    def background(self) -> np.ndarray:
        """A frame without contact, through the same camera: (H, W, 3) uint8 RGB."""
        return self._gel.background()

    def step(self) -> TouchSample:
        """Advance by one frame."""
        indenter, hold = next(self._stream)
        count = _step_count(self._hold, hold) if indenter is self._indenter else 1
        states = [
            self._gel.press(indenter, self._hold.blend(hold, (index + 1) / count))
            for index in range(count)
        ]
        self._indenter, self._hold = indenter, hold
        self._frames += 1
        return self._gel.sample(states, hold, indenter, (self._frames - 1) / self.rate_hz)


def _step_count(start: trajectories.IndenterState, end: trajectories.IndenterState) -> int:
    """Mechanics steps between two holds."""
    shift = np.hypot(end.x_mm - start.x_mm, end.y_mm - start.y_mm)
    motion_mm = shift + _LEVER_MM * abs(end.theta - start.theta)
    return int(np.clip(np.ceil(motion_mm / STEP_MM), 1, MAXIMUM_STEPS))


def _after_rest(stream: trajectories.Stream, count: int) -> trajectories.Stream:
    """The stream with `count` holds before it in which its first object is lifted off."""
    if not count:
        return stream
    indenter, hold = next(stream)
    lifted = replace(hold, load_n=0.0)
    return chain(repeat((indenter, lifted), count), [(indenter, hold)], stream)


def _check(touch: str, kinds: Sequence[str], rate_hz: float, maximum_load_n: float) -> None:
    if touch not in trajectories.TOUCHES:
        raise ParameterError(
            f"touch '{touch}' is unknown; choose from {', '.join(trajectories.TOUCHES)}"
        )
    unknown = sorted(set(kinds) - set(shapes.KINDS))
    if unknown:
        raise ParameterError(
            f"indenters {unknown} are unknown; choose from {', '.join(shapes.KINDS)}"
        )
    if not rate_hz > 0.0:
        raise ParameterError(f"rate_hz must be positive, not {rate_hz}")
    if not maximum_load_n > CONTACT_N:
        raise ParameterError(f"maximum_load_n must be above {CONTACT_N} N, not {maximum_load_n}")


class MotionSinceContact:
    """The object's motion since contact began, which is what the topic `pose` estimates."""

    def __init__(self) -> None:
        """Start without contact."""
        self._origin: np.ndarray | None = None

    def update(self, sample: TouchSample) -> np.ndarray:
        """Take the next sample; (3,) x (m), y (m), rotation (rad), NaN without contact."""
        if not sample.in_contact:
            self._origin = None
            return np.full(3, np.nan)
        if self._origin is None:
            self._origin = sample.pose
        return sample.pose - self._origin
