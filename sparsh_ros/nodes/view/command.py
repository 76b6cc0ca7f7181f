# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros view`: opens the viewer, and shows a recording or the running graph in it."""

from __future__ import annotations

import argparse
import sys

from sparsh_ros.progress import progress_bar
from sparsh_ros.reports.rerun_scene import Scene, new_recording


def run(options: argparse.Namespace) -> int:
    """Show a recording, or the graph until Ctrl-C.

    Raises:
        SparshError: The viewer or the recording cannot be used.
    """
    recording = new_recording()
    if options.save is not None:
        recording.save(options.save)
    else:
        recording.spawn()
    scene = Scene(recording, options.namespace)
    if options.bag is not None:
        count = _show_bag(options.bag, scene)
        recording.flush()
        if not count:
            sys.stderr.write(f"sparsh-ros: nothing below /{options.namespace} in {options.bag}\n")
        return int(not count)
    # Here, because a recording is shown without ROS.
    from sparsh_ros.nodes.view.live import show_graph

    return show_graph(scene)


def _show_bag(path: str, scene: Scene) -> int:
    """Log all messages; how many there were."""
    from sparsh_ros.recordings.bags import open_bag

    with open_bag(path) as bag:
        shown = [topic for topic in bag.topics if scene.accepts(topic.name, topic.type)]
        count = sum(topic.count for topic in shown)
        messages = bag.messages(topic.name for topic in shown)
        with progress_bar("Reading", count) as bar:
            for message in messages:
                scene.log(message.topic, message.type, bag.decode(message))
                bar.advance()
    return count
