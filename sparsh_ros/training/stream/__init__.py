# SPDX-License-Identifier: Apache-2.0
"""Data, losses and scores of the streaming model."""
