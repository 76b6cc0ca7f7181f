# SPDX-License-Identifier: Apache-2.0
"""The way of one frame: buffer, encoder, heads, estimates."""
