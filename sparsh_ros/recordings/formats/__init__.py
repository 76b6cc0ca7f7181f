# SPDX-License-Identifier: Apache-2.0
"""File formats of bags: MCAP, SQLite, and the definitions of message types in them."""
