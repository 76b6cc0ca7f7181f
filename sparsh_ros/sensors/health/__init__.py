# SPDX-License-Identifier: Apache-2.0
"""Whether a sensor works: what it says of itself, and what is noticed when it falls silent."""
