# SPDX-License-Identifier: Apache-2.0
"""Behaviour cloning for the bead maze: what a policy sees, what it does, what stops it."""
