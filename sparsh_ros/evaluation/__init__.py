# SPDX-License-Identifier: Apache-2.0
"""How good the estimates are: metrics over recordings and held-out simulations."""
