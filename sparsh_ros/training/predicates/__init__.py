# SPDX-License-Identifier: Apache-2.0
"""Classifiers of predicates, trained on recordings."""
