# SPDX-License-Identifier: Apache-2.0
"""One simulated sensor: every number in which two units of the same type differ.

Lengths are millimetres in the gel frame (origin at the gel's centre, x right and y up in the
standard image, z towards the camera), lengths of the camera are pixels of the standard image,
angles radians counter-clockwise, brightness grey levels of 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsh_ros.errors import ParameterError

SENSORS = ("digit", "gelsight_mini", "gelsight_2017")

_GEL_SIZE_MM = {
    "digit": (14.3, 19.1),
    "gelsight_mini": (14.0, 18.6),
    "gelsight_2017": (14.0, 18.6),
}


@dataclass(frozen=True)
class Light:
    """One coloured LED (or row of LEDs) beside the gel.

    Attributes:
        colour: grey levels (red, green, blue) that it adds to a flat gel at full irradiance.
        azimuth_rad: direction from the gel's centre to the light.
        elevation_rad: height of the light above the gel as seen from the gel's centre.
        distance_mm: distance of the light from the gel's centre along the gel.
        spot_mm: (x, y) where its irradiance is largest. The bowl of a domed gel is brightest
            opposite its lamp, so the spot need not lie on the lamp's side.
        spot_radius_mm: (along, across) the azimuth, radii at which the irradiance has fallen to 1/e.
        streak: relative strength of the streaks that its optics throw on the gel.
        fan: relative strength of the sharp-edged fan that starts at the spot; 0 for none.
        fan_azimuth_rad: direction in which the fan opens.
        fan_angle_rad: half the opening angle of the fan.
    """

    colour: tuple[float, float, float]
    azimuth_rad: float
    elevation_rad: float
    distance_mm: float
    spot_mm: tuple[float, float]
    spot_radius_mm: tuple[float, float]
    streak: float
    fan: float
    fan_azimuth_rad: float
    fan_angle_rad: float


@dataclass(frozen=True)
class SensorInstance:
    """A sensor drawn at random; see `draw`.

    Attributes:
        sensor: type, one of `SENSORS`.
        seed: the number that it was drawn from; also seeds the pattern of its skin.
        gel_width_mm, gel_height_mm: extent in x and y that the standard image shows.
        thickness_mm: thickness of the gel.
        normal_stiffness_n_per_mm3: foundation modulus k_n, pressure per indentation.
        tangential_ratio: tangential over normal foundation modulus, k_t / k_n.
        friction: Coulomb coefficient between gel and object.
        lights: the lamps.
        ambient: grey levels (red, green, blue) that do not depend on the surface's slope.
        dome_slope: slope of the undeformed gel at its rim; positive is a bowl as the camera sees it.
        relief_slope: root mean square slope of the undeformed gel's waviness.
        relief_depth_mm: indentation that presses dome and waviness about half flat.
        vignetting: share of the light that is lost in the image's corners.
        shift_px: (x right, y down) offset of the gel's centre in the image.
        rotation_rad: rotation of the camera about its axis.
        zoom: magnification, nominally 1.
        distortion: radial lens distortion at the image's corners, relative; positive is barrel.
        blur_px: standard deviation of the defocus.
        read_noise: standard deviation of the noise in the dark, grey levels.
        shot_noise: standard deviation of the noise per square root of a grey level.
        jpeg_quality: quality of the camera's JPEG stream, 0 to 100.
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
    ambient: tuple[float, float, float]
    dome_slope: float
    relief_slope: float
    relief_depth_mm: float
    vignetting: float
    shift_px: tuple[float, float]
    rotation_rad: float
    zoom: float
    distortion: float
    blur_px: float
    read_noise: float
    shot_noise: float
    jpeg_quality: int
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
        width, height = _GEL_SIZE_MM[sensor]
        common = {
            "sensor": sensor,
            "seed": seed,
            "gel_width_mm": width,
            "gel_height_mm": height,
            **_draw_elastomer(sensor, rng),
            **_draw_camera(rng),
            **_draw_skin(sensor, rng),
        }
        look = _draw_digit_light if sensor == "digit" else _draw_gelsight_light
        return cls(**common, **look(width, height, rng))


def _draw_elastomer(sensor: str, rng: np.random.Generator) -> dict:
    thinnest, thickest = (2.5, 3.5) if sensor == "digit" else (3.0, 4.0)
    return {
        "thickness_mm": rng.uniform(thinnest, thickest),
        "normal_stiffness_n_per_mm3": 0.30 * rng.uniform(0.9, 1.1),
        "tangential_ratio": rng.uniform(0.25, 0.45),
        "friction": rng.uniform(0.4, 1.1),
    }


