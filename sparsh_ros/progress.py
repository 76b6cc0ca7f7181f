# SPDX-License-Identifier: Apache-2.0
"""Progress bars of long work, on stderr, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sparsh_ros.errors import printable

Item = TypeVar("Item")


class ProgressBar:
    """One bar, as `progress_bar` shows it."""

    def __init__(self, progress: Progress, title: str, total: float | None) -> None:
        """Begin at 0 of `total`; None until the total is known."""
        self._progress = progress
        self._task = progress.add_task(printable(title), total=total, note="")

    def advance(self, steps: float = 1) -> None:
        """So many more steps are done."""
        self._progress.advance(self._task, steps)

    def update(
        self,
        done: float,
        note: str | None = None,
        title: str | None = None,
        total: float | None = None,
    ) -> None:
        """So many steps are done in all.

        Args:
            done: Steps.
            note: Text behind the bar; None leaves it.
            title: Text before the bar; None leaves it.
            total: Steps of the whole work; None leaves it.
        """
        description = None if title is None else printable(title)
        changes = {"note": note, "description": description, "total": total}
        known = {name: value for name, value in changes.items() if value is not None}
        self._progress.update(self._task, completed=done, **known)


@contextmanager
def progress_bar(
    title: str, total: float | None = None, counted: bool = True
) -> Iterator[ProgressBar]:
    """Show a bar with the time that is left; it vanishes at the end.

    Args:
        title: Plain text before the bar.
        total: Steps of the whole work; None until `ProgressBar.update` gives it.
        counted: Steps are things, whose number is shown.
    """
    console = Console(stderr=True)
    columns = [TextColumn("{task.description}", markup=False), BarColumn()]
    columns += [MofNCompleteColumn()] if counted else []
    columns += [TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False)]
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    ) as progress:
        yield ProgressBar(progress, title, total)


@contextmanager
def stoppable(sentence: Callable[[], str]) -> Iterator[None]:
    """Long work that Ctrl-C may end: what is left of it then, in a sentence for the user."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(sentence()) from None


def track(items: Sequence[Item], title: str) -> Iterator[Item]:
    """The same items, with a bar that counts them."""
    with progress_bar(title, len(items)) as bar:
        for item in items:
            yield item
            bar.advance()
