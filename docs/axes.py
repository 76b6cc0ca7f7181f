# SPDX-License-Identifier: Apache-2.0
"""Draws docs/axes.png: the frames of a gel sensor, their scale and their signs.

python docs/axes.py            # needs matplotlib
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Circle, Polygon, Rectangle
from matplotlib.patheffects import withStroke

from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH
from sparsh_ros.sensors import load_profile
from sparsh_ros.simulation import indenters
from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.elastomer import Elastomer
from sparsh_ros.simulation.optics.gel_optics import GelOptics
from sparsh_ros.simulation.sensor_instance import SensorInstance

OUT = Path(__file__).with_name("axes.png")
X, Y, Z = "#e5484d", "#1f9d45", "#2f6fe0"  # red, green, blue as in every ROS viewer
FORCE, INK, QUIET = "#e08a00", "#1c1c1c", "#777777"
RING_MM = (2.6, -4.6)
OBJECT_X_MM = 4.6
LABEL = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
KINDS = {"digit": "DIGIT", "gelsight_mini": "GelSight Mini", "gelsight_2017": "GelSight 2017"}
SIGNS = (
    ("force z > 0", "the object presses", FORCE),
    ("force x > 0", "it drags the gel to the right", FORCE),
    ("force y > 0", "it drags the gel upwards", FORCE),
    ("dx, dy > 0", "it moves right, up", INK),
    ("dtheta > 0", "it turns counter-clockwise", INK),
)


def touched_image() -> np.ndarray:
    """A simulated DIGIT with a ring pressed into it and dragged right and up."""
    sensor = SensorInstance.draw("digit", seed=9)
    gel = Elastomer(
        GelGrid(sensor.gel_width_mm, sensor.gel_height_mm),
        sensor.thickness_mm,
        sensor.normal_stiffness_n_per_mm3,
        sensor.tangential_ratio,
        sensor.friction,
    )
    ring = indenters.draw("torus", np.random.default_rng(3))
    path = np.linspace((RING_MM[0] - 0.8, RING_MM[1] - 0.4, 0.0), (*RING_MM, 0.0), 10)
    gel.press(ring, path[0], 0.0)
    state = [gel.press(ring, pose, 3.0) for pose in path][-1]
    return GelOptics(sensor).render(
        state.surface_mm, state.displacement_mm, np.random.default_rng(0)
    )


def arrow(axes: Axes, start: tuple, end: tuple, colour: str) -> None:
    """An arrow with a white rim, so that it shows on any ground."""
    style = {"arrowstyle": "-|>,head_width=0.5,head_length=0.9", "lw": 4.5, "color": colour}
    rim = [withStroke(linewidth=9, foreground="white")]
    axes.annotate(
        "", end, start, arrowprops=style | {"shrinkA": 0, "shrinkB": 0, "path_effects": rim}
    )


def name(axes: Axes, at: tuple, text: str, colour: str) -> None:
    """The name of an arrow."""
    weight = {"fontsize": 22, "weight": "bold", "ha": "center", "va": "center"}
    axes.text(*at, text, color=colour, bbox=LABEL, zorder=7, **weight)


def along_view(axes: Axes, at: tuple, colour: str, away: bool = False) -> None:
    """An axis that points to the viewer (a dot) or away (a cross)."""
    axes.add_patch(Circle(at, 0.5, facecolor="white", edgecolor=colour, lw=4, zorder=5))
    if not away:
        axes.add_patch(Circle(at, 0.17, color=colour, zorder=6))
        return
    for slope in (1, -1):
        reach = np.array([-0.3, 0.3])
        axes.plot(at[0] + reach, at[1] + slope * reach, color=colour, lw=3.5, zorder=6)


def draw_image(axes: Axes) -> None:
    """The canonical image with the gel frame on it; millimetres left and below, pixels opposite."""
    profile = load_profile("digit")
    width, height = profile.gel_width_mm, profile.gel_height_mm
    axes.imshow(touched_image(), extent=(-width / 2, width / 2, -height / 2, height / 2))
    axes.set(xticks=range(-6, 7, 2), yticks=range(-8, 9, 2))
    column = (lambda x: (x / width + 0.5) * IMAGE_WIDTH, lambda c: (c / IMAGE_WIDTH - 0.5) * width)
    row = (lambda y: (0.5 - y / height) * IMAGE_HEIGHT, lambda r: (0.5 - r / IMAGE_HEIGHT) * height)
    top = axes.secondary_xaxis("top", functions=column)
    right = axes.secondary_yaxis("right", functions=row)
    top.set_xticks(range(0, IMAGE_WIDTH + 1, 60))
    right.set_yticks(range(0, IMAGE_HEIGHT + 1, 40))
    for axis in (axes, top, right):
        axis.tick_params(labelsize=16)
    axes.set_xlabel("x (mm)", fontsize=18)
    axes.set_ylabel("y (mm)", fontsize=18, labelpad=2)
    top.set_xlabel("column (pixels)", fontsize=18)
    right.set_ylabel("row (pixels)", fontsize=18)
    axes.set_title("The upright image, here of a DIGIT", fontsize=21, pad=70, weight="bold")


def draw_frame_on_image(axes: Axes) -> None:
    """Gel frame, positive rotation, and a shear force."""
    arrow(axes, (0, 0), (4.6, 0), X)
    arrow(axes, (0, 0), (0, 4.6), Y)
    along_view(axes, (0, 0), Z)
    name(axes, (5.3, 0), "x", X)
    name(axes, (0, 5.5), "y", Y)
    name(axes, (-1.15, -0.9), "z", Z)
    axes.text(-6.7, 8.6, "<name>_gel_frame", color=INK, fontsize=17, bbox=LABEL)
    axes.add_patch(Arc((0, 0), 5.8, 5.8, theta1=15, theta2=68, color="white", lw=4.5))
    tip, turn = 2.9 * _direction(70), _direction(160)
    across = _direction(70)
    axes.add_patch(
        Polygon([tip + 0.8 * turn, tip + 0.42 * across, tip - 0.42 * across], color="white")
    )
    name(axes, (2.55, 2.55), "θ", INK)
    force = np.array(RING_MM) + (2.7, 1.35)
    arrow(axes, RING_MM, tuple(force), FORCE)
    name(axes, (force[0] + 0.1, force[1] + 1.0), "force", FORCE)


def draw_section(axes: Axes) -> None:
    """A cut through gel and object along x: the camera above, the world below."""
    axes.set(xlim=(-9.5, 10.5), ylim=(-4.4, 11.2), aspect="equal")
    axes.axis("off")
    x = np.linspace(-7.15, 7.15, 300)
    dent = 1.15 * np.exp(-(((x - OBJECT_X_MM) / 1.5) ** 2))
    gel = [*zip(x, dent, strict=True), (7.15, 2.8), (-7.15, 2.8)]
    axes.add_patch(Polygon(gel, facecolor="#d5e6f6", edgecolor="#7fa6c9", lw=2))
    axes.add_patch(Circle((OBJECT_X_MM, -1.35), 2.3, facecolor="#dcd5ca", edgecolor=QUIET, lw=2))
    axes.add_patch(Rectangle((-1.3, 9.2), 2.6, 1.4, facecolor="#444444"))
    for side in (-1, 1):
        axes.plot([side, side * 6.6], [9.2, 2.8], color="#bbbbbb", lw=2, ls="--", zorder=0)
    text = {"fontsize": 18, "ha": "center", "va": "center", "color": INK}
    axes.text(-6.2, 1.4, "gel", **text | {"color": "#3b6a94"})
    axes.text(OBJECT_X_MM, -2.1, "object", **text)
    axes.text(-3.1, 9.9, "camera", **text)
    _draw_frames_in_section(axes)
    axes.set_title("Seen from the side", fontsize=21, weight="bold", pad=8)


def _draw_frames_in_section(axes: Axes) -> None:
    arrow(axes, (0, 0), (2.0, 0), X)
    arrow(axes, (0, 0), (0, 3.9), Z)
    along_view(axes, (0, 0), Y, away=True)
    name(axes, (1.4, -0.95), "x", X)
    name(axes, (-0.9, 3.7), "z", Z)
    name(axes, (-0.9, -0.95), "y", Y)
    arrow(axes, (0, 9.2), (3.4, 9.2), X)
    arrow(axes, (0, 9.2), (0, 5.6), Z)
    along_view(axes, (0, 9.2), Y)
    name(axes, (4.1, 9.2), "x", X)
    name(axes, (0.95, 5.7), "z", Z)
    name(axes, (0.95, 8.1), "y", Y)
    arrow(axes, (OBJECT_X_MM, -0.9), (OBJECT_X_MM + 1.3, 2.0), FORCE)
    name(axes, (OBJECT_X_MM - 0.2, 3.7), "force", FORCE)
    label = {"fontsize": 17, "color": INK}
    axes.text(4.9, 9.0, "<name>_camera_\noptical_frame", **label)
    axes.text(-7.1, -2.4, "<name>_gel_frame", **label)


def draw_notes(axes: Axes) -> None:
    """Signs, and the scale of each kind of sensor."""
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    for line, (what, meaning, colour) in enumerate(SIGNS):
        height = 0.93 - 0.12 * line
        axes.text(0.0, height, what, fontsize=18, color=colour, weight="bold")
        axes.text(0.24, height, meaning, fontsize=18, color=INK)
    for line, (kind, words) in enumerate(KINDS.items()):
        profile = load_profile(kind)
        size = f"{profile.gel_width_mm:.1f} × {profile.gel_height_mm:.1f} mm"
        scale = f"{profile.metres_per_pixel * 1e3:.3f} mm per pixel"
        height = 0.22 - 0.11 * line
        for place, words_here in ((0.0, words), (0.3, size), (0.62, scale)):
            axes.text(place, height, words_here, fontsize=18, color=INK)


def _direction(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def main() -> None:
    """Write the picture."""
    figure = plt.figure(figsize=(16, 10), dpi=100)
    image = figure.add_axes((0.05, 0.085, 0.4, 0.76))
    draw_image(image)
    draw_frame_on_image(image)
    draw_section(figure.add_axes((0.5, 0.385, 0.5, 0.56)))
    draw_notes(figure.add_axes((0.535, 0.03, 0.46, 0.33)))
    figure.savefig(OUT)


if __name__ == "__main__":
    main()
