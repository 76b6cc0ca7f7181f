# SPDX-License-Identifier: Apache-2.0
"""Films of runs, as a reader of the report sees them."""

import os

import numpy as np
import pytest
from fixtures.browser import find_browser, told_by

from sparsh_ros.errors import SparshError
from sparsh_ros.simulation.maze.drawing import HEIGHT, WIDTH, FilmWriter, without_line

PAGE = """<!doctype html><pre id="told"></pre><script>
const told = document.getElementById("told"), video = document.createElement("video");
video.onloadeddata = () => { told.textContent =
  JSON.stringify([video.videoWidth, video.videoHeight, video.duration]); };
video.onerror = () => { told.textContent = JSON.stringify("refused"); };
video.src = "maze.webm";
document.body.append(video);
</script>"""


def test_a_browser_plays_the_film(tmp_path):
    browser = find_browser()
    with FilmWriter(tmp_path / "maze.webm", 12.0) as film:
        for level in range(24):
            film.add(np.full((HEIGHT, WIDTH, 3), 10 * level, np.uint8))
    page = tmp_path / "page.html"
    page.write_text(PAGE)
    width, height, seconds = told_by(browser, page)
    assert (width, height) == (WIDTH, HEIGHT)
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_a_film_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(SparshError, match="cannot be written there"):
        FilmWriter(tmp_path / "missing" / "maze.webm", 12.0)
    with pytest.raises(SparshError, match=r"ends in \.webm or \.mp4"):
        FilmWriter(tmp_path / "maze.gif", 12.0)


def test_a_film_says_nothing_and_hides_nothing(tmp_path, capfd):
    with FilmWriter(tmp_path / "maze.webm", 12.0):
        pass
    assert capfd.readouterr().err == ""
    with without_line(b"known"):
        os.write(2, b"first\nwell known line\nno end")
    with pytest.raises(KeyError), without_line(b"known"):
        os.write(2, b"; another\n")
        raise KeyError
    os.write(2, b"last\n")
    assert capfd.readouterr().err == "first\nno end; another\nlast\n"
