# SPDX-License-Identifier: Apache-2.0
"""Pre-training an encoder by one of the recipes."""
