# SPDX-License-Identifier: Apache-2.0
"""Fuzzing: what reads files and messages meets damaged and hostile ones. See `harness`."""
