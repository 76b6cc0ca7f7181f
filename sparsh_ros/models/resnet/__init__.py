# SPDX-License-Identifier: Apache-2.0
"""ResNet-18, the encoder of single images: the network, and the files of a trained one."""
