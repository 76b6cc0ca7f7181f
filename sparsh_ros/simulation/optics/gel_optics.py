# SPDX-License-Identifier: Apache-2.0
"""From the gel's deformed surface to the image that the sensor's camera would send.

The surface's slopes are lit by near, coloured lamps: n.L with its shadow clamp, between Lambert's
law and one that is linear in the slope (`SensorInstance.dimming`). The directions and irradiances
are fixed per pixel, so that this costs one multiply-add per lamp and slope.

Bumps cast shadows (`shadows`), and a press changes the whole image a little (`glow`), as on real
sensors. Light is computed on no more pixels than the gel's grid has points; skin, noise and
compression have the image's own. Differences from a real sensor: light bounces once, and the
camera's perspective on the raised surface is left out.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation.optics import lighting
from sparsh_ros.simulation.optics.codec import BlockJpeg, Codec, Jpeg, VideoCodec
from sparsh_ros.simulation.optics.shadows import SHAPE as SHADOW_SHAPE
from sparsh_ros.simulation.optics.shadows import ShadowCaster
from sparsh_ros.simulation.optics.skin import MARGIN, paint_skin
from sparsh_ros.simulation.sensor_instance import SensorInstance

HEIGHT, WIDTH = 320, 240
GRID = (160, 120)
DOWNSCALES = (1, 2, 4)
GLOW_VOLUME_MM3 = 8.0
"""A press that pushes in this volume makes 63 % of the glow; 1 N pushes in 3 mm^3."""
_SHADOW_MM = 0.1
_NOISE_ROOM = 64
# White balance amplifies the weak red and blue of a Bayer sensor; ratio measured on real DIGITs.
_NOISE_OF_BGR = np.array([1.0, 0.6, 1.0], np.float32)
_REPLICATE = cv2.BORDER_REPLICATE


class GelOptics:
    """Renders one sensor. Not thread-safe: frames share scratch memory.

    Attributes:
        grid_shape: (rows, columns) of the surface and displacement that `render` takes.

    Args:
        instance: the sensor; equal instances render equal images from equal random states.
        downscale: 1, 2 or 4: the images have so many times fewer rows and columns. They are shaded
            at that size, not shrunk, which costs less; light, skin and noise are those of the
            full image, averaged.

    Raises:
        ParameterError: another downscale.
    """

    def __init__(self, instance: SensorInstance, downscale: int = 1) -> None:
        if downscale not in DOWNSCALES:
            raise ParameterError(
                f"gel optics: downscale must be one of {DOWNSCALES}, found {downscale}"
            )
        self.instance = instance
        self.grid_shape = GRID if downscale < 4 else (GRID[0] // 2, GRID[1] // 2)
        self._downscale = downscale
        self._shape = HEIGHT // downscale, WIDTH // downscale
        self._lit_downscale = max(downscale, HEIGHT // GRID[0])
        self._lit_shape = HEIGHT // self._lit_downscale, WIDTH // self._lit_downscale
        self._pixels_per_mm = self._shape[1] / instance.gel_width_mm
        rng = np.random.default_rng([2, instance.seed])
        column, row = _camera_map(instance)
        self._skin = self._shrink(paint_skin(instance, HEIGHT, WIDTH))
        small = (self._shrink(axis) for axis in (column, row))
        self._skin_map = tuple(_rescale(axis + MARGIN, downscale) for axis in small)
        cell = HEIGHT // self.grid_shape[0]
        self._grid_map = tuple(_rescale(self._shrink_light(axis), cell) for axis in (column, row))
        # Displacement is smooth: no finer than its own grid is it looked up.
        size = min(self._shape[::-1], GRID[::-1])
        coarse = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (column, row))
        self._displacement_map = tuple(_rescale(axis, cell) for axis in coarse)
        self._area_mm2 = instance.gel_width_mm * instance.gel_height_mm
        self._glow = self._shrink(_glow_plane(instance))
        self._prepare_lights(column, row, rng)
        self._drift_phase = rng.uniform(0, 2 * np.pi, len(instance.lights))
        noise = self._shrink(_noise_bank(rng))
        # Upright, mirrored left to right, upside down, both.
        self._noise = [noise, cv2.flip(noise, 1), cv2.flip(noise, 0), cv2.flip(noise, -1)]
        still = self._expose()
        variance = instance.read_noise**2 + instance.shot_noise**2 * np.maximum(still, 0)
        self._noise_sigma = np.sqrt(variance, dtype=np.float32) * _NOISE_OF_BGR
        self._codec = _choose_codec(instance, downscale)

    def render(
        self,
        surface_mm: np.ndarray,
        displacement_mm: np.ndarray,
        rng: np.random.Generator,
        time_s: float = 0.0,
    ) -> np.ndarray:
        """Takes one picture.

        Args:
            surface_mm: float32 `grid_shape`, rise of the gel's surface towards the camera, covering
                the canonical image exactly; positive where an object presses.
            displacement_mm: float32 (2, *grid_shape), displacement (x right, y up) of the skin that
                lies at each grid point now.
            rng: source of the frame's noise.
            time_s: time since `background` was valid; drives the drift of the lamps.

        Returns:
            uint8 (320, 240, 3) RGB, or smaller by `downscale`.

        Raises:
            ParameterError: an array has another shape.
        """
        _check_shape("surface_mm", surface_mm, self.grid_shape)
        _check_shape("displacement_mm", displacement_mm, (2, *self.grid_shape))
        frame = self._shade(
            np.asarray(surface_mm, np.float32), np.asarray(displacement_mm, np.float32), time_s
        )
        return self._take(frame, rng, self._codec)

    def background(self, rng: np.random.Generator) -> np.ndarray:
        """A picture of the untouched gel, (H, W, 3) uint8 RGB; it is no frame of the stream."""
        return self._take(self._shade(*self._untouched(), 0.0), rng, self._codec.fresh())

    def _untouched(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(self.grid_shape, np.float32), np.zeros((2, *self.grid_shape), np.float32)

    def _take(self, frame: np.ndarray, rng: np.random.Generator, codec: Codec) -> np.ndarray:
        """The picture of a noiseless BGR frame, which is overwritten."""
        cv2.accumulateProduct(self._draw_noise(rng), self._noise_sigma, frame)
        return codec.pass_through(np.maximum(frame, 0, out=frame))

    def _shrink(self, plane: np.ndarray) -> np.ndarray:
        """Means over the pixels of the downscaled image."""
        return _means(plane, self._downscale)

    def _shrink_light(self, plane: np.ndarray) -> np.ndarray:
        """Means over the pixels for which light is computed."""
        return _means(plane, self._lit_downscale)

    def _prepare_lights(
        self, column: np.ndarray, row: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Folds each lamp's direction and irradiance into the planes that `_shade` combines."""
        instance = self.instance
        x_mm = (column + 0.5 - WIDTH / 2) * instance.gel_width_mm / WIDTH
        y_mm = (HEIGHT / 2 - row - 0.5) * instance.gel_height_mm / HEIGHT
        coarse = [
            cv2.resize(axis, SHADOW_SHAPE[::-1], interpolation=cv2.INTER_AREA)
            for axis in (x_mm, y_mm)
        ]
        self._shadows = ShadowCaster(instance, *coarse)
        rest_x, rest_y = lighting.rest_slope(instance, x_mm, y_mm, rng)
        self._vignette = self._shrink(lighting.vignette(instance.vignetting, HEIGHT, WIDTH))
        self._planes = []
        for light in instance.lights:
            toward = lighting.light_direction(light, x_mm, y_mm)
            irradiance = lighting.irradiance(light, x_mm, y_mm, rng)
            toward *= irradiance * ((1 - instance.scatter) / np.sin(light.elevation_rad))
            floor = irradiance * np.float32(instance.scatter)
            rest = -(toward[0] * rest_x + toward[1] * rest_y)
            planes = floor, toward[2] + floor, rest, -toward[0], -toward[1]
            self._planes.append([self._shrink_light(plane) for plane in planes])
        colours = [light.colour for light in instance.lights] + [instance.ambient]
        # Blue first: the JPEG coder takes BGR.
        self._colours = np.array(colours, np.float32)[:, ::-1].T.copy()

    def _expose(self) -> np.ndarray:
        """Sets exposure and white balance on the untouched gel, whose image it returns."""
        still = self._shade(*self._untouched(), 0.0)
        gain = np.array(self.instance.exposure[::-1]) / still.mean((0, 1))
        self._colours *= gain[:, None].astype(np.float32)
        return still * gain

    def _shade(self, surface: np.ndarray, displacement: np.ndarray, time_s: float) -> np.ndarray:
        """Noiseless brightness, float32 (320, 240, 3) BGR grey levels."""
        frame = self._light(surface, time_s)
        if self._lit_shape != self._shape:
            frame = cv2.resize(frame, self._shape[::-1])
        gain = self._vignette * self._move_skin(displacement)
        frame = cv2.multiply(frame, cv2.cvtColor(gain, cv2.COLOR_GRAY2BGR), dst=frame)
        return cv2.scaleAdd(self._glow, self._press_share(surface), frame)

    def _light(self, surface: np.ndarray, time_s: float) -> np.ndarray:
        """Light that a white skin would send to the camera, float32 (H, W, 3) BGR."""
        instance = self.instance
        height = cv2.remap(surface, *self._grid_map, cv2.INTER_CUBIC, borderMode=_REPLICATE)
        if instance.blur_px > 0.5 * self._lit_downscale:
            height = cv2.GaussianBlur(height, (0, 0), instance.blur_px / self._lit_downscale)
        scale = self._lit_shape[1] / instance.gel_width_mm / 2
        slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=1, scale=scale)
        slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=1, scale=-scale)
        flattened = instance.relief_depth_mm / (instance.relief_depth_mm + np.maximum(height, 0))
        squared = slope_x * slope_x + slope_y * slope_y
        lit = 1 / np.sqrt(1 + np.float32(instance.dimming) * squared)
        shadows = self._cast_shadows(surface)
        planes = []
        for index, (floor, flat, rest, east, north) in enumerate(self._planes):
            shade = flat.copy()
            for plane, factor in ((rest, flattened), (east, slope_x), (north, slope_y)):
                cv2.accumulateProduct(plane, factor, shade)
            if shadows:
                shade = cv2.max(shade - floor, 0.0)
                shade *= shadows[index]
                shade += floor
            else:
                shade = cv2.max(shade, floor)
            shade *= lit
            planes.append(shade)
        return self._mix([*planes, np.ones_like(lit)], time_s)

    def _mix(self, planes: list[np.ndarray], time_s: float) -> np.ndarray:
        """The colours of all lamps and of the light around, (H, W, 3) BGR."""
        drift = [self._drift(index, time_s) for index in range(len(planes) - 1)]
        colours = self._colours * np.array([*drift, 1.0], np.float32)
        mixed = colours @ np.stack(planes).reshape(len(planes), -1)
        return cv2.merge(list(mixed.reshape(-1, *self._lit_shape)))

    def _press_share(self, surface: np.ndarray) -> float:
        """How much of the glow a press has: it grows with the volume that is pushed in."""
        return 1.0 - np.exp(-float(surface.mean()) * self._area_mm2 / GLOW_VOLUME_MM3)

    def _cast_shadows(self, surface: np.ndarray) -> list[np.ndarray]:
        """Share of direct light that arrives, for each lamp; empty where nothing casts shadows."""
        if surface.max() < _SHADOW_MM:
            return []
        coarse = cv2.resize(surface, SHADOW_SHAPE[::-1], interpolation=cv2.INTER_AREA)
        shares = self._shadows.lit_shares(coarse)
        if self._lit_shape == SHADOW_SHAPE:
            return list(shares)
        return [cv2.resize(share, self._lit_shape[::-1]) for share in shares]

    def _move_skin(self, displacement: np.ndarray) -> np.ndarray:
        """Albedo seen by every pixel."""
        step = self._pixels_per_mm
        moved = cv2.merge(list(displacement))
        moved = cv2.remap(moved, *self._displacement_map, cv2.INTER_LINEAR, borderMode=_REPLICATE)
        right, up = cv2.split(cv2.resize(moved, self._shape[::-1]))
        column = cv2.scaleAdd(right, -step, self._skin_map[0])
        row = cv2.scaleAdd(up, step, self._skin_map[1])
        return cv2.remap(self._skin, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    def _drift(self, index: int, time_s: float) -> float:
        """Brightness of a lamp relative to time 0."""
        phase = self._drift_phase[index]
        angle = 2 * np.pi * time_s / self.instance.drift_period_s + phase
        return 1 + self.instance.drift * (np.sin(angle) - np.sin(phase))

    def _draw_noise(self, rng: np.random.Generator) -> np.ndarray:
        """Unit noise: a random cut, at times mirrored, out of a bank drawn once. Fresh normal
        numbers for every pixel would cost as much as the rest of the frame."""
        height, width = self._shape
        room = _NOISE_ROOM // self._downscale
        top, left, flip_rows, flip_columns = rng.integers(0, (room, room, 2, 2))
        bank = self._noise[2 * flip_rows + flip_columns]
        top = bank.shape[0] - height - top if flip_rows else top
        left = bank.shape[1] - width - left if flip_columns else left
        return bank[top : top + height, left : left + width]


def _choose_codec(instance: SensorInstance, downscale: int) -> Codec:
    if instance.video_step > 0.0:
        return VideoCodec(instance.video_step, instance.video_keyframe, downscale)
    if downscale > 1:
        return BlockJpeg(instance.jpeg_quality, downscale)
    return Jpeg(instance.jpeg_quality)


def _means(plane: np.ndarray, downscale: int) -> np.ndarray:
    """Means over downscale x downscale pixels."""
    if downscale == 1:
        return plane
    height, width = plane.shape[:2]
    size = width // downscale, height // downscale
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def _rescale(axis: np.ndarray, factor: int) -> np.ndarray:
    """Pixel coordinates in an image with `factor` times larger pixels."""
    # Pixel centres of a coarse grid lie half a coarse pixel inside the image's edge.
    return (axis + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)


def _check_shape(name: str, array: np.ndarray, wanted: tuple[int, ...]) -> None:
    if np.shape(array) != wanted:
        found = np.shape(array)
        raise ParameterError(f"gel optics: {name} must have shape {wanted}, found {found}")


def _camera_map(instance: SensorInstance) -> tuple[np.ndarray, np.ndarray]:
    """Where on the gel each pixel looks: float32 column and row of the ideal canonical image."""
    row, column = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    x = column - (WIDTH - 1) / 2 - instance.shift_px[0]
    y = row - (HEIGHT - 1) / 2 - instance.shift_px[1]
    squared = (x * x + y * y) / ((WIDTH / 2) ** 2 + (HEIGHT / 2) ** 2)
    scale = (1 + instance.distortion * squared) / instance.zoom
    cosine, sine = np.cos(instance.rotation_rad), np.sin(instance.rotation_rad)
    source_x = scale * (cosine * x + sine * y) + (WIDTH - 1) / 2
    source_y = scale * (cosine * y - sine * x) + (HEIGHT - 1) / 2
    return source_x.astype(np.float32), source_y.astype(np.float32)


def _glow_plane(instance: SensorInstance) -> np.ndarray:
    """Change of the image under a strong press, float32 (320, 240, 3) BGR grey levels."""
    up, right = np.mgrid[1 : -1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    (towards_right, towards_top), level = instance.glow_slope, instance.glow
    plane = right[..., None] * towards_right + up[..., None] * towards_top + level
    return np.ascontiguousarray(plane[..., ::-1], np.float32)


def _noise_bank(rng: np.random.Generator) -> np.ndarray:
    """Unit noise, float32 (H, W, 3): fine grain as demosaicing leaves it and coarser blotches."""
    shape = (HEIGHT + _NOISE_ROOM, WIDTH + _NOISE_ROOM, 3)
    fine, coarse = rng.standard_normal((2, *shape), np.float32)
    noise = cv2.GaussianBlur(fine, (0, 0), 0.6) + 1.6 * cv2.GaussianBlur(coarse, (0, 0), 2.0)
    return noise / noise.std()
