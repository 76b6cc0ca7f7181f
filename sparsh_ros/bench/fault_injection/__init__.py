# SPDX-License-Identifier: Apache-2.0
"""A camera that fails on demand, and what becomes of the estimates."""
