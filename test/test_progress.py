# SPDX-License-Identifier: Apache-2.0
"""Long work that somebody stops."""

from __future__ import annotations

import pytest

from sparsh_ros.progress import stoppable, track


def test_who_stops_is_told_how_far_it_came() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt, match="stopped, 2 of 3 made"):  # noqa: SIM117
        with stoppable(lambda: f"stopped, {len(done)} of 3 made"):
            for item in track([1, 2, 3], "Working"):
                if item == 3:
                    raise KeyboardInterrupt
                done.append(item)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="broken"), stoppable(lambda: "stopped"):
        raise ValueError("broken")
