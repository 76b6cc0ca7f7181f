# SPDX-License-Identifier: Apache-2.0
"""One player for each ROS domain: two would both tell the time, and each end the other's work."""

from __future__ import annotations

import os
import socket
import sys

from sparsh_ros.errors import ParameterError

OTHER_CLOCK = (
    "/clock: wanted to be the only one who tells the time, found another node that does; stop it, "
    "or choose another ROS_DOMAIN_ID"
)


def claim_clock() -> socket.socket:
    """Be the only player of this ROS domain on this machine, until the socket is closed.

    The graph of ROS tells of another player only after seconds, on a busy machine too late. A name
    of a socket that is no file is known at once, and free again when its process is gone.

    Raises:
        ParameterError: Another process plays in this domain.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform != "linux":  # elsewhere such a name would be a file
        return claim
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    try:
        claim.bind(f"\0sparsh_ros/player/{domain}")
    except OSError as error:
        claim.close()
        raise ParameterError(OTHER_CLOCK) from error
    return claim
