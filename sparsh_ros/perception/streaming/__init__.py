# SPDX-License-Identifier: Apache-2.0
"""Estimates with memory: the contact so far, the friction observer, the heads."""
