# SPDX-License-Identifier: Apache-2.0
"""Packaging for `pip install .`: the core, which works without ROS.

On ROS, and in the environment that `make setup` makes, CMakeLists.txt installs the package.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "sparsh_ros" / "__init__.py").read_text(), re.MULTILINE
).group(1)

TORCH = ["torch>=2.6", "safetensors>=0.4"]
EXPORT = ["onnx>=1.16", "onnxscript>=0.2"]

# Folders of data beside the package -> where they lie inside it.
DATA = {"sparsh_ros.config": "config", "sparsh_ros.message_definitions": "msg"}

setup(
    name="sparsh_ros",
    version=VERSION,
    description="Contact force, slip and planar object motion from DIGIT and GelSight sensors",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    author="The sparsh_ros contributors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=[*find_packages(include=["sparsh_ros", "sparsh_ros.*"]), *DATA],
    package_dir=DATA,
    package_data={
        "sparsh_ros": ["weights/**/*"],
        "sparsh_ros.reports": ["templates/**/*"],
        **{package: ["**/*"] for package in DATA},
    },
    install_requires=[
        "jinja2>=3.0",
        "numpy>=1.23",
        "onnxruntime>=1.17",
        # Headless, because the other build of OpenCV needs libGL, which a bare machine lacks.
        "opencv-python-headless>=4.8",
        "PyYAML>=6",
        "rich>=13",
    ],
    extras_require={
        "bags": ["mcap>=1.2", "rosbags>=0.11"],
        "torch": TORCH,
        "train": [*TORCH, *EXPORT],
        "digit": ["digit-interface"],
        "hub": ["huggingface_hub>=0.25"],
        "gpu": ["onnxruntime-gpu>=1.17"],
    },
    entry_points={"console_scripts": ["sparsh-ros = sparsh_ros.cli:main"]},
)
