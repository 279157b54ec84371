"""Tables of a page's rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nicegui import ui


@contextmanager
def table(heads: Sequence[str], *, right: frozenset[int] = frozenset()) -> Iterator[None]:
    """A table whose rows are drawn within by `row`; columns of numbers are those in `right`."""
    with ui.element("div").classes("scroll"), ui.element("table").classes("list"):
        with ui.element("thead"), ui.element("tr"):
            for place, head in enumerate(heads):
                with ui.element("th").classes("n" if place in right else "").props("scope=col"):
                    ui.label(head)
        with ui.element("tbody"):
            yield


@contextmanager
def row() -> Iterator[None]:
    with ui.element("tr"):
        yield


@contextmanager
def cell(kind: str = "") -> Iterator[None]:
    """A cell; `kind` is "n" for a number, "cut" for a text that is cut where there is no room."""
    with ui.element("td").classes(kind):
        yield


def text(said: str, kind: str = "") -> None:
    """A cell of plain text."""
    with cell(kind):
        ui.label(said)
