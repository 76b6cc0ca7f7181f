# SPDX-License-Identifier: Apache-2.0
"""Playing a bag through the live graph, and comparing."""
