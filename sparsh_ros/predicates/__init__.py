# SPDX-License-Identifier: Apache-2.0
"""What is true of that which a hand touches: predicates for symbolic planners. No torch.

A small classifier each, on the frozen tokens of the fingers and on the estimates, with a memory of
the last second.
"""
