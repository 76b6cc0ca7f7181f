# SPDX-License-Identifier: Apache-2.0
"""What the camera of a simulated sensor sees: light, shadows, skin, compression."""
