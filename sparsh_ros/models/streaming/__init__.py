# SPDX-License-Identifier: Apache-2.0
"""The small streaming network, whose heads remember the contact."""
