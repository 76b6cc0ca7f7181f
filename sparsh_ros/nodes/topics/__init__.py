# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions: the topics of one sensor, their names and quality of service."""
