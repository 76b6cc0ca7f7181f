# SPDX-License-Identifier: Apache-2.0
"""The one training loop of all self-supervised recipes."""
