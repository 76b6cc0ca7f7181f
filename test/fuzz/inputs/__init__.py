# SPDX-License-Identifier: Apache-2.0
"""What they are given."""
