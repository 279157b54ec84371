"""What people see: data on stdout, everything about it on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from threading import Timer
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .boundary import INTERRUPTED, say

_ORDER = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""What turns the order of the letters that follow."""

_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *_ORDER) if chr(code) not in "\n\t"}

_WIDE = 10_000

SLOW_SECONDS = 0.7
"""A step that takes longer than this shows that it is under way."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def stdout() -> Console:
    return _Console(highlight=False, soft_wrap=True)


def stderr() -> Console:
    return _Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(table: Table) -> None:
    """As wide as it is: a cut name is of no use, and a terminal folds what it has no room for."""
    _Console(highlight=False, width=_WIDE).print(table)


def visible(text: str) -> str:
    """Without control characters: what a model or a bundle wrote must not drive the terminal."""
    return text.translate(_CONTROL)


def styled(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)


def print_json(shape: Mapping[str, Any], *, one_line: bool = False) -> None:
    typer.echo(json.dumps(shape, indent=None if one_line else 2))


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; leave with the status of an interruption when the answer is no."""
    if yes or not sys.stdin.isatty():
        return
    if not typer.confirm(question, err=True):
        say("Nothing was changed.")
        raise typer.Exit(INTERRUPTED)


class Step:
    """Shows on a terminal that a slow step is under way; call it with (done, total) where both are known."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._stage = ""
        self._progress: Progress | None = None
        console = stderr()
        if console.is_terminal and not console.is_dumb_terminal:
            self._progress = _progress(console)
            self._task = self._progress.add_task(title, total=None)
            self._timer = Timer(SLOW_SECONDS, self._progress.start)
            self._timer.daemon = True

    def __enter__(self) -> Step:
        if self._progress is not None:
            self._timer.start()
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=total or None)

    def stage(self, name: str, done: int, total: int) -> None:
        """The same for a step of several stages; without a terminal each stage is one line."""
        if name != self._stage:
            self._stage = name
            if self._progress is None:
                say(f"{self._title}: {name}")
            else:
                self._progress.update(self._task, description=f"{self._title}: {name}")
        self(done, total)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._timer.cancel()
            self._timer.join()
            self._progress.stop()


def _progress(console: Console) -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True)
