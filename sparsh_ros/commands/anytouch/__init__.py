# SPDX-License-Identifier: Apache-2.0
"""Training AnyTouch, its probes, and comparing it across sensors."""
