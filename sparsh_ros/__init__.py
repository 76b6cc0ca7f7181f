# SPDX-License-Identifier: Apache-2.0
"""Touch for robots: contact force, slip and planar motion from a gel camera.

The core (everything outside `sparsh_ros.nodes`) works without ROS. The ROS messages
`sparsh_ros.msg` exist where the package was built with CMake.
"""

from pkgutil import extend_path

# The messages are generated into the install prefix: from a source checkout, look there as well.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
