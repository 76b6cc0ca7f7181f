# SPDX-License-Identifier: Apache-2.0
"""Drivers of live cameras: found, opened, watched, over V4L2 or HTTP."""
