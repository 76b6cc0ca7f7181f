# SPDX-License-Identifier: Apache-2.0
"""Commands of the simulated gel: recordings of it, pictures, its distance from real gels."""
