# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros view`: images and estimates in a rerun viewer, live or from a recording."""
