# SPDX-License-Identifier: Apache-2.0
"""Which programs use a device."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("command", [b"", None])
def test_process_that_does_not_say_how_it_was_started(machine, command) -> None:
    machine.start(7, "", "/dev/video0")
    path = machine.path("/proc/7/cmdline")
    path.unlink() if command is None else path.write_bytes(command)
    (process,) = machine.processes_using("/dev/video0")
    assert (process.pid, process.command) == (7, "unknown")
