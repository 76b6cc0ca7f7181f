# SPDX-License-Identifier: Apache-2.0
"""Probes on encoders, and the benchmark that compares them: TacBench on simulated touch."""
