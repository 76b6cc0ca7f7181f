# SPDX-License-Identifier: Apache-2.0
"""The networks once more, plainly, in NumPy float64: what the product's numbers are compared with.

Written from the published description of the architectures, with loops and without any of the
product's shortcuts. Weights come by their names in the official files.
"""
