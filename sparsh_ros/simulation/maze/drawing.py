# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run: the wire from the side and from above, both fingertips, and some words."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import SparshError
from sparsh_ros.simulation.maze.wire import Wire
from sparsh_ros.simulation.maze.world import MazeSample

WIDTH, HEIGHT = 960, 480
_VIEWS = ((0, 2, 20, "from the side"), (0, 1, 330, "from above"))  # axes, top, title
_LEFT, _VIEW_WIDTH, _VIEW_HEIGHTS = 20, 640, (280, 120)
_BACKGROUND, _WIRE, _DONE, _BEAD, _HAND, _TEXT = (
    (250, 250, 250),
    (150, 150, 150),
    (60, 150, 60),
    (200, 60, 40),
    (40, 70, 200),
    (40, 40, 40),
)
_STDERR = 2
_N_PX = 8.0  # pixels of an arrow per newton


def draw_frame(wire: Wire, sample: MazeSample, words: Sequence[str]) -> NDArray[np.uint8]:
    """One picture, (480, 960, 3) uint8 RGB.

    Args:
        wire: of the maze.
        sample: the world now.
        words: lines to write beside it.
    """
    canvas = np.full((HEIGHT, WIDTH, 3), _BACKGROUND, np.uint8)
    for (across, up, top, title), tall in zip(_VIEWS, _VIEW_HEIGHTS, strict=True):
        _draw_view(canvas, wire, sample, (across, up), (top, tall))
        _write(canvas, title, (_LEFT, top + 12))
    for index, touch in enumerate(sample.touches):
        image = cv2.resize(touch.image, (120, 160), interpolation=cv2.INTER_LINEAR)
        left = 690 + 132 * index
        canvas[40:200, left : left + 120] = image
        _write(canvas, ("left", "right")[index], (left, 32))
    for row, line in enumerate(words):
        _write(canvas, line, (690, 230 + 20 * row))
    return canvas


def describe(wire: Wire, sample: MazeSample) -> list[str]:
    """Lines that say how it goes."""
    force = float(np.linalg.norm(sample.force_n))
    left, right = sample.touches
    return [
        f"{sample.time_s:5.1f} s   {1e3 * sample.bead_m:4.0f} of {1e3 * wire.length_m:.0f} mm",
        f"force {force:4.1f} N   grip {sample.grip_n:4.1f} N",
        f"margin {left.friction_margin:5.2f} {right.friction_margin:5.2f}",
        f"slide {1e3 * left.slide_speed_m_s:5.1f} {1e3 * right.slide_speed_m_s:5.1f} mm/s",
        "held" if sample.held else "not held",
    ]


_CODECS = {".webm": "VP80", ".mp4": "mp4v"}
"""By ending. Browsers play VP8 and not MPEG-4; VP9 and H.264 they play too, but OpenCV writes the
one at a tenth of the speed, and the other not at all."""
_CHATTER = b"is not supported with codec id"
"""In the line that OpenCV prints for each WebM film: WebM has no codes of four letters for its
codecs. Nothing is wrong."""


@contextmanager
def without_line(words: bytes) -> Iterator[None]:
    """Keep lines with these words, which a library of C writes, from the terminal.

    Whatever else comes on standard error meanwhile, from any thread, is passed on at the end.
    """
    terminal = os.dup(_STDERR)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            caught.seek(0)
            for line in caught:
                if words not in line:
                    os.write(_STDERR, line)


class FilmWriter(AbstractContextManager):
    """Writes pictures as a WebM or MP4 file, beside the work; use as a context manager."""

    def __init__(self, path: Path, rate_hz: float) -> None:
        """Begin a film.

        Raises:
            SparshError: It cannot be written there.
        """
        codec = _CODECS.get(path.suffix)
        if codec is None:
            raise SparshError(f"{path}: wanted a name that ends in {' or '.join(_CODECS)}")
        code = cv2.VideoWriter.fourcc(*codec)
        size = WIDTH, HEIGHT
        with without_line(_CHATTER):
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate_hz, size)
        if not self._writer.isOpened():
            raise SparshError(f"{path}: a film cannot be written there; choose another place")
        self._worker = ThreadPoolExecutor(1, "film")

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the film."""
        self._worker.shutdown()
        self._writer.release()

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Take the next picture."""
        self._worker.submit(self._writer.write, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def _draw_view(
    canvas: NDArray[np.uint8],
    wire: Wire,
    sample: MazeSample,
    axes: tuple[int, int],
    place: tuple[int, int],
) -> None:
    """One orthogonal view; one scale for both of them."""
    points = wire.points[:, axes]
    low, high = points.min(0), points.max(0)
    scale = min(_VIEW_WIDTH / (np.ptp(wire.points[:, 0]) + 0.06), 2600.0)
    middle = 0.5 * (low + high)
    centre = np.array([_LEFT + _VIEW_WIDTH / 2, place[0] + place[1] / 2])

    def to_px(metres: NDArray[np.float64]) -> NDArray[np.int32]:
        offset = (np.atleast_2d(metres)[:, list(axes)] - middle) * [scale, -scale]
        return np.round(centre + offset).astype(np.int32)

    line = to_px(wire.points)
    done = max(round(sample.bead_m / max(wire.length_m, 1e-9) * (len(line) - 1)), 1)
    cv2.polylines(canvas, [line], False, _WIRE, 2, cv2.LINE_AA)
    cv2.polylines(canvas, [line[: done + 1]], False, _DONE, 3, cv2.LINE_AA)
    bead = to_px(wire.point(sample.bead_m))[0]
    cv2.circle(canvas, bead.tolist(), 8, _BEAD, -1, cv2.LINE_AA)
    hand = sample.hand
    palm = to_px(hand.position - 0.03 * hand.rotation[:, 2])[0]
    tip = to_px(hand.position)[0]
    cv2.line(canvas, palm.tolist(), tip.tolist(), _HAND, 3, cv2.LINE_AA)
    cv2.circle(canvas, tip.tolist(), 12 if sample.held else 16, _HAND, 2, cv2.LINE_AA)
    arrow = _N_PX * sample.force_n[list(axes)] * [1.0, -1.0]
    cv2.arrowedLine(canvas, bead.tolist(), np.round(bead + arrow).astype(int).tolist(), _BEAD, 2)


def _write(canvas: NDArray[np.uint8], text: str, corner: tuple[int, int]) -> None:
    cv2.putText(canvas, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _TEXT, 1, cv2.LINE_AA)
