# SPDX-License-Identifier: Apache-2.0
"""The report of `sparsh-ros evaluate`."""
