# SPDX-License-Identifier: Apache-2.0
"""What the commands work on: a machine for the doctor, a tiny data set for training."""

from fixtures.dataset import dataset, one_thread, spec
from fixtures.machine import machine, plug

__all__ = ["dataset", "machine", "one_thread", "plug", "spec"]
