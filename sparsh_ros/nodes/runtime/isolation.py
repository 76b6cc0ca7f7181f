# SPDX-License-Identifier: Apache-2.0
"""A ROS graph that meets no other."""

from __future__ import annotations

import random
import socket

from sparsh_ros.errors import SensorError


def isolated_environment() -> dict[str, str]:
    """Environment of a ROS graph that meets no other, on this machine or beyond it."""
    return {
        "ROS_DOMAIN_ID": str(_free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def _free_domain() -> int:
    """A domain in which no participant has taken the first unicast port, by the DDS port rules."""
    for domain in random.sample(range(1, 101), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7400 + 250 * domain + 10))
            except OSError:
                continue
            return domain
    raise SensorError("demo: all ROS domains from 1 to 100 are in use; stop other ROS graphs")
