# SPDX-License-Identifier: Apache-2.0
"""A machine for the doctor to look at."""

from fixtures.machine import machine, plug

__all__ = ["machine", "plug"]
