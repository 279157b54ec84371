"""The help of every command as one page: `python -m perdure.api.cli.reference docs/cli.md` renews it.

What stands above the marker is written by hand and kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer.main

from .app import app

MARKER = "<!-- Below: written by `make docs`. -->"

WIDTH = 100


def reference() -> str:
    """Markdown with one heading for each command."""
    root: Any = typer.main.get_command(app)
    context = root.make_context("perdure", [], resilient_parsing=True, terminal_width=WIDTH)
    parts = [MARKER, _section("perdure", root.get_help(context))]
    for name, command in root.commands.items():
        inner = command.make_context(name, [], parent=context, resilient_parsing=True, terminal_width=WIDTH)
        parts.append(_section(f"perdure {name}", command.get_help(inner)))
    return "\n\n".join(parts) + "\n"


def renewed(page: str) -> str:
    """The page with everything below the marker written anew."""
    return page.partition(MARKER)[0] + reference()


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```text\n{lines}\n```"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
