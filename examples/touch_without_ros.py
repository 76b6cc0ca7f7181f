# SPDX-License-Identifier: Apache-2.0
"""Force and slip of a gel sensor in plain Python, no ROS.

python examples/touch_without_ros.py                         # the simulated DIGIT
python examples/touch_without_ros.py digit                   # or its serial number
python examples/touch_without_ros.py recording.mp4           # or a folder of images
"""

import sys
from itertools import islice

from sparsh_ros import Perception, open_sensor
from sparsh_ros.errors import SparshError


def show_touch(sensor_name: str) -> None:
    """Print a line for every sixth estimate, for three seconds."""
    with open_sensor(sensor_name) as sensor, Perception() as perception:
        for number, estimate in enumerate(islice(perception.follow(sensor), 180)):
            if not estimate.valid:
                print(f"{number:4d}  {estimate.reason}")
            elif number % 6 == 0:
                x, y, z = estimate.force_n
                touch = "holding" if estimate.in_contact else "-"
                word = "slipping" if estimate.slipping else touch
                print(f"{number:4d}  force {x:+.2f} {y:+.2f} {z:+.2f} N  {word}")


if __name__ == "__main__":
    try:
        show_touch(sys.argv[1] if len(sys.argv) > 1 else "simulated")
    except SparshError as error:  # its text says what was wanted, found, and what to do
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
