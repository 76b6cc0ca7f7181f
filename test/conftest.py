# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports rclpy: a domain of this run alone, on this host alone. Above 101 the ports
# of a domain reach into the range that the kernel hands out.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

HAS_ROS = importlib.util.find_spec("rclpy") is not None
collect_ignore_glob = [] if HAS_ROS else ["nodes/*"]


@pytest.fixture(scope="session", autouse=True)
def user_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's data folder of this run alone, for all processes that it starts."""
    folder = tmp_path_factory.mktemp("user_data")
    os.environ["XDG_DATA_HOME"] = str(folder)
    return folder


def pytest_report_header() -> str:
    """Says which part of the tests this environment leaves out."""
    if HAS_ROS:
        return f"ROS domain {os.environ['ROS_DOMAIN_ID']}"
    return "rclpy is not installed: test/nodes is left out"


@pytest.fixture(scope="session")
def tactile_data() -> Path:
    """Folder of recordings of real sensors; skips the test where there is none."""
    folder = Path(os.environ.get("SPARSH_TACTILE_DATA", ROOT.parent / "shared" / "tactile"))
    if not folder.is_dir():
        pytest.skip(f"no recordings of real sensors in {folder}; name one in SPARSH_TACTILE_DATA")
    return folder
