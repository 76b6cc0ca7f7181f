# SPDX-License-Identifier: Apache-2.0
"""Short clips of touch images with labels, at the size that a model sees."""
