# SPDX-License-Identifier: Apache-2.0
"""What every file of a bag gives, whatever its format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from rosbags.interfaces import MessageDefinition

LATEST_NS = 2**63 - 1


class TopicType(NamedTuple):
    """The type of a topic's messages, its definition in the file, and whether the bytes are
    those of ROS 1."""

    name: str
    definition: MessageDefinition
    ros1: bool = False


class Part(Protocol):
    """An open file of a bag.

    Attributes:
        path: The file.
        types: Topic -> its type.
        counts: Topic -> number of messages.
        custom: What the recorder wrote beside the messages.
        warnings: What cannot be read, in sentences.
    """

    path: Path
    types: Mapping[str, TopicType]
    counts: Mapping[str, int]
    custom: Mapping[str, str]
    warnings: list[str]

    def messages(self, topics: set[str], damage: Counter[str]) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time ns, data) of some topics in the order of writing; counts what is
        damaged and left out, by what it is."""

    def close(self) -> None:
        """Close the file."""
