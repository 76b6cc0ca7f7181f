# SPDX-License-Identifier: Apache-2.0
"""Policies of the bead maze, trained on demonstrations."""
