# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench tacbench`, and how far its simulated features are from real ones."""
