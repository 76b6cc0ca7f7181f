# SPDX-License-Identifier: Apache-2.0
"""Force and slip of a gel sensor in plain Python, no ROS.

python examples/touch_without_ros.py                         # the simulated DIGIT
python examples/touch_without_ros.py digit                   # or its serial number
python examples/touch_without_ros.py recording.mp4           # or a folder of images
"""

import sys
from itertools import islice

from sparsh_ros import Perception, open_sensor

sensor = open_sensor(sys.argv[1] if len(sys.argv) > 1 else "simulated")

with sensor, Perception() as perception:
    for number, estimate in enumerate(islice(perception.follow(sensor), 180)):
        if not estimate.valid:
            print(f"{number:4d}  {estimate.reason}")
        elif number % 6 == 0:
            x, y, z = estimate.force_n
            word = "slipping" if estimate.slipping else "holding" if estimate.in_contact else "-"
            print(f"{number:4d}  force {x:+.2f} {y:+.2f} {z:+.2f} N  {word}")
