# SPDX-License-Identifier: Apache-2.0
"""Everything this package raises on purpose, one class per kind of trouble.

A message names the object, the wanted value, the found value and what to do next.
"""


def printable(text: str) -> str:
    """A text from a file or message as it can be shown: what controls a terminal is spelled out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


class SparshError(Exception):
    """Root of all errors of this package: catch it to catch them all."""

    def __init__(self, message: str = "") -> None:
        """Take the message, which may quote what stands in a file."""
        super().__init__(printable(message))


class FrameError(SparshError):
    """An image has the wrong shape, type or encoding."""


class SensorError(SparshError):
    """A sensor cannot be opened, or stopped delivering frames."""


class RecordingError(SparshError):
    """A video, a folder of images or a bag is missing or unreadable."""


class WeightsError(SparshError):
    """A weights file is missing, truncated, of another architecture, or unsafe to load."""


class ModelError(SparshError):
    """A model is unknown, or lacks the head that was asked for."""


class ParameterError(SparshError):
    """A parameter or a configuration file holds a value that cannot be used."""


class MissingDependencyError(SparshError):
    """An optional package is needed for what was asked and is not installed."""


class DatasetError(SparshError):
    """A dataset or an episode is missing, incomplete or of an unknown format."""


class TrainingError(SparshError):
    """Training cannot go on: its loss is no number, or its disk is full."""


class LifecycleError(SparshError):
    """A managed node is not there, or did not go through a transition."""
