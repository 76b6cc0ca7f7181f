# SPDX-License-Identifier: Apache-2.0
"""The running graph under the clock: `sparsh-ros bench graph`, `io` and `startup`."""
