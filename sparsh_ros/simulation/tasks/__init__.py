# SPDX-License-Identifier: Apache-2.0
"""Tasks beyond a touch: a cloth on the gel, an object that is lifted."""
