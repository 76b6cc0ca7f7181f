# SPDX-License-Identifier: Apache-2.0
"""Making datasets and training encoders and heads. Needs torch."""
