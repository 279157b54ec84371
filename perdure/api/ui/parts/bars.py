"""Shares of a whole, as one bar with a legend that says them in words as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nicegui import ui

from .figures import share


class Part(NamedTuple):
    """`kind` names a colour of the style sheet (`c-KIND`); `said` is what the legend says of it, if not its share."""

    name: str
    amount: float
    kind: str
    said: str = ""


def bar(parts: Sequence[Part], *, legend: bool = True) -> None:
    """Parts in their order, as wide as they are large."""
    whole = sum(part.amount for part in parts)
    label = ", ".join(f"{part.name} {part.said or share(part.amount, whole)}" for part in parts)
    with ui.element("div").classes("bar-of").props(f'role=img aria-label="{_plain(label)}"'):
        for part in parts:
            if part.amount > 0:
                with ui.element("div").classes(f"piece c-{part.kind}").style(f"flex-grow:{part.amount}"):
                    ui.tooltip(f"{part.name}: {part.said or share(part.amount, whole)}")
    if legend:
        _legend(parts, whole)


def _legend(parts: Sequence[Part], whole: float) -> None:
    with ui.element("ul").classes("legend"):
        for part in parts:
            with ui.element("li"):
                ui.element("span").classes(f"dot c-{part.kind}")
                ui.label(part.name)
                ui.label(part.said or share(part.amount, whole)).classes("dim")


def _plain(text: str) -> str:
    return text.replace('"', "'").replace("\\", "/")
