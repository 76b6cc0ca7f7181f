# SPDX-License-Identifier: Apache-2.0
"""Recordings: bags read, written and described; data sets of others imported."""
