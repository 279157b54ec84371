"""Shares of a whole, as one bar with a legend that says them in words as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nicegui import ui

from .figures import share

Choose = Callable[[str], Awaitable[None]]


class Part(NamedTuple):
    """`kind` names a colour of the style sheet (`c-KIND`); `said` is what the legend says of it, if not its share."""

    name: str
    amount: float
    kind: str
    said: str = ""


def bar(parts: Sequence[Part], *, legend: bool = True, choose: Choose | None = None, chosen: str | None = None) -> None:
    """Parts in their order, as wide as they are large. `choose` is called with the kind of the part that is clicked."""
    whole = sum(part.amount for part in parts)
    label = ", ".join(f"{part.name} {part.said or share(part.amount, whole)}" for part in parts)
    with ui.element("div").classes("bar-of").props("role=img") as drawn:
        drawn.props["aria-label"] = label
        for part in parts:
            if part.amount > 0:
                _piece(part, whole, choose, chosen)
    if legend:
        _entries(parts, whole, choose, chosen)


def legend(parts: Sequence[Part], *, choose: Choose | None = None, chosen: str | None = None) -> None:
    """The legend alone, where several bars have the same."""
    _entries(parts, sum(part.amount for part in parts), choose, chosen)


def _piece(part: Part, whole: float, choose: Choose | None, chosen: str | None) -> None:
    with ui.element("div").classes(f"piece c-{part.kind}").style(f"flex-grow:{part.amount}") as drawn:
        ui.tooltip(f"{part.name}: {part.said or share(part.amount, whole)}")
    if choose is not None:
        drawn.classes("choosable" + (" chosen" if part.kind == chosen else "")).on("click", lambda: choose(part.kind))


def _entries(parts: Sequence[Part], whole: float, choose: Choose | None, chosen: str | None) -> None:
    with ui.element("ul").classes("legend"):
        for part in parts:
            with ui.element("li"), _named(part, choose, chosen):
                ui.element("span").classes(f"dot c-{part.kind}")
                ui.label(part.name)
                ui.label(part.said or share(part.amount, whole)).classes("dim")


def _named(part: Part, choose: Choose | None, chosen: str | None) -> ui.element:
    """A place in the legend; a button where parts are chosen."""
    if choose is None:
        return ui.element("span").classes("entry")
    pressed = "true" if part.kind == chosen else "false"
    button = ui.element("button").classes("entry").props(f"type=button aria-pressed={pressed}")
    return button.on("click", lambda: choose(part.kind))
