# SPDX-License-Identifier: Apache-2.0
"""Simulated touches that several sensors share: what AnyTouch is trained and judged on."""
