"""What the model sees, part by part: how large each is, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from ....client.results import Context
from .. import links
from ..parts import seen
from ..parts.figures import count, reach, size
from ..parts.moments import moments
from ..parts.panels import nothing, panel
from ..parts.passages import UNREADABLE, passages
from ..parts.tables import cell, row, table, text
from ..view import View
from .base import screen

PAGE = 512
"""Tokens of text that are shown at once."""
TASTE = 48
"""Tokens of text that stand for a stretch of the summary."""
BEGINNING = 60
"""Characters by which a memory is looked for among the others."""
HEADS = ("Tokens", "Entries kept, of all layers and heads", "They stand for", "")

Draw = Callable[[], None]


@screen("/sessions/{name}/context", "Context")
async def context(view: View, name: str) -> None:
    """Numbers, two bars of the same parts, and the text of the part that is chosen."""
    shown = _Shown(view, name)
    await moments(view, name, lambda: shown.to(shown.part, 0))
    shown.place = ui.element("div").classes("screen")
    await shown.draw()
    view.follow(name, shown.draw)


class _Shown:
    """What the screen shows of a session. The page's address knows which part, and from which of its tokens on."""

    place: ui.element

    def __init__(self, view: View, name: str) -> None:
        self.view, self.name = view, name

    @property
    def at(self) -> str | None:
        return self.view.query.get("at")

    @property
    def part(self) -> str:
        wanted = self.view.query.get("part", "")
        return wanted if wanted in seen.NAMES else "window"

    @property
    def offset(self) -> int:
        """Into the part that is chosen."""
        wanted = self.view.query.get("offset", "")
        return int(wanted) if wanted.isdecimal() and len(wanted) < 10 else 0

    async def draw(self) -> None:
        found = await self.ask(limit=1)
        body = await self.body(found)
        self.place.clear()
        with self.place:
            seen.numbers(found)
            with panel("What the model sees", wide=True, note="Choose a part to read it."):
                seen.both(found, self.choose, self.part)
            with panel(seen.NAMES[self.part], wide=True, note=seen.about(found, self.part)):
                body()

    async def ask(self, part: str | None = None, offset: int = 0, limit: int = PAGE) -> Context:
        return await self.view.client.memory.context(self.name, at=self.at, part=part, offset=offset, limit=limit)

    async def choose(self, part: str) -> None:
        await self.to(part, 0)

    async def to(self, part: str, offset: int) -> None:
        self.view.keep(part=part, offset=offset or None)
        async with self.view.told():
            await self.draw()

    async def body(self, found: Context) -> Draw:
        """A function that draws the chosen part; what it draws is asked for before."""
        if self.part == "summary":
            return await self.summary(found)
        if self.part == "recalled":
            return lambda: self.recalled(found)
        if self.part == "free":
            return lambda: _said(seen.until(found))
        if self.part == "states":
            return self.states
        return await self.text(found)

    def states(self) -> None:
        ui.link("See how they grew from commit to commit", links.session(self.name, "states"))

    async def text(self, found: Context) -> Draw:
        part = seen.part_of(found, self.part)
        length = part.span["end"] - part.span["start"]
        if not length:
            return lambda: nothing(seen.EMPTY[self.part])
        offset = min(self.offset, length - 1)
        (piece,) = (await self.ask(part.name, offset)).parts

        def drawn() -> None:
            self.turning(length, offset)
            passages(piece.messages)
            if length > PAGE:
                self.turning(length, offset)

        return drawn

    def turning(self, length: int, offset: int) -> None:
        """Where in the part this is, and the ways to what is before and behind it."""
        with ui.element("nav").classes("turning").props("aria-label='Pages of the text'"):
            last = min(offset + PAGE, length)
            ui.label(f"{reach(offset + 1, last + 1)} of {count(length)} tokens").classes("dim")
            if length > PAGE:
                self._turn("Earlier", "chevron_left", max(0, offset - PAGE), offset > 0)
                self._turn("Later", "chevron_right", offset + PAGE, offset + PAGE < length)

    def _turn(self, said: str, icon: str, offset: int, there: bool) -> None:
        button = ui.button(said, icon=icon, on_click=lambda: self.to(self.part, offset)).props("flat no-caps")
        button.set_enabled(there)

    async def summary(self, found: Context) -> Draw:
        report = await self.view.client.memory.summary(self.name, at=self.at)
        start = seen.part_of(found, "summary").span["start"]
        spans = [
            {"start": max(each["start"], start), "end": each["end"], "entries": each["entries"]}
            for each in report["histogram"]
            if each["end"] > start
        ]
        asked = [self.ask("summary", each["start"] - start, min(TASTE, each["end"] - each["start"])) for each in spans]
        said = [answer.parts[0].text for answer in await asyncio.gather(*asked)]
        if not spans and not report["entries"] and not report["folded"]:
            return lambda: nothing(seen.EMPTY["summary"])

        def drawn() -> None:
            _said(_kept(found, report.body))
            self.spans(spans, said, start)

        return drawn

    def spans(self, spans: Sequence[Mapping[str, int]], said: Sequence[str | None], start: int) -> None:
        """How much is kept of each stretch of the conversation, and what was said there."""
        if not spans:
            return
        most = max(1, *(each["entries"] for each in spans))
        with ui.element("div").classes("stacking"), table(HEADS):
            for each, tells in zip(spans, said, strict=True):
                with row():
                    text(reach(each["start"], each["end"]), "nowrap")
                    with cell(), ui.element("div").classes("share-of"):
                        ui.element("span").classes("c-summary").style(f"width:{100 * each['entries'] / most:.1f}%")
                        ui.label(count(each["entries"]))
                    with cell():
                        ui.label(UNREADABLE if tells is None else tells).classes("said taste")
                    with cell():
                        self._read(each["start"], each["start"] - start)

    def _read(self, token: int, offset: int) -> None:
        named = f"type=button aria-label='Read from token {token} on'"
        with ui.element("button").classes("plain").props(named) as button:
            ui.label("Read")
        button.on("click", lambda: self.to("evicted", offset))

    def recalled(self, found: Context) -> None:
        if not found.last_recalled:
            nothing(seen.EMPTY["recalled"])
            return
        _said("The turn that made this commit had these memories before it; they were taken out again at its end.")
        with ui.element("ol").classes("passages"):
            for each in found.last_recalled:
                with ui.element("li"):
                    self._memory(each)

    def _memory(self, each: Mapping[str, Any]) -> None:
        with ui.element("div").classes("whose"):
            if each["id"]:
                begins = (each["text"] or "").split("\n")[0][:BEGINNING]
                ui.link(f"Memory {each['id']}", links.session(self.name, "episodes", find=begins))
            ui.label(f"{count(each['tokens'])} tokens").classes("dim")
        ui.label(each["text"] or "This memory was forgotten since.").classes("said")


def _kept(found: Context, report: Mapping[str, Any]) -> str:
    entries = f"{count(seen.part_of(found, 'summary').tokens)} entries per layer and head"
    folded = f", {count(report['folded'])} tokens folded into a memory of fixed size" if report["folded"] else ""
    return f"{entries}{folded}; written by {report['backend']}, {size(report['bytes'])} on disk."


def _said(text: str) -> None:
    ui.label(text).classes("about")
