# SPDX-License-Identifier: Apache-2.0
"""A simulated ViTacTip: a dome of clear skin with pins, and what is seen through it."""