def _draw_camera(rng: np.random.Generator) -> dict:
    return {
        "vignetting": rng.uniform(0.05, 0.35),
        "shift_px": tuple(rng.uniform(-6, 6, 2)),
        "rotation_rad": np.deg2rad(rng.uniform(-2, 2)),
        "zoom": rng.uniform(0.97, 1.03),
        "distortion": rng.uniform(-0.02, 0.04),
        "blur_px": rng.uniform(0.6, 1.6),
        "read_noise": rng.uniform(0.4, 1.4),
        "shot_noise": rng.uniform(0.02, 0.12),
        "jpeg_quality": int(rng.integers(70, 96)),
        "drift": rng.uniform(0.0, 0.015),
        "drift_period_s": rng.uniform(20, 120),
    }


def _draw_skin(sensor: str, rng: np.random.Generator) -> dict:
    marked = sensor == "gelsight_2017"
    return {
        "speckle": rng.uniform(0.004, 0.02),
        "scratches": int(rng.integers(0, 14)),
        "relief_depth_mm": rng.uniform(0.15, 0.5),
        "marker_pitch_mm": rng.uniform(1.6, 2.6) if marked else 0.0,
        "marker_radius_mm": rng.uniform(0.25, 0.42) if marked else 0.0,
    }


def _draw_digit_light(width: float, height: float, rng: np.random.Generator) -> dict:
    """Three LEDs whose spots lie left (red), right (green) and at the bottom (blue) in portrait."""
    mirror = -1.0 if rng.random() < 0.2 else 1.0
    lights = []
    for channel, (x, y) in enumerate([(-0.32 * mirror, 0.05), (0.34 * mirror, 0.0), (0.0, -0.38)]):
        colour = rng.uniform(0.0, 14.0, 3)
        colour[channel] = rng.uniform(55, 105)
        spot = (
            (x + rng.uniform(-0.12, 0.12)) * width,
            (y + rng.uniform(-0.18, 0.18)) * height,
        )
        opposite = np.arctan2(-y, -x)
        lights.append(
            Light(
                colour=tuple(colour),
                azimuth_rad=opposite + rng.normal(0, 0.4),
                elevation_rad=np.deg2rad(rng.uniform(22, 45)),
                distance_mm=rng.uniform(12, 22),
                spot_mm=spot,
                spot_radius_mm=(rng.uniform(4, 10), rng.uniform(4, 9)),
                streak=rng.uniform(0.05, 0.5),
                fan=rng.uniform(0.3, 1.2) if rng.random() < 0.5 else 0.0,
                fan_azimuth_rad=rng.uniform(-np.pi, np.pi),
                fan_angle_rad=rng.uniform(0.4, 1.2),
            )
        )
    return {
        "lights": tuple(lights),
        "ambient": tuple(rng.uniform(38, 70) * rng.uniform(0.85, 1.15, 3)),
        "dome_slope": rng.uniform(0.0, 0.3),
        "relief_slope": rng.uniform(0.01, 0.08),
    }


def _draw_gelsight_light(width: float, height: float, rng: np.random.Generator) -> dict:
    """Three coloured sides, smooth light, a whitish middle."""
    mirror = -1.0 if rng.random() < 0.25 else 1.0
    turn = rng.normal(0, 0.25)
    lights = []
    for channel, azimuth in enumerate((np.pi / 2, -np.pi / 2, 0.0)):
        azimuth = mirror * (azimuth + turn + rng.normal(0, 0.2))
        colour = rng.uniform(5.0, 30.0, 3)
        colour[channel] = rng.uniform(60, 100)
        reach = rng.uniform(-0.3, 0.05)
        lights.append(
            Light(
                colour=tuple(colour),
                azimuth_rad=azimuth,
                elevation_rad=np.deg2rad(rng.uniform(25, 50)),
                distance_mm=rng.uniform(12, 20),
                spot_mm=(reach * width * np.cos(azimuth), reach * height * np.sin(azimuth)),
                spot_radius_mm=(rng.uniform(7, 14), rng.uniform(8, 16)),
                streak=rng.uniform(0.0, 0.06),
                fan=0.0,
                fan_azimuth_rad=0.0,
                fan_angle_rad=1.0,
            )
        )
    return {
        "lights": tuple(lights),
        "ambient": tuple(rng.uniform(20, 55) * rng.uniform(0.8, 1.2, 3)),
        "dome_slope": rng.uniform(0.0, 0.15),
        "relief_slope": rng.uniform(0.0, 0.01),
    }
