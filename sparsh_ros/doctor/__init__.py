# SPDX-License-Identifier: Apache-2.0
"""What keeps a sensor or this machine from working, and how to mend it: `sparsh-ros doctor`."""
