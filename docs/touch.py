# SPDX-License-Identifier: Apache-2.0
"""Draws docs/touch.png: a simulated touch, and what the shipped model says of it.

python docs/touch.py            # needs matplotlib
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from sparsh_ros.frames import Frame
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.sensors import load_profile
from sparsh_ros.simulation.simulation import TouchSimulation

OUT = Path(__file__).with_name("touch.png")
SEED, RATE_HZ, REST_S = 0, 60.0, 0.5
# The second round of the script: the first holds, in this one the object slips.
FROM_S, TO_S = 7.3, 13.8
SHOWN_S = (7.8, 8.6, 9.3, 10.7, 12.6)
ESTIMATE, TRUTH, INK = "#0b6bcb", "#e08a00", "#1c1c1c"
ARROW_PX_PER_N = 40.0


def run() -> tuple[list, list]:
    """The samples of one touch, and an estimate for each of them."""
    profile = load_profile("digit")
    touch = TouchSimulation(
        sensor="digit", seed=SEED, touch="demo", rate_hz=RATE_HZ, rest_s=REST_S, maximum_load_n=5.0
    )
    perception = Perception(heads=("force", "slip"))
    perception.add_sensor("finger", profile)
    perception.set_background("finger", touch.background())
    samples = [touch.step() for _ in range(round(TO_S * RATE_HZ))]
    estimates = []
    for number, sample in enumerate(samples):
        perception.push("finger", Frame(round(number * 1e9 / RATE_HZ), sample.image))
        estimates += perception.infer()
    return samples, estimates


def draw_image(axes: Axes, sample, estimate, at_s: float) -> None:
    """One image of the gel, with the estimated force as an arrow from its middle."""
    axes.imshow(sample.image)
    axes.axis("off")
    x, y, z = estimate.force_n
    if estimate.in_contact:
        tip = (120 + ARROW_PX_PER_N * x, 160 - ARROW_PX_PER_N * y)
        style = {"color": "white", "width": 4, "headwidth": 12}
        axes.annotate("", tip, (120, 160), arrowprops=style)
    word = "slipping" if estimate.slipping else "holding" if estimate.in_contact else "free"
    axes.set_title(f"{at_s:.1f} s  {word}\n{z:+.1f} N", fontsize=13, color=INK)


def draw_curves(axes: Axes, seconds: np.ndarray, estimate, truth, label: str) -> None:
    """An estimate beside the truth."""
    axes.plot(seconds, truth, color=TRUTH, lw=2.5, label="truth")
    axes.plot(seconds, estimate, color=ESTIMATE, lw=1.5, label="estimate")
    axes.set_ylabel(label, fontsize=12)
    axes.set_xlim(FROM_S, TO_S)
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Write the picture."""
    samples, estimates = run()
    seconds = np.arange(len(samples)) / RATE_HZ
    figure = plt.figure(figsize=(12, 8.4), dpi=100, layout="constrained")
    grid = figure.add_gridspec(4, len(SHOWN_S), height_ratios=(4, 1.2, 1.2, 1.2))
    for column, at_s in enumerate(SHOWN_S):
        index = round(at_s * RATE_HZ)
        draw_image(figure.add_subplot(grid[0, column]), samples[index], estimates[index], at_s)
    found = np.array([estimate.force_n for estimate in estimates])
    truth = np.array([sample.force_n for sample in samples])
    rows = [figure.add_subplot(grid[row, :]) for row in (1, 2, 3)]
    draw_curves(rows[0], seconds, found[:, 2], truth[:, 2], "pressing (N)")
    shear = np.hypot(found[:, 0], found[:, 1]), np.hypot(truth[:, 0], truth[:, 1])
    draw_curves(rows[1], seconds, *shear, "shear (N)")
    rows[0].legend(loc="lower right", frameon=False, ncols=2)
    probability = [estimate.slip_probability for estimate in estimates]
    rows[2].plot(seconds, probability, color=ESTIMATE, lw=1.5)
    slipping = np.array([sample.slipping for sample in samples])
    rows[2].fill_between(seconds, 0, 1, where=slipping, color=TRUTH, alpha=0.3, lw=0)
    rows[2].axhline(estimates[-1].slip_threshold, color=INK, lw=1, ls="--")
    rows[2].set(ylabel="P(slip)", xlabel="seconds; shaded: it really slips", xlim=(FROM_S, TO_S))
    rows[2].spines[["top", "right"]].set_visible(False)
    figure.savefig(OUT)


if __name__ == "__main__":
    main()
