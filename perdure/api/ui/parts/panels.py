"""Panels, tiles and the words where there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui


@contextmanager
def panel(title: str, *, note: str = "", wide: bool = False) -> Iterator[ui.element]:
    """A titled part of a screen; what is drawn within stands in it."""
    with ui.element("section").classes("panel wide" if wide else "panel") as drawn:
        with ui.element("header"):
            ui.label(title).classes("head").props("role=heading aria-level=2")
            if note:
                ui.label(note).classes("dim")
        yield drawn


@contextmanager
def tiles() -> Iterator[None]:
    with ui.element("div").classes("tiles"):
        yield


def tile(name: str, value: str, *, hint: str = "") -> ui.label:
    """A number with its name; the label that shows the number."""
    with ui.element("div").classes("tile") as drawn:
        shown = ui.label(value).classes("value")
        ui.label(name).classes("dim")
        if hint:
            with drawn:
                ui.tooltip(hint)
    return shown


def nothing(said: str, *, icon: str = "inbox") -> None:
    """What is said where there is nothing, and how there comes to be something."""
    with ui.element("div").classes("nothing"):
        ui.icon(icon).props("aria-hidden=true")
        ui.label(said)


def badge(text: str, kind: str = "plain", *, hint: str = "") -> None:
    """A small mark; `kind` names a colour of the style sheet."""
    with ui.label(text).classes(f"mark c-{kind}"):
        if hint:
            ui.tooltip(hint)
