# SPDX-License-Identifier: Apache-2.0
"""Recording topics into a bag."""
