# SPDX-License-Identifier: Apache-2.0
"""One module per layout of data that `sparsh-ros import` reads."""
