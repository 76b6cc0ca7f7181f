# SPDX-License-Identifier: Apache-2.0
"""SARL's six tasks on simulated ViTacTip images: data, probes, transfer, the table."""
