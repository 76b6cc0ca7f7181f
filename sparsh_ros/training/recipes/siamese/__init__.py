# SPDX-License-Identifier: Apache-2.0
"""Methods that learn by comparing two views of one image, a file each."""
