# SPDX-License-Identifier: Apache-2.0
"""Simulated data of the tasks that classify: grasps that hold or not, and textiles."""
