# SPDX-License-Identifier: Apache-2.0
"""Weights into torch modules: encoders and heads."""
