# SPDX-License-Identifier: Apache-2.0
"""After the tests: how many inputs each target took, and what became of them."""

from __future__ import annotations

import pytest

from fuzz.harness import TARGETS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each target."""
    for target in TARGETS:
        if target.summary:
            terminalreporter.write_line(target.summary)
