# SPDX-License-Identifier: Apache-2.0
"""One simulated sensor: every number in which two units of the same type differ.

Lengths are millimetres in the gel frame (origin at the gel's centre, x right and y up in the
canonical image, z towards the camera), lengths of the camera are pixels of the canonical image,
angles radians counter-clockwise, brightness grey levels of 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import yaml

from sparsh_ros.errors import ParameterError
from sparsh_ros.resources import config_path
from sparsh_ros.simulation.lamps import Light, draw_leds, draw_log, draw_rows

SENSORS = ("digit", "gelsight_mini", "gelsight_2017")

VIDEO_SHARE = 0.3
"""Share of the sensors whose frames were stored as video, as most shared recordings are."""


@dataclass(frozen=True)
class SensorInstance:
    """A sensor drawn at random; see `draw`.

    Attributes:
        sensor: type, one of `SENSORS`.
        seed: the number that it was drawn from; also seeds the pattern of its skin.
        gel_width_mm, gel_height_mm: extent in x and y that the canonical image shows.
        thickness_mm: thickness of the gel.
        normal_stiffness_n_per_mm3: foundation modulus k_n, pressure per indentation.
        tangential_ratio: tangential over normal foundation modulus, k_t / k_n.
        friction: Coulomb coefficient between gel and object.
        lights: the lamps.
        dimming: how much a steep face loses of the light because it is spread over more skin: 1 for
            Lambert's law, 0 for a brightness that is linear in the slope. Balls on real gels are as
            bright towards the lamp as they are dark behind: the coating shines.
        scatter: share of every lamp's light that reaches the gel from all sides, having bounced
            between window and gel: it fills the shadows.
        ambient: light (red, green, blue) that does not depend on the surface's slope.
        exposure: grey levels (red, green, blue) to which exposure and white balance bring the
            mean of the untouched gel.
        skin_stiffness_mm: length over which the reflective skin bends: it rounds every edge.
        dome_slope: slope of the undeformed gel at its corners; positive is a bowl to the camera.
        dome_centre_mm: (x, y) of the flat middle of that bowl.
        relief_slope: root mean square slope of the undeformed gel's waviness.
        relief_depth_mm: indentation that presses dome and waviness about half flat.
        glow: change of the whole image (red, green, blue) under a strong press, grey levels: light
            that the print throws back into the gel, and the camera's exposure.
        glow_slope: (2, 3) change of that glow from the centre to the right and upper edge.
        vignetting: share of the light that is lost in the image's corners.
        shift_px: (x right, y down) offset of the gel's centre in the image.
        rotation_rad: rotation of the camera about its axis.
        zoom: magnification, nominally 1.
        distortion: radial lens distortion at the image's corners, relative; positive is barrel.
        blur_px: standard deviation of the defocus.
        read_noise: standard deviation of the noise in the dark, grey levels of red and blue.
        shot_noise: standard deviation of the noise per square root of a grey level.
        jpeg_quality: quality of the camera's JPEG stream, 0 to 100.
        video_step: quantiser step of a video encoder that its frames pass through instead, grey
            levels; 0 for none. See `codec.VideoCodec`.
        video_keyframe: frames from one independent frame of that video to the next.
        speckle: relative contrast of the pigment's speckle.
        scratches: number of scratches and specks of dirt on the skin.
        drift: relative amplitude of the slow drift of each lamp.
        drift_period_s: period of that drift.
        marker_pitch_mm: distance between the printed markers; 0 for a gel without them.
        marker_radius_mm: radius of a marker.
    """

    sensor: str
    seed: int
    gel_width_mm: float
    gel_height_mm: float
    thickness_mm: float
    normal_stiffness_n_per_mm3: float
    tangential_ratio: float
    friction: float
    lights: tuple[Light, ...]
    dimming: float
    scatter: float
    ambient: tuple[float, float, float]
    exposure: tuple[float, float, float]
    skin_stiffness_mm: float
    dome_slope: float
    dome_centre_mm: tuple[float, float]
    relief_slope: float
    relief_depth_mm: float
    glow: tuple[float, float, float]
    glow_slope: tuple[tuple[float, float, float], tuple[float, float, float]]
    vignetting: float
    shift_px: tuple[float, float]
    rotation_rad: float
    zoom: float
    distortion: float
    blur_px: float
    read_noise: float
    shot_noise: float
    jpeg_quality: int
    video_step: float
    video_keyframe: int
    speckle: float
    scratches: int
    drift: float
    drift_period_s: float
    marker_pitch_mm: float
    marker_radius_mm: float

    @classmethod
    def draw(cls, sensor: str, seed: int) -> SensorInstance:
        """Draws a sensor of the given type; the same seed gives the same sensor.

        Raises:
            ParameterError: the type is unknown or the seed negative.
        """
        if sensor not in SENSORS:
            raise ParameterError(f"simulated sensor: {sensor!r} is unknown; use one of {SENSORS}")
        if seed < 0:
            raise ParameterError(f"simulated sensor: seed must be 0 or more, found {seed}")
        rng = np.random.default_rng([SENSORS.index(sensor), seed])
        width, height = _gel_size_mm(sensor)
        common = {
            "sensor": sensor,
            "seed": seed,
            "gel_width_mm": width,
            "gel_height_mm": height,
            **_draw_elastomer(sensor, rng),
            **_draw_camera(sensor, rng),
            **_draw_skin(sensor, rng),
        }
        return cls(**common, **_DRAW_LIGHT[sensor](width, height, rng))


@lru_cache
def _gel_size_mm(sensor: str) -> tuple[float, float]:
    """Width and height of the gel, as the description of the real sensors says."""
    values = yaml.safe_load(config_path("sensors", f"{sensor}.yaml").read_text())
    return values["gel_width_mm"], values["gel_height_mm"]


def _draw_elastomer(sensor: str, rng: np.random.Generator) -> dict:
    thinnest, thickest = (2.5, 3.5) if sensor == "digit" else (3.0, 4.0)
    return {
        "thickness_mm": rng.uniform(thinnest, thickest),
        "normal_stiffness_n_per_mm3": 0.30 * rng.uniform(0.9, 1.1),
        "tangential_ratio": rng.uniform(0.25, 0.45),
        "friction": rng.uniform(0.4, 1.1),
    }


def _draw_camera(sensor: str, rng: np.random.Generator) -> dict:
    # A GelSight's picture is shrunk from many more pixels, which sharpens it and averages noise.
    blur, noise = ((0.8, 2.0), (0.5, 3.0)) if sensor == "digit" else ((0.5, 1.3), (0.3, 2.4))
    return {
        "vignetting": rng.uniform(0.03, 0.28),
        "shift_px": tuple(rng.uniform(-6, 6, 2)),
        "rotation_rad": np.deg2rad(rng.uniform(-2, 2)),
        "zoom": rng.uniform(0.97, 1.03),
        "distortion": rng.uniform(-0.02, 0.04),
        "blur_px": rng.uniform(*blur),
        "read_noise": rng.uniform(*noise),
        "shot_noise": rng.uniform(0.02, 0.10),
        "jpeg_quality": int(rng.integers(50, 97)),
        "video_step": draw_log(rng, 3.0, 20.0) if rng.random() < VIDEO_SHARE else 0.0,
        "video_keyframe": int(rng.integers(12, 250)),
        "drift": rng.uniform(0.0, 0.015),
        "drift_period_s": rng.uniform(20, 120),
    }


def _draw_skin(sensor: str, rng: np.random.Generator) -> dict:
    # Marker gels are printed for the Mini too; the gel of 2017 always had them.
    marked = rng.random() < {"digit": 0.0, "gelsight_mini": 0.25, "gelsight_2017": 1.0}[sensor]
    return {
        "speckle": rng.uniform(0.002, 0.014),
        "scratches": int(rng.integers(0, 14)),
        "relief_depth_mm": rng.uniform(0.1, 0.4),
        "marker_pitch_mm": rng.uniform(1.6, 2.7) if marked else 0.0,
        "marker_radius_mm": rng.uniform(0.25, 0.45) if marked else 0.0,
    }


def _draw_digit_light(width: float, height: float, rng: np.random.Generator) -> dict:
    return {
        "lights": draw_leds(width, height, rng),
        "dimming": rng.uniform(0.0, 0.3),
        "scatter": rng.uniform(0.05, 0.3),
        "ambient": tuple(rng.uniform((3, 3, 2), (18, 20, 16))),
        "exposure": tuple(rng.normal((100, 108, 98), (13, 12, 12))),
        "dome_slope": rng.uniform(0.0, 0.55),
        "dome_centre_mm": tuple(rng.normal(0, 2.0, 2)),
        "relief_slope": rng.uniform(0.01, 0.07),
        "skin_stiffness_mm": rng.uniform(0.18, 0.5),
        **_draw_glow(rng, 1.5),
    }


def _draw_glow(rng: np.random.Generator, levels: float) -> dict:
    """Change of the whole image by a press: shared by the colours and each its own."""
    glow = levels * (0.5 + rng.normal(0, 0.5) + rng.normal(0, 0.6, 3))
    slope = 0.5 * levels * (rng.normal(0, 1.0, (2, 1)) + rng.normal(0, 0.5, (2, 3)))
    return {"glow": tuple(glow), "glow_slope": tuple(map(tuple, slope))}


TURNED_SHARE = 0.35
"""Share of the Minis that sit turned by half a turn in their gripper."""


def _draw_mini_light(width: float, height: float, rng: np.random.Generator) -> dict:
    """Red row on the right, green at the bottom, blue left of the upright image, or turned."""
    turn = np.pi if rng.random() < TURNED_SHARE else 0.0
    return {
        "lights": draw_rows(turn, width, height, rng),
        "exposure": tuple(rng.normal((81, 112, 126), (15, 12, 12))),
        **_draw_gelsight_gel(rng),
        "ambient": tuple(rng.uniform((6, 18, 18), (30, 60, 60))),
    }


def _draw_2017_light(width: float, height: float, rng: np.random.Generator) -> dict:
    """The same three rows turned by any angle and whiter: these sensors were built by hand."""
    return {
        "lights": draw_rows(rng.uniform(-np.pi, np.pi), width, height, rng),
        "exposure": tuple(rng.normal(110, 12) + rng.normal(0, 9, 3)),
        **_draw_gelsight_gel(rng),
        "ambient": tuple(rng.uniform(20, 60, 3)),
    }


def _draw_gelsight_gel(rng: np.random.Generator) -> dict:
    return {
        "dimming": rng.uniform(0.0, 0.25),
        "scatter": rng.uniform(0.05, 0.35),
        "dome_slope": rng.uniform(0.0, 0.15),
        "dome_centre_mm": tuple(rng.normal(0, 2.0, 2)),
        "relief_slope": rng.uniform(0.0, 0.01),
        "skin_stiffness_mm": rng.uniform(0.13, 0.36),
        **_draw_glow(rng, 0.5),
    }


_DRAW_LIGHT = {
    "digit": _draw_digit_light,
    "gelsight_mini": _draw_mini_light,
    "gelsight_2017": _draw_2017_light,
}
