# SPDX-License-Identifier: Apache-2.0
"""Models out of and into files: ONNX, conversion, inspection, download."""
