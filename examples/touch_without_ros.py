# SPDX-License-Identifier: Apache-2.0
"""Force and slip of a gel sensor in plain Python, no ROS.

python examples/touch_without_ros.py                         # the simulated DIGIT
python examples/touch_without_ros.py recording.mp4           # or a folder of images
"""

import sys

from sparsh_ros.background import BackgroundKeeper
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.sensors import load_profile, open_sensor

FRAMES = 180

profile = load_profile("digit")
if len(sys.argv) > 1:
    sensor = open_sensor("video", profile, input=sys.argv[1])
else:
    sensor = open_sensor("simulated", profile, touch="demo")
perception = Perception(heads=("force", "slip"))
perception.add_sensor("finger", profile)

keeper = BackgroundKeeper(profile)  # takes the first half second without motion
with sensor:
    frame = sensor.wait(timeout=5.0)
    while frame is not None and frame.sequence <= FRAMES:
        if keeper.update(frame):
            perception.set_background("finger", keeper.image)
        perception.push("finger", frame)
        for estimate in perception.infer():
            if not estimate.valid:
                print(f"{frame.sequence:4d}  {estimate.reason}")
            elif frame.sequence % 6 == 0:
                x, y, z = estimate.force_n
                word = (
                    "slipping" if estimate.slipping else "holding" if estimate.in_contact else "-"
                )
                print(f"{frame.sequence:4d}  force {x:+.2f} {y:+.2f} {z:+.2f} N  {word}")
        frame = sensor.wait(frame.sequence, timeout=1.0)
