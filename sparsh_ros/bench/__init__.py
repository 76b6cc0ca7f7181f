# SPDX-License-Identifier: Apache-2.0
"""What is measured: models, simulator, drivers, and how the pipeline bears faults."""
