# SPDX-License-Identifier: Apache-2.0
"""The same touch, seen by several kinds of sensors, by a camera, and told in words."""
