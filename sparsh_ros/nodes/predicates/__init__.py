# SPDX-License-Identifier: Apache-2.0
"""Predicates of a hand on a topic and by services, and who prints them."""
