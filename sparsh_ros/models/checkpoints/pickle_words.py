# SPDX-License-Identifier: Apache-2.0
"""What the names in a pickle stand for, what reading one may cost, and how it is refused.

There is a `Vocabulary` for torch files (`torch_pickle`) and one for data sets
(`recordings.importers.pickles`); `safe_pickle.read_pickle` reads with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CallRefusedError(Exception):
    """The pickle would call a function, or make an object; the message is its name."""


class DamagedPickleError(Exception):
    """The pickle is truncated, larger than any real one, or uses its machine as none does."""


@dataclass(frozen=True)
class Budget:
    """What reading one pickle may cost; a real file comes nowhere near.

    Attributes:
        steps: Instructions, keys and parts of what comes out; each takes at most 150 bytes.
        seconds: Time of computing, which a busy machine does not lengthen.
        depth: Containers inside each other, in what comes out.
        key_parts: Parts of one key of a dictionary or member of a set.
    """

    steps: int = 2_000_000
    seconds: float = 8.0
    depth: int = 100
    key_parts: int = 100


@dataclass(frozen=True)
class Global:
    """A function or class that the pickle names, as Python 3 calls it."""

    name: str


@dataclass(frozen=True, eq=False)
class Inert:
    """What stands for an object of a class: its class's name alone, without state or items."""

    kind: str


class Unfinished:
    """What stands for an object until its state comes, and `Vocabulary.build` replaces it."""

    def __init__(self) -> None:
        """Begin without a place in the memo."""
        self.places: list[int] = []


class Vocabulary:
    """What the names in a pickle stand for. This one knows none."""

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What stands for the result of a call.

        Raises:
            CallRefusedError: The function is not known.
        """
        raise CallRefusedError(name)

    def make(self, name: str) -> Any:
        """What stands for a new object of a class.

        Raises:
            CallRefusedError: The class is not known.
        """
        raise CallRefusedError(name)

    def build(self, made: Unfinished, state: Any) -> Any:
        """What stands for an `Unfinished` object once it has its state."""
        return made

    def refer(self, reference: Any) -> Any:
        """What a reference to something outside of the pickle stands for.

        Raises:
            CallRefusedError: There is nothing outside.
        """
        raise CallRefusedError("a reference to something outside of the file")

    def check(self, value: Any) -> None:
        """Look at each part of what comes out.

        Raises:
            CallRefusedError: It is no data.
        """
