# SPDX-License-Identifier: Apache-2.0
"""Watching the graph for a while: `sparsh-ros demo`."""
