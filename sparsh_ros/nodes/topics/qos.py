# SPDX-License-Identifier: Apache-2.0
"""The qualities of service in use.

Default subscribers (`create_subscription(..., 10)`, RViz, rqt) request reliable delivery without
deadline, lifespan or lease; each publisher here offers at least that, so that all of them match.
"""

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)


def _newest(depth: int, reliability=ReliabilityPolicy.RELIABLE, **others) -> QoSProfile:
    """Keep so many of the newest messages."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, **others
    )


# Images and pictures: a listener that falls behind loses the oldest, and holds nobody up.
IMAGE = _newest(5)
# The encoder's end of the images: it takes them in at once, yet may be held up for a few frames.
# Best effort, because then it matches the drivers of others too, whatever they offer.
IMAGE_INPUT = _newest(10, ReliabilityPolicy.BEST_EFFORT)
# Features and force fields: several fragments, of which a network that loses a few loses one.
LARGE = _newest(2)
# Small messages that every listener must get.
RELIABLE = _newest(10)
# Estimates, of which a controller must hear when they end. A process that was killed loses its
# lease, one that hangs misses the deadline, and nobody is handed a message that is older than the
# lifespan.
ESTIMATE = _newest(
    10,
    deadline=Duration(seconds=1),
    liveliness=LivelinessPolicy.AUTOMATIC,
    liveliness_lease_duration=Duration(seconds=2),
    lifespan=Duration(seconds=5),
)
# The newest only, such as the time.
LATEST = _newest(1, ReliabilityPolicy.BEST_EFFORT)
# The background: sent once, and whoever comes later still gets it.
LATCHED = _newest(
    1,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
