# SPDX-License-Identifier: Apache-2.0
"""What the graph consists of, and starting it."""
