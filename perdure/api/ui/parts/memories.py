"""Memories in rows, each with what can be done with it, and where they are from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from nicegui import ui

from ....client.results import Memory, Page
from .. import links
from ..view import View
from .figures import ago, count, moment
from .panels import badge, nothing

PREVIEW = 240
"""Characters of a memory that a row shows; all of them are a click away."""

NONE = "No memory here. What is said is remembered as soon as it leaves the window; or add something yourself."


class Acts(Protocol):
    """What is done with a memory on a page."""

    async def show(self, memory: Memory) -> None: ...

    async def edit(self, memory: Memory) -> None: ...

    async def pin(self, memory: Memory) -> None: ...

    async def forget(self, memory: Memory) -> None: ...


def rows(view: View, page: Page[Memory], acts: Acts, *, everywhere: bool) -> None:
    """A page of memories; `everywhere` says of each which sessions remember it."""
    if not page.data:
        nothing(NONE, icon="history_edu")
        return
    heads = [("Memory", ""), ("Tokens", "n"), ("Made", ""), ("From", "")]
    heads += [("Sessions", "")] * everywhere + [("", "")]
    with ui.element("table").classes("list memories"):
        with ui.element("thead"), ui.element("tr"):
            for head, kind in heads:
                with ui.element("th").classes(kind).props("scope=col"):
                    ui.label(head)
        with ui.element("tbody"):
            for memory in page:
                _row(view, memory, acts, everywhere=everywhere)


def _row(view: View, memory: Memory, acts: Acts, *, everywhere: bool) -> None:
    with ui.element("tr"):
        with ui.element("td").classes("text"):
            preview(memory, acts)
        with ui.element("td").classes("n"):
            ui.label(count(memory.tokens))
        with ui.element("td").classes("when"), ui.label(ago(memory.created_at)):
            ui.tooltip(moment(memory.created_at))
        with ui.element("td").classes("from"):
            source(memory)
        if everywhere:
            with ui.element("td"):
                holders(memory.sessions)
        with ui.element("td").classes("acts"):
            if view.may("write"):
                buttons(memory, acts)


def preview(memory: Memory, acts: Acts) -> None:
    """The beginning of a text, that leads to all of it."""
    text = memory.text if len(memory.text) <= PREVIEW else memory.text[:PREVIEW].rstrip() + "…"
    opener = ui.element("button").classes("opener").props("type=button").on("click", lambda: acts.show(memory))
    with opener:
        ui.label(text)
    with ui.element("div").classes("marks"):
        ui.label(memory.role or "document").classes("dim")
        if memory.pinned:
            badge("pinned", "episodic", hint="It is recalled in every turn")


def source(memory: Memory) -> None:
    """Where it was said, as a link where that is still there."""
    if memory.source_session is not None:
        ui.link(f"{memory.source_session}, turn\u00a0{memory.turn}", links.said(memory.source_session, memory.turn))
    elif memory.turn:
        ui.label(f"turn {memory.turn} of a session that is gone").classes("dim")
    else:
        ui.label(memory.source).classes("dim")


def holders(names: Sequence[str], most: int = 3) -> None:
    """The sessions that remember it, as links; of many the first ones and how many more there are."""
    with ui.element("div").classes("holders"):
        for name in names[:most]:
            ui.link(name, links.session(name, "episodes"))
        if len(names) > most:
            with ui.label(f"and {len(names) - most} more").classes("dim"):
                ui.tooltip(", ".join(names[most : most + 40]))


def buttons(memory: Memory, acts: Acts) -> None:
    """Edit, pin or unpin, delete."""
    pinned = memory.pinned
    _button("edit", "Edit", lambda: acts.edit(memory))
    _button("push_pin", "Unpin" if pinned else "Pin", lambda: acts.pin(memory)).classes("on" if pinned else "")
    _button("delete", "Delete", lambda: acts.forget(memory))


def _button(icon: str, name: str, act: Callable[[], Awaitable[None]]) -> ui.button:
    button = ui.button(icon=icon, on_click=act, color=None).props(f"flat round dense aria-label='{name} this memory'")
    with button.classes("act"):
        ui.tooltip(name)
    return button
