# SPDX-License-Identifier: Apache-2.0
"""A hand of two simulated fingers, and predicates that are true of what it touches."""
