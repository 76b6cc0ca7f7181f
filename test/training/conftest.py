# SPDX-License-Identifier: Apache-2.0
"""A tiny data set, and a model of a size that trains in seconds."""

from fixtures.dataset import dataset, one_thread, spec

__all__ = ["dataset", "one_thread", "spec"]
