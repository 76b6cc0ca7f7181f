# SPDX-License-Identifier: Apache-2.0
"""The simulated gel: contact mechanics, friction and optics of a camera-based tactile sensor."""
