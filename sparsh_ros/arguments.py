# SPDX-License-Identifier: Apache-2.0
"""What people may set: each setting's default, meaning and limits, and how its text is read.

Used by the configs of the sensor drivers, the parameters of the nodes, the arguments of the launch
files and the options of the command line. Imports the standard library alone, so that help is
quick.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

from sparsh_ros.errors import ParameterError

Value = bool | int | float | str | list[str]


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        default: Also fixes the type; a tuple stands for a list of words.
        description: One sentence, with units.
        bounds: Lowest and highest value of a number.
        choices: Allowed words of a string, or of each element of a list.
        read_only: Fixed while the node is configured; False: can be changed at any time.
        is_permanent: Fixed from the start of the process.
    """

    default: bool | int | float | str | tuple[str, ...]
    description: str
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = True
    is_permanent: bool = False

    @property
    def value(self) -> Value:
        """The default as nodes and graphs hold it."""
        return list(self.default) if isinstance(self.default, tuple) else self.default

    @property
    def text(self) -> str:
        """The default as it is typed on a command line."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    def objection(self, value: Value) -> str:
        """Why `value`, of the right type, is refused; empty when it is fine."""
        if self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            return f"wanted {self.bounds[0]:g} to {self.bounds[1]:g}, found {value}"
        words = value if isinstance(value, list | tuple) else [value]
        unknown = [str(word) for word in words if self.choices and word not in self.choices]
        if unknown:
            return f"wanted {_alternatives(self.choices)}, found {', '.join(map(repr, unknown))}"
        return ""

    def check(self, value: object) -> None:
        """Refuse a value that a file or a caller gave.

        Raises:
            ParameterError: It is of another type, or not allowed.
        """
        wanted = type(self.default)
        fits = isinstance(value, list | tuple) if wanted is tuple else type(value) is wanted
        if not fits and not (wanted is float and type(value) is int):
            raise ParameterError(f"wanted {_TYPES[wanted]}, found {value!r}")
        if objection := self.objection(value):
            raise ParameterError(objection)

    def parse(self, text: str) -> Value:
        """The value that `text` stands for.

        Raises:
            ParameterError: It stands for none, or for one that is not allowed.
        """
        kind = type(self.default)
        try:
            value = _CONVERSIONS[kind](text)
        except (KeyError, ValueError):
            raise ParameterError(f"wanted {_TYPES[kind]}, found {text!r}") from None
        if objection := self.objection(value):
            raise ParameterError(objection)
        return value


def positive_number(text: str) -> float:
    """Read an option that has to be a finite number above 0; for argparse's `type`."""
    return _positive(float, text, "a number above 0")


def positive_count(text: str) -> int:
    """Read an option that has to be a whole number above 0; for argparse's `type`."""
    return _positive(int, text, "a whole number above 0")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Adds the default to the help of every option that has one worth showing."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        shown = action.default not in (None, argparse.SUPPRESS, False, "", (), [])
        if shown and action.option_strings and "default" not in text.lower():
            text += " (default: %(default)s)"
        return text


def _positive(kind: Callable[[str], float], text: str, wanted: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"wanted {wanted}, found {text!r}")
    return value


def _alternatives(words: tuple[str, ...]) -> str:
    return " or ".join(words) if len(words) < 3 else f"one of {', '.join(words)}"


_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of words",
}
_CONVERSIONS = {
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    int: int,
    float: float,
    str: str,
    tuple: lambda text: [word.strip() for word in text.split(",") if word.strip()],
}
