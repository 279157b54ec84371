"""The help of every command as one page: `python -m perdure.api.cli.reference docs/cli.md` renews it.

What stands above the marker is written by hand and kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from .app import app

MARKER = "<!-- Below: written by `make docs`. -->"

WIDTH = 100


def reference() -> str:
    """Markdown with one heading for each command."""
    return "\n\n".join([MARKER, *_sections(typer.main.get_command(app), "perdure", None)]) + "\n"


def renewed(page: str) -> str:
    """The page with everything below the marker written anew."""
    return page.partition(MARKER)[0] + reference()


def _sections(command: Any, path: str, parent: Any) -> Iterator[str]:
    """The help of a command, then that of each command in it."""
    name = path.rpartition(" ")[2]
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH)
    yield _section(path, command.get_help(context))
    for inner in command.list_commands(context) if hasattr(command, "commands") else ():
        yield from _sections(command.commands[inner], f"{path} {inner}", context)


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```text\n{lines}\n```"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
