# SPDX-License-Identifier: Apache-2.0
"""AnyTouch (Feng et al., 2025, arXiv:2502.12191): masked modelling, then alignment."""
