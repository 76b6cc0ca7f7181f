# SPDX-License-Identifier: Apache-2.0
"""Touch for robots: contact force, slip and planar motion from a gel camera.

    from sparsh_ros import Perception, open_sensor

    with open_sensor("digit") as sensor, Perception() as perception:
        for estimate in perception.follow(sensor):
            print(estimate.force_n, estimate.slipping, estimate.pose)

The core (everything outside `sparsh_ros.nodes`) works without ROS. The ROS messages
`sparsh_ros.msg` exist where the package was built with CMake.
"""

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsh_ros.frames import Frame
    from sparsh_ros.models.loading.encoders import load_encoder
    from sparsh_ros.models.loading.heads import load_head
    from sparsh_ros.perception.pipeline import Perception
    from sparsh_ros.perception.postprocess import Estimate
    from sparsh_ros.sensors import open_sensor

__all__ = ["Estimate", "Frame", "Perception", "load_encoder", "load_head", "open_sensor"]

# The messages are generated into the install prefix: from a source checkout, look there as well.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"

# Imported when first used: importing the package costs nothing, and the live path has no torch.
_HOMES = {
    "Estimate": "sparsh_ros.perception.postprocess",
    "Frame": "sparsh_ros.frames",
    "Perception": "sparsh_ros.perception.pipeline",
    "load_encoder": "sparsh_ros.models.loading.encoders",
    "load_head": "sparsh_ros.models.loading.heads",
    "open_sensor": "sparsh_ros.sensors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
