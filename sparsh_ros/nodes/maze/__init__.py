# SPDX-License-Identifier: Apache-2.0
"""The bead maze on a robot: its controller as a node."""
