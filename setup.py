# SPDX-License-Identifier: Apache-2.0
"""The one thing that pyproject.toml cannot say: two packages of data lie outside `sparsh_ros`."""

from setuptools import find_packages, setup

# Package of data -> its folder beside the package.
DATA = {"sparsh_ros.config": "config", "sparsh_ros.message_definitions": "msg"}

setup(packages=[*find_packages(include=["sparsh_ros", "sparsh_ros.*"]), *DATA], package_dir=DATA)
