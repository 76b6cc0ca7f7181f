# SPDX-License-Identifier: Apache-2.0
"""The no-contact reference of a gel: captured while nothing moves, stored, and watched."""

from __future__ import annotations

from sparsh_ros.background.keeper import BackgroundKeeper, read_background
from sparsh_ros.background.still import StillFrames
from sparsh_ros.background.store import BackgroundStore

__all__ = ["BackgroundKeeper", "BackgroundStore", "StillFrames", "read_background"]
