# SPDX-License-Identifier: Apache-2.0
"""From a file of weights to a module: what it holds, which architecture that is, loading it."""
