# SPDX-License-Identifier: Apache-2.0
"""What files of AnyTouch and AnyTouch 2 hold. No torch."""
