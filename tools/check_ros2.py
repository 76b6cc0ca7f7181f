# SPDX-License-Identifier: Apache-2.0
"""Drives the installed package with the real `ros2` tools; prints pass or fail per promise.

python tools/check_ros2.py                # in a shell in which `ros2 pkg prefix sparsh_ros` works
python tools/check_ros2.py param          # only the checks with this word in their name

Nothing is simulated but the gel. Takes a few minutes; not part of the tests, because `ros2` comes
with a distribution of ROS only.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ros2_commands import (
    FailError,
    Graph,
    asked_until_done,
    graph,
    processes,
    ros2,
    run,
    wanted,
)

_ARRAY = "diagnostic_msgs/msg/DiagnosticArray"  # told, as the first command knows no topic yet
LAUNCH = ("ros2", "launch", "sparsh_ros")
DIGIT = (*LAUNCH, "digit_perception.launch.py")
CHECKS: dict[str, Callable[[], str]] = {}
LIVE: dict[str, Callable[[Graph], str]] = {}
RESULTS: list[str] = []


def check(function: Callable[[], str]) -> Callable[[], str]:
    """Registers a check; it returns what it saw, or raises FailError."""
    CHECKS[function.__name__.replace("_", " ")] = function
    return function


def live(function: Callable[[Graph], str]) -> Callable[[Graph], str]:
    """Registers a check of a running graph."""
    LIVE[function.__name__.replace("_", " ")] = function
    return function


def refuses(*arguments: str, says: str, launch: str = "digit_perception.launch.py") -> str:
    """Launches with what cannot work: exit code 1, a sentence, and nothing is started."""
    code, output = run(*LAUNCH, launch, *arguments)
    wanted(code == 1 and re.search(says, output), f"exit code {code}: {output}")
    wanted("process started" not in output, output)
    return re.search(rf".*({says}).*", output)[0].partition("traceback): ")[2][:100]


REFUSED = {
    "a misspelt argument": (["sorce:=camera"], "wanted source, found sorce"),
    "an unknown model": (["model:=sparsh-dinosaur"], "sparsh-dinosaur"),
    "missing weights": (["model:=sparsh-dino-base", "weights_dir:=/nowhere"], "nowhere"),
    "a missing background": (["background:=/nowhere.png", "source:=simulated"], "nowhere.png"),
    "a missing input": (["input:=/nowhere.mp4"], "nowhere.mp4"),
    "an existing record path": (["record:=/tmp"], "record: wanted a folder to make"),
}
"""What is wrong, how that is given, and what is said; nothing is started."""
for what, (given, sentence) in REFUSED.items():
    CHECKS[f"{what} is refused before anything starts"] = partial(refuses, *given, says=sentence)
CHECKS["perception only asks for a topic"] = partial(
    refuses, says="wanted the topic of your driver", launch="perception_only.launch.py"
)


@check
def show_args_explains_every_argument() -> str:
    output = ros2("launch", "sparsh_ros", "digit_perception.launch.py", "--show-args")
    names = re.findall(r"^ {4}'(\w+)':\n {8}(\S.*)$", output, re.MULTILINE)
    wanted(len(names) > 30 and "use_rviz" in dict(names), names)
    return f"{len(names)} arguments"


@check
def run_perception_help_prints_help() -> str:
    code, output = run("ros2", "run", "sparsh_ros", "perception", "--help", timeout_s=30)
    wanted(code == 0 and "usage" in output.lower(), f"exit code {code}: {output}")
    return output.splitlines()[0]


@check
def slip_is_an_interface() -> str:
    wanted("float32 probability" in ros2("interface", "show", "sparsh_ros/msg/Slip"), "no Slip")
    return "sparsh_ros/msg/Slip"


@check
def a_running_graph_keeps_its_promises() -> str:
    """One launch for all that only looks at it; each promise is printed by itself."""
    with graph(*DIGIT, "publish_tf:=true") as running:
        running.until("background captured")
        for name, function in LIVE.items():
            if is_asked_for(name) or is_asked_for("a running graph keeps its promises"):
                report(name, lambda function=function: function(running))
        code = running.stop()
    wanted(code == 0, f"exit code {code} after Ctrl-C: {running.output}")
    return "Ctrl-C: exit code 0, no process left"


@check
def sigterm_leaves_no_orphan() -> str:
    running = Graph(*DIGIT, "source:=simulated")
    running.until("background captured")
    return f"exit code {running.stop(signal.SIGTERM)}, no process left"


@check
def a_killed_launch_leaves_no_orphan() -> str:
    running = Graph(*DIGIT, "source:=simulated")
    running.until("background captured")
    return f"exit code {running.stop(signal.SIGKILL)}, no process left"


@check
def files_of_parameters_and_settings_of_launch_files_arrive() -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("/**/perception:\n  ros__parameters:\n    slip_threshold: 0.77\n")
        file.flush()
        arguments = (f"params_file:={file.name}", "namespace:=hand", "frame:=tip")
        with graph(*DIGIT, "source:=simulated", *arguments) as running:
            running.until("background captured")
            found = ros2("param", "get", "/hand/perception", "slip_threshold")
            wanted("0.77" in found, found)
            slip = ros2("topic", "echo", "--once", "/hand/slip")
            wanted("frame_id: tip" in slip, slip)
    return "slip_threshold 0.77, frame_id tip"


@check
def the_images_of_another_driver_are_enough() -> str:
    others = (*DIGIT, "source:=simulated", "namespace:=other")
    ours = ("image:=/other/image_raw", "namespace:=hand")
    with graph(*others) as other:
        other.until("background captured")  # its nodes are there, and not taken for ours
        with graph(*LAUNCH, "perception_only.launch.py", *ours) as running:
            running.until("background captured")
            slip = ros2("topic", "echo", "--once", "--filter", "m.valid", "/hand/slip")
            wanted("frame_id: digit_gel_frame" in slip, slip)
    return "valid slip from /other/image_raw"


@check
def rviz_that_is_not_installed_is_named() -> str:
    if run("ros2", "pkg", "prefix", "rviz2")[0] == 0:
        return "rviz2 is installed: not tried"
    return refuses("use_rviz:=true", says="use_rviz: wanted the package rviz2")


@check
def a_recording_is_made_and_replays() -> str:
    with tempfile.TemporaryDirectory() as folder:
        bag, out = f"{folder}/touch", f"{folder}/replay"
        with graph(*DIGIT, "source:=simulated", f"record:={bag}", "fps:=15") as running:
            running.until("background captured")
            time.sleep(5)
            wanted(running.stop() == 0, running.output)
        code, output = run(*LAUNCH, "replay.launch.py", f"bag:={bag}", f"out:={out}")
        wanted(code == 0 and Path(out, "difference.json").is_file(), f"exit {code}: {output}")
    verdict = re.search(r"live and offline.*", output)
    wanted(verdict, output)
    return verdict[0]


@check
def the_bead_maze_runs_to_its_end() -> str:
    """As far as the machine lets it: what ends it is printed, and stands in the report."""
    # A machine under load is late: it is tried whether the launch goes round, not how fast.
    patient = ("stale_s:=0.5", "slow_s:=0.5", "patience_s:=5.0", "longest_s:=90.0")
    with tempfile.TemporaryDirectory() as folder:
        out = f"out:={folder}/maze"
        code, output = run(*LAUNCH, "bead_maze.launch.py", out, *patient, timeout_s=240.0)
        files = sorted(path.name for path in Path(folder, "maze").glob("*"))
    wanted(code == 0 and files == ["maze.webm", "report.html"], f"exit {code}, {files}: {output}")
    wanted(not processes(), "nodes are left")
    ended = re.findall(r"\w[\w ]*: [\d.]+ of .* missed", output)
    wanted(ended, output)
    return ended[-1]


@live
def an_unasked_simulation_is_a_warning(running: Graph) -> str:
    wanted(re.search(r"WARN.*SIMULATED", running.output), running.output)
    diagnostics = ros2("topic", "echo", "--once", "--full-length", "/diagnostics", _ARRAY,
                       "--filter", "'SIMULATED' in str(m.status)")  # fmt: skip
    wanted("SIMULATED" in diagnostics and 'level: "\\x01"' in diagnostics, diagnostics)
    return "WARN in the terminal and on /diagnostics"


@live
def default_subscribers_get_images(_running: Graph) -> str:
    output = ros2("topic", "hz", "/tactile/image_raw", timeout_s=12)
    info = ros2("topic", "info", "-v", "/tactile/image_raw")
    wanted("Reliability: RELIABLE" in info and "average rate" in output, info + output)
    return f"reliable, {re.findall(r'average rate: .*', output)[-1]}"


@live
def slip_comes_at_the_rate_of_the_images(_running: Graph) -> str:
    output = ros2("topic", "hz", "/tactile/slip", timeout_s=12)
    wanted("average rate" in output, output)
    return re.findall(r"average rate: .*", output)[-1]


@live
def estimates_can_be_echoed(_running: Graph) -> str:
    for topic in ("slip", "force", "pose_change", "pose", "force_with_covariance"):
        wanted("frame_id: digit_gel_frame" in ros2("topic", "echo", "--once", f"/tactile/{topic}"),
               topic)  # fmt: skip
    return "slip, force, pose_change, pose, force_with_covariance"


@live
def markers_and_frames_are_published(_running: Graph) -> str:
    wanted("markers:" in ros2("topic", "echo", "--once", "/tactile/contact_markers"), "no markers")
    frames = ros2("topic", "echo", "--once", "/tf_static")
    wanted("child_frame_id: digit_camera_optical_frame" in frames, frames)
    return "contact_markers, /tf_static"


@live
def perception_declares_only_its_own_parameters(_running: Graph) -> str:
    names = ros2("param", "list", "/tactile/perception").split()
    foreign = {"touch", "seed", "intensity", "leds", "stream", "input", "loop"} & set(names)
    wanted("model" in names and not foreign, foreign or names)
    wanted(any(name.startswith("qos_overrides./tactile/slip") for name in names), names)
    return f"{sum('qos_overrides' not in name for name in names)} parameters, and qos_overrides"


@live
def thresholds_change_at_run_time_and_others_say_why_not(_running: Graph) -> str:
    node = "/tactile/perception"
    for name, value in (("slip_threshold", "0.7"), ("contact_threshold_n", "0.2")):
        answer = ros2("param", "set", node, name, value)
        wanted("successful" in answer, answer)
    answer = ros2("param", "set", node, "device", "cpu")
    wanted("only while the node is unconfigured" in answer, answer)
    description = ros2("param", "describe", node, "slip_threshold")
    wanted("0: the model's own" in description, description)
    return answer.strip()[-100:]


@live
def the_lifecycle_goes_round_and_parameters_change_on_the_way(_running: Graph) -> str:
    node = "/tactile/perception"
    wanted("active" in ros2("lifecycle", "get", node), "not active")
    for transition in ("deactivate", "cleanup"):
        answer = ros2("lifecycle", "set", node, transition)
        wanted("successful" in answer, answer)
    answer = ros2("param", "set", node, "nan_policy", "ros")
    wanted("successful" in answer, answer)
    for transition in ("configure", "activate"):
        answer = ros2("lifecycle", "set", node, transition)
        wanted("successful" in answer, answer)
    force = ros2("topic", "echo", "--once", "/tactile/force")
    wanted("torque:" in force and ".nan" not in force, force)
    return "deactivate, cleanup, nan_policy ros, configure, activate"


@live
def the_background_is_captured_on_request(_running: Graph) -> str:
    before, refusals = _stamp("/tactile/background"), 0
    answer = ros2("service", "call", "/tactile/capture_background", "std_srvs/srv/Trigger")
    if "success=False" in answer and "still image" in answer:  # it is touched, as it mostly is
        answer, refusals = asked_until_done("/tactile/capture_background")
    wanted("background captured" in answer, answer)
    wanted(_stamp("/tactile/background") > before, f"the background of {before} s once more")
    return f"{answer.strip()[-60:]}, after {refusals} refusals during touch"


def _stamp(topic: str) -> float:
    """Of the last message of a latched topic, in seconds."""
    output = ros2("topic", "echo", "--once", "--qos-durability", "transient_local",
                  "--field", "header.stamp", topic)  # fmt: skip
    found = re.search(r"sec: (\d+)\nnanosec: (\d+)", output)
    wanted(found, output)
    return int(found[1]) + 1e-9 * int(found[2])


def is_asked_for(name: str) -> bool:
    """Whether the words of the command line pick this check."""
    return all(word in name for word in sys.argv[1:])


def report(name: str, function: Callable[[], str]) -> bool:
    """Run a check and print its line; whether it passed."""
    began_s = time.monotonic()
    try:
        verdict, text = "pass", function()
    except Exception as error:  # a check that breaks is a check that fails
        verdict, text = "FAIL", str(error) if isinstance(error, FailError) else repr(error)
    RESULTS.append(verdict)
    sys.stdout.write(f"{verdict}  {name} ({time.monotonic() - began_s:.0f} s): {text}\n")
    sys.stdout.flush()
    return verdict == "pass"


def main() -> int:
    """Run the checks; 1 if one failed."""
    if processes():
        sys.stderr.write("nodes run in this ROS_DOMAIN_ID already; set another one\n")
        return 1
    os.environ["PYTHONUNBUFFERED"] = "1"
    for name, function in CHECKS.items():
        is_parent = function is a_running_graph_keeps_its_promises
        if is_asked_for(name) or (is_parent and any(map(is_asked_for, LIVE))):
            report(name, function)
    sys.stdout.write(f"{RESULTS.count('pass')} of {len(RESULTS)} passed\n")
    return int("FAIL" in RESULTS)


if __name__ == "__main__":
    sys.exit(main())
