# SPDX-License-Identifier: Apache-2.0
"""The bead maze: a bead on a bent wire, held between two fingertips, moved by an arm."""
