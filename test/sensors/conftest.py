# SPDX-License-Identifier: Apache-2.0
"""A simulated machine for the drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsh_ros.bench.fault_injection.camera import FaultyHost


@pytest.fixture
def host(tmp_path: Path) -> FaultyHost:
    """A machine without cameras, to plug faulty ones into."""
    folder = tmp_path / "sys"
    folder.mkdir()
    return FaultyHost(folder)
