"""A stretch of a conversation's tokens as text, with the borders of its messages and the numbers of its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from .figures import reach

UNREADABLE = "Another tokenizer than this server's made these tokens, so that they cannot be read here."


def passages(pieces: Sequence[Mapping[str, Any]]) -> None:
    """Pieces of the interface: `roles`, `span` and `text` each."""
    with ui.element("ol").classes("passages"):
        for piece in pieces:
            with ui.element("li"):
                _head(piece)
                ui.label(UNREADABLE if piece["text"] is None else piece["text"]).classes("said mono")


def _head(piece: Mapping[str, Any]) -> None:
    with ui.element("div").classes("whose"):
        ui.label(" + ".join(piece["roles"]) or "between messages").classes("role")
        ui.label(between(piece["span"])).classes("dim")


def between(span: Mapping[str, int]) -> str:
    """The numbers of the first and the last token, counted from 0."""
    return f"token{'s' * (span['end'] - span['start'] > 1)} {reach(span['start'], span['end'])}"
