# SPDX-License-Identifier: Apache-2.0
"""AnyTouch and AnyTouch 2: encoders that are told the sensor, and their heads."""
