# SPDX-License-Identifier: Apache-2.0
"""What finished models are worth: on simulated touch, on real gels, beside each other; the card."""
