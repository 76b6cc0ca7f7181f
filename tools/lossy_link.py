# SPDX-License-Identifier: Apache-2.0
"""How many large messages arrive on another host over a link that loses packets.

Two network namespaces stand for two hosts. Their only link is this program, which hands Ethernet
frames from one to the other and drops some of them by chance. As root, in the environment of the
package:

    python tools/lossy_link.py --loss 0.01
    FASTDDS_DEFAULT_PROFILES_FILE=config/fastdds.xml python tools/lossy_link.py --loss 0.01
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

_SPACES = ("sparsh_link_a", "sparsh_link_b")
_DEVICE = "link0"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x2, 0x1000
_CLONE_NEWNET = 0x40000000
_FRAME_BYTES = 65536
_GIVE_UP_S = 60.0
_LAST_S = 3.0  # for what is sent again after the last message

# Bytes of one message, and whether it is sent reliably: as the nodes do it, and as it was before.
KINDS = {
    "images": (230_400, True),
    "features": (115_200, True),
    "force field": (57_600, True),
    "images, best effort": (230_400, False),
    "features, best effort": (115_200, False),
    "force field in full, best effort": (921_600, False),
}


class Link:
    """Two namespaces and the lossy link between them."""

    def __init__(self, loss: float, seed: int) -> None:
        """Make them; `close` removes them."""
        self._loss, self._random = loss, random.Random(seed)
        self.passed = self.dropped = 0
        self._stop = threading.Event()
        self._ends = [_open_end(name, f"10.99.0.{n}/24") for n, name in enumerate(_SPACES, 1)]
        self._thread = threading.Thread(target=self._relay)
        self._thread.start()

    def close(self) -> None:
        """Take everything down."""
        self._stop.set()
        self._thread.join()
        for end in self._ends:
            os.close(end)
        for name in _SPACES:
            _run("ip", "netns", "del", name)

    def _relay(self) -> None:
        to = dict(zip(self._ends, reversed(self._ends), strict=True))
        while not self._stop.is_set():
            for end in select.select(self._ends, (), (), 0.1)[0]:
                frame = os.read(end, _FRAME_BYTES)
                if self._random.random() < self._loss:
                    self.dropped += 1
                    continue
                self.passed += 1
                os.write(to[end], frame)


def _open_end(space: str, address: str) -> int:
    """Make a namespace with one device; a file that holds what the device sends and receives."""
    _run("ip", "netns", "add", space)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{space}", os.O_RDONLY)
    _enter(there)
    try:
        end = os.open("/dev/net/tun", os.O_RDWR)
        request = struct.pack("16sH22x", _DEVICE.encode(), _IFF_TAP | _IFF_NO_PI)
        fcntl.ioctl(end, _TUNSETIFF, request)
    finally:
        _enter(home)
        os.close(home)
        os.close(there)
    inside = ("ip", "-n", space)
    _run(*inside, "link", "set", "lo", "up")
    _run(*inside, "addr", "add", address, "dev", _DEVICE)
    _run(*inside, "link", "set", _DEVICE, "up", "txqueuelen", "10000")
    _run(*inside, "route", "add", "default", "dev", _DEVICE)
    return end


def _enter(space: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(space, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace; run it as root")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _node(kind: str):
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    from sparsh_ros.nodes.topics import qos

    size, reliable = KINDS[kind]
    quality = QoSProfile(depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
    if reliable:
        quality = qos.IMAGE if kind == "images" else qos.LARGE
    rclpy.init()
    return rclpy, rclpy.create_node(f"link_{os.getpid()}"), quality, size


def send(kind: str, count: int, rate_hz: float) -> None:
    """Wait for a listener, then publish."""
    rclpy, node, quality, size = _node(kind)
    from sensor_msgs.msg import Image

    from sparsh_ros.nodes.messages import conversions

    publisher = node.create_publisher(Image, "link", quality)
    message = Image(height=1, width=size, step=size, encoding="mono8", data=bytes(size))
    give_up_s = time.monotonic() + _GIVE_UP_S
    while not publisher.get_subscription_count() and time.monotonic() < give_up_s:
        time.sleep(0.05)
    time.sleep(1.0)
    for number in range(count):
        message.header.stamp = conversions.stamp_to_msg(number)
        publisher.publish(message)
        time.sleep(1 / rate_hz)
    time.sleep(_LAST_S)
    rclpy.shutdown()


def receive(kind: str, count: int, rate_hz: float) -> None:
    """Print how many came, and how many the middleware itself counted as lost."""
    rclpy, node, quality, _ = _node(kind)
    from sensor_msgs.msg import Image

    from sparsh_ros.nodes.runtime.endpoints import Input

    came: list[int] = []
    heard = Input(node, Image, "link", quality, lambda message, _: came.append(1))
    last_s, give_up_s = None, time.monotonic() + _GIVE_UP_S
    while time.monotonic() < (give_up_s if last_s is None else last_s + 2 * _LAST_S):
        before = len(came)
        rclpy.spin_once(node, timeout_sec=0.2)
        if len(came) > before:
            last_s = time.monotonic()
        if len(came) == count:
            break
    sys.stdout.write(f"{len(came)} {heard.lost}\n")
    rclpy.shutdown()


def measure(kind: str, loss: float, count: int, rate_hz: float) -> str:
    """One row of the table."""
    link = Link(loss, seed=0)
    try:
        words = [kind, str(count), str(rate_hz)]
        ends = []
        for space, role in zip(_SPACES, ("receive", "send"), strict=True):
            line = ["ip", "netns", "exec", space, sys.executable, __file__, "--role", role, *words]
            ends.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
        came, lost = ends[0].communicate()[0].split()[-2:]
        ends[1].wait()
    finally:
        link.close()
    size = KINDS[kind][0] / 1000
    packets = f"{link.dropped} of {link.passed + link.dropped}"
    return f"| {kind} | {size:.0f} kB | {came} of {count} | {lost} | {packets} |\n"


def main() -> None:
    """Measure all kinds, or play one role in a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loss", type=float, default=0.01, help="share of the packets")
    parser.add_argument("--count", type=int, default=200, help="messages of each kind")
    parser.add_argument("--rate", type=float, default=20.0, help="messages per second")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--role", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        role, kind, count, rate_hz = options.role
        {"send": send, "receive": receive}[role](kind, int(count), float(rate_hz))
        return
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
    os.environ["RMW_FASTRTPS_PUBLICATION_MODE"] = "ASYNCHRONOUS"  # as in our nodes
    if profile := os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE"):
        os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(Path(profile).absolute())
    sys.stdout.write("| messages | size | came | known as lost | packets dropped |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    try:
        for kind in options.kinds:
            sys.stdout.write(measure(kind, options.loss, options.count, options.rate))
            sys.stdout.flush()
    except (OSError, subprocess.CalledProcessError) as error:
        mend = "; ".join(f"ip netns del {name}" for name in _SPACES)
        sys.exit(f"{error}; run it as root, and one at a time; after one that was killed: `{mend}`")


if __name__ == "__main__":
    main()
