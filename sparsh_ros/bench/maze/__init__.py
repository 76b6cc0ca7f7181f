# SPDX-License-Identifier: Apache-2.0
"""How well policies do the bead maze: along recorded runs, and in closed loop."""
