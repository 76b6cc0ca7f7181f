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

# Images and pictures: a listener that falls behind loses the oldest, and holds nobody up.
IMAGE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE)
# The encoder's end of the images: it takes them in at once, yet may be held up for a few frames.
# Best effort, because then it matches the drivers of others too, whatever they offer.
IMAGE_INPUT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Features and force fields: several fragments, of which a network that loses a few loses one.
LARGE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2, reliability=ReliabilityPolicy.RELIABLE)
# Small messages that every listener must get.
RELIABLE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)
# Estimates, of which a controller must hear when they end. A process that was killed loses its
# lease, one that hangs misses the deadline, and nobody is handed a message that is older than the
# lifespan.
ESTIMATE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    deadline=Duration(seconds=1),
    liveliness=LivelinessPolicy.AUTOMATIC,
    liveliness_lease_duration=Duration(seconds=2),
    lifespan=Duration(seconds=5),
)
# The newest only, such as the time.
LATEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# The background: sent once, and whoever comes later still gets it.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
