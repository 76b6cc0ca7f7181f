# SPDX-License-Identifier: Apache-2.0
"""What crosses DDS: topics, messages and their conversion."""
