# SPDX-License-Identifier: Apache-2.0
"""What is tried: readers, by kind of what they read."""
