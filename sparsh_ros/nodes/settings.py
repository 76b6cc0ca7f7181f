# SPDX-License-Identifier: Apache-2.0
"""Every setting of the nodes and of the graph: default, meaning and allowed values, once each.

The nodes declare them as parameters, the launch files and `sparsh-ros run` as arguments. Imports
neither rclpy nor launch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sparsh_ros.arguments import Setting
from sparsh_ros.names import CONTACT_THRESHOLD_N, DEFAULT_MODEL, DEVICES, ENGINES, HEADS
from sparsh_ros.sensors.drivers import DRIVERS, SENSOR_TYPES
from sparsh_ros.sensors.placement import SETTINGS as PLACEMENT

DIGIT = ("digit",)
GELSIGHT = ("gelsight_mini", "gelsight_2017")

_OF_DRIVERS = {
    name: setting for config in DRIVERS.values() for name, setting in config.settings().items()
}

SENSORS: Mapping[str, Setting] = {
    "sensors": Setting(
        "",
        "YAML file that describes several sensors, such as sensors.yaml, which ships; it takes the "
        "place of all other settings of sensors.",
    ),
    "names": Setting(
        (),
        "Names of several sensors of one type; they prefix the frame ids and the topics. Empty: "
        "one sensor, named after its type.",
    ),
    "sensor": Setting(
        "", f"Type of gel camera: {', '.join(SENSOR_TYPES)}; empty: that of a DIGIT."
    ),
    "source": Setting(
        "auto",
        "Where the images come from: the camera of the sensor; the video named by `input`; the "
        "topic named by `image`; a simulated gel. auto: what the other settings speak of, else a "
        "camera that is plugged in, else a simulated gel, with a warning.",
        choices=("auto", "camera", "video", "topic", "simulated"),
    ),
    "frame": Setting("", "Frame id of the estimates of a single sensor; empty: NAME_gel_frame."),
    **_OF_DRIVERS,
    "serials": Setting((), "Serial numbers of the cameras of `names`, in the same order."),
    "background": Setting(
        "",
        "Image file of the untouched gel, as the camera delivers it, for a graph of one sensor; "
        "empty: captured at start, free of contact.",
    ),
    **PLACEMENT,
}
"""What describes the sensors, see graph/sensors.py."""

HEARD: Mapping[str, Setting] = {
    name: SENSORS[name]
    for name in ("sensors", "names", "sensor", "source", "frame", "serial", "serials")
}
"""What tells a node that only listens which sensors there are."""

RECORDED: Mapping[str, Setting] = {
    "bag": Setting(
        "", "Recording whose sensors these are; it takes the place of all other settings of them."
    ),
    "image_topics": Setting((), "In `bag`, the topics of the gel images; empty: found."),
    "sensor": Setting("", "Type of the sensors in `bag`, or the file of a profile; empty: found."),
}
"""What describes the sensors of a recording, see graph/recorded.py."""

AUTOSTART = Setting(
    True,
    "Go through configure and activate at start; false: wait for these transitions.",
    is_permanent=True,
)

REALTIME_PRIORITY = Setting(
    0,
    "Linux's real-time priority of sensors and perception, 1 to 99, so that others on a busy "
    "machine do not delay them; the user must be allowed to. For a model that leaves cores idle, "
    "such as a streaming one. 0: none.",
    bounds=(0, 99),
)

SENSOR: Mapping[str, Setting] = SENSORS | {
    "name": Setting("", "Which of the sensors this node is for; empty: the only one."),
    "listeners": Setting(
        1,
        "How many must listen to the images before a recording or a simulated touch begins.",
        bounds=(0, 100),
    ),
    "publish_tf": Setting(
        False,
        "Publish the transform from the gel frame to the optical frame on /tf_static, where no "
        "URDF of the robot does.",
    ),
    "jpeg_quality": Setting(90, "Of image_raw/compressed.", bounds=(1, 100), read_only=False),
    "realtime_priority": REALTIME_PRIORITY,
    "autostart": AUTOSTART,
}

HEAD: Mapping[str, Setting] = {
    **RECORDED,
    **HEARD,
    "model": Setting(DEFAULT_MODEL, "Name of a model, or path of its description."),
    "weights_dir": Setting(
        "", "Folder with the weights of the model; empty: where `sparsh-ros weights get` puts them."
    ),
    "heads": Setting(
        ("auto",),
        "What to estimate; auto: force, slip and pose, and whatever else the weights are for.",
        choices=("auto", *HEADS),
    ),
    "device": Setting("auto", "What computes; auto: CUDA if there is a GPU.", choices=DEVICES),
    "calibration": Setting(
        "auto",
        "File that `sparsh-ros calibrate` wrote; auto: the one stored for the serial number of the "
        "camera, if there is one; none: the force as the model gives it.",
    ),
    "contact_threshold_n": Setting(
        CONTACT_THRESHOLD_N,
        "Normal force at which contact begins, N.",
        bounds=(1e-3, 100.0),
        read_only=False,
    ),
    "slip_threshold": Setting(
        0.0,
        "Slip probability that counts as slipping; 0: the model's own.",
        bounds=(0.0, 0.999),
        read_only=False,
    ),
    "nan_policy": Setting(
        "nan",
        "Unknown numbers on `force` and `pose` are NaN, or for viewers that refuse it, as RViz, "
        "ros: torque 0, no rotation, a huge covariance, no message without a force.",
        choices=("nan", "ros"),
    ),
}

PERCEPTION: Mapping[str, Setting] = HEAD | {
    "threads": Setting(
        0, "CPU threads of the encoder; 0: one per core, for a streaming one one.", bounds=(0, 256)
    ),
    "engine": Setting(
        "float32",
        "How the encoder computes: int8, openvino and openvino_int8 are faster on a CPU, bfloat16 "
        "on a GPU; each is compared with float32 at the first start and refused where it gives "
        "other tokens. auto: whichever is fastest here, measured once.",
        choices=ENGINES,
    ),
    "predicates": Setting(
        "none",
        "What the fingers say of the touched object, on `predicates`: folder of classifiers from "
        "`sparsh-ros train predicate`; auto: those that ship for the model, for two sensors; none.",
    ),
    "publish_features": Setting(False, "Publish the tokens for heads in other processes."),
    "in_process": Setting(
        False,
        "Host the sensors in the same process: images do not cross the middleware.",
        is_permanent=True,
    ),
    "realtime_priority": REALTIME_PRIORITY,
    "autostart": AUTOSTART,
}

RECORD: Mapping[str, Setting] = {
    "out": Setting("", "Folder to make: a bag with one MCAP file."),
    "topics": Setting(
        (),
        "Names of topics; empty: images, background, estimates, truth, camera "
        "information and diagnostics of the namespace.",
    ),
    "all": Setting(False, "Record every topic whose type is known here."),
    "images": Setting(
        "raw",
        "Which images of the namespace: as they are, as JPEG, or none.",
        choices=("raw", "compressed", "none"),
    ),
    "duration": Setting(
        0.0, "Seconds from the first message; 0: until it is stopped.", bounds=(0.0, 1e6)
    ),
}

PLAYER: Mapping[str, Setting] = {
    "bag": replace(
        RECORDED["bag"], description="Recording to play; images and backgrounds are taken from it."
    ),
    "speed": Setting(1.0, "Seconds of the recording per second.", bounds=(0.01, 100.0)),
    "out": Setting("", "Folder to make for the estimates; empty: replay_ with date and time."),
    **{name: RECORDED[name] for name in ("image_topics", "sensor")},
    **{name: PERCEPTION[name] for name in ("model", "weights_dir", "heads", "device", "engine")},
    "threads": PERCEPTION["threads"],
    **{name: PERCEPTION[name] for name in ("contact_threshold_n", "slip_threshold")},
}

RECORDING = Setting(
    "",
    "Folder to make for a bag with images, background, estimates and truth; empty: none.",
)

GRAPH: Mapping[str, Setting] = {
    "namespace": Setting("tactile", "Namespace of all nodes and topics."),
    "log_level": Setting(
        "info",
        "Least severe messages that are logged.",
        choices=("debug", "info", "warn", "error", "fatal"),
    ),
}


_OF_PERCEPTION = (
    *("model", "weights_dir", "heads", "device", "engine", "threads"),
    *("contact_threshold_n", "slip_threshold"),
    *("predicates", "publish_features", "in_process", "nan_policy"),
    "realtime_priority",
)


STARTING: Mapping[str, Setting] = {
    "params_file": Setting(
        "", "YAML file of ROS parameters for the nodes; what is set beside it counts more."
    ),
    "use_sim_time": Setting(False, "Take the time from the topic /clock."),
    "use_respawn": Setting(
        True, "Start a sensor or perception again that has died, after 1 s, then 2, 4, at most 30."
    ),
}


USE_RVIZ = Setting(
    False, "Open RViz with the contact, the images and the frames, which are then published."
)
"""Of launch files only, which know how to start programs of other packages."""


def graph_settings(sensor_types: Sequence[str]) -> dict[str, Setting]:
    """The arguments of a graph for one of these types of sensor; the first is the default."""
    return {
        **SENSORS,
        "sensor": Setting(sensor_types[0], "Type of gel camera.", choices=tuple(sensor_types)),
        "listeners": SENSOR["listeners"],
        "publish_tf": SENSOR["publish_tf"],
        **{name: PERCEPTION[name] for name in _OF_PERCEPTION},
        "autostart": AUTOSTART,
        "record": RECORDING,
        **STARTING,
        **GRAPH,
    }


def perception_only_settings() -> dict[str, Setting]:
    """The arguments of a graph that takes the images of another's driver."""
    kept = {"sensors", "names", "sensor", "image", "serial", "frame", "background", *PLACEMENT}
    return {
        name: setting
        for name, setting in graph_settings(SENSOR_TYPES).items()
        if name in kept or name not in {*SENSORS, "listeners"}
    } | {"in_process": replace(PERCEPTION["in_process"], default=True)}


def replay_settings() -> dict[str, Setting]:
    """The arguments of a replay."""
    return {**PLAYER, **GRAPH}
