# SPDX-License-Identifier: Apache-2.0
"""Touch models: what they are (zoo), their networks, their weights, and their export to ONNX.

`zoo` needs no torch; the other modules do.
"""
