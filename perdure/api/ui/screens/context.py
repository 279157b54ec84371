"""What the model sees now, part by part: how large each is, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from ....client.results import Context, Part
from .. import links
from ..parts import bars
from ..parts.figures import count, size
from ..parts.moments import moments
from ..parts.panels import nothing, panel, tile, tiles
from ..parts.passages import UNREADABLE, between, passages
from ..view import View
from .base import screen

NAMES = {
    "system": "System prompt",
    "sinks": "Sinks",
    "recalled": "Recalled",
    "summary": "Summary",
    "window": "Window",
    "free": "Free",
    "states": "States",
    "evicted": "Left the window",
}
SEEN = ("system", "sinks", "recalled", "summary", "window")
ABOUT = {
    "system": "What the conversation begins with. It always stays.",
    "sinks": "The first tokens, which always stay: attention leans on them.",
    "summary": "Of the tokens that left the window some keys and values are kept, chosen by how much attention they drew.",
    "window": "The latest tokens, each with its exact keys and values.",
    "states": "Recurrent and convolution layers keep a state that does not grow with the conversation.",
    "evicted": "No longer before the model as they were. They are on disk, exactly, and come back where a turn recalls them.",
}
PAGE = 512
"""Tokens of text that are shown at once."""
TASTE = 48
"""Tokens of text that stand for a part of the summary."""


@screen("/sessions/{name}/context", "Context")
async def context(view: View, name: str) -> None:
    """Numbers, two bars of the same parts, and the text of the part that is chosen."""
    shown = _Shown(view, name)
    await moments(view, name, shown.draw)
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
        return wanted if wanted in NAMES else "window"

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
            _numbers(found)
            with panel("What the model sees", wide=True, note="Choose a part to read it."):
                self.bars(found)
            with panel(NAMES[self.part], wide=True, note=_about(self.part, found)):
                body()

    async def ask(self, part: str | None = None, offset: int = 0, limit: int = PAGE) -> Context:
        return await self.view.client.memory.context(self.name, at=self.at, part=part, offset=offset, limit=limit)

    async def choose(self, part: str) -> None:
        await self.to(part, 0)

    async def to(self, part: str, offset: int) -> None:
        self.view.keep(part=part, offset=offset or None)
        async with self.view.told():
            await self.draw()

    def bars(self, found: Context) -> None:
        ui.label("Tokens").classes("dim")
        bars.bar(_tokens(found), legend=False, choose=self.choose, chosen=self.part)
        ui.label("Bytes").classes("dim second")
        bars.bar(_nbytes(found), legend=False, choose=self.choose, chosen=self.part)
        bars.legend(_both(found), choose=self.choose, chosen=self.part)

    async def body(self, found: Context) -> Any:
        """A function that draws the chosen part; what it draws is asked for here."""
        if self.part == "summary":
            return await self.summary(found)
        if self.part == "recalled":
            return lambda: self.recalled(found)
        if self.part in ("free", "states"):
            return lambda: _sizes(found, self.part)
        return await self.text(found)

    async def text(self, found: Context) -> Any:
        part = _evicted(found) if self.part == "evicted" else _part(found, self.part)
        length = part.span["end"] - part.span["start"]
        offset = min(self.offset, max(0, length - 1))
        (piece,) = (await self.ask(part.name, offset)).parts

        def drawn() -> None:
            if not length:
                return nothing(_why_empty(self.part))
            self.turning(length, offset)
            passages(piece.messages)
            return self.turning(length, offset) if length > PAGE else None

        return drawn

    def turning(self, length: int, offset: int) -> None:
        """Where in the part this is, and the ways to what is before and behind it."""
        with ui.element("nav").classes("turning").props("aria-label='Pages of the text'"):
            last = min(offset + PAGE, length)
            ui.label(f"{count(offset + 1)} – {count(last)} of {count(length)} tokens").classes("dim")
            if length > PAGE:
                before, behind = max(0, offset - PAGE), offset + PAGE
                self._turn("Earlier", "chevron_left", before, offset > 0)
                self._turn("Later", "chevron_right", behind, behind < length)

    def _turn(self, said: str, icon: str, offset: int, there: bool) -> None:
        button = ui.button(said, icon=icon, on_click=lambda: self.to(self.part, offset)).props("flat no-caps")
        button.set_enabled(there)

    async def summary(self, found: Context) -> Any:
        report = await self.view.client.memory.summary(self.name, at=self.at)
        start = _part(found, "summary").span["start"]
        bins = [each for each in report["histogram"] if each["end"] > start]
        places = [(max(0, each["start"] - start), each["end"] - max(each["start"], start)) for each in bins]
        asked = [self.ask("summary", offset, min(length, TASTE)) for offset, length in places]
        texts = [answer.parts[0] for answer in await asyncio.gather(*asked)]

        def drawn() -> None:
            if not _part(found, "summary").tokens and not bins:
                return nothing(_why_empty("summary"))
            ui.label(_kept(found, report.body)).classes("about")
            return self.bins(bins, texts, start) if bins else None

        return drawn

    def bins(self, bins: list[Mapping[str, Any]], texts: list[Part], start: int) -> None:
        most = max(1, *(each["entries"] for each in bins))
        with ui.element("div").classes("scroll"), ui.element("table").classes("list kept"):
            _heads(("Tokens", ""), ("Entries kept, of all layers and heads", ""), ("They stand for", ""), ("", ""))
            with ui.element("tbody"):
                for each, text in zip(bins, texts, strict=True):
                    self._bin(each, text, most, start)

    def _bin(self, each: Mapping[str, Any], text: Part, most: int, start: int) -> None:
        begin = max(each["start"], start)
        with ui.element("tr"):
            with ui.element("td").classes("nowrap"):
                ui.label(f"{count(begin)} – {count(each['end'] - 1)}")
            with ui.element("td"), ui.element("div").classes("share-of"):
                ui.element("span").classes("c-summary").style(f"width:{100 * each['entries'] / most:.1f}%")
                ui.label(count(each["entries"]))
            with ui.element("td"):
                ui.label(UNREADABLE if text.text is None else text.text).classes("said taste")
            with ui.element("td"):
                named = f"type=button aria-label='Read from token {begin} on'"
                with ui.element("button").classes("plain").props(named) as button:
                    ui.label("Read")
                button.on("click", lambda: self.to("evicted", begin - start))

    def recalled(self, found: Context) -> None:
        if not found.last_recalled:
            return nothing(_why_empty("recalled"))
        ui.label("The turn that made this commit had these memories before it; they were taken out again at its end.")
        with ui.element("ol").classes("passages"):
            for each in found.last_recalled:
                with ui.element("li"):
                    self._memory(each)
        return None

    def _memory(self, each: Mapping[str, Any]) -> None:
        with ui.element("div").classes("whose"):
            if each["id"]:
                ui.link(f"Memory {each['id']}", links.session(self.name, "episodes", memory=each["id"]))
            ui.label(f"{count(each['tokens'])} tokens").classes("dim")
        ui.label(each["text"] or "This memory was forgotten since.").classes("said")


def _numbers(found: Context) -> None:
    limits, window = found.limits, _part(found, "window")
    seen = sum(part.tokens for part in found.parts)
    with tiles():
        tile("tokens in the conversation", count(window.span["end"]), hint="The position of the next token")
        tile("entries that attention reads", count(seen), hint="Keys and values, per layer and head")
        tile("in memory", size(_whole(found)), hint="Keys and values, and states that do not grow")
        if limits["window"] is not None:
            most = limits["window"] + (limits["block"] or 0)
            about = f"When it is full the oldest leave, until it has {count(limits['window'])}"
            tile("tokens in the window, and its room", f"{count(window.tokens)} / {count(most)}", hint=about)
        tile("positions the model was trained on", count(limits["context"] or 0))


def _part(found: Context, name: str) -> Part:
    return next(part for part in found.parts if part.name == name)


def _evicted(found: Context) -> Part:
    """The stretch of the log that left the window is that of the summary, whatever this keeps of it."""
    return _part(found, "summary")


def _whole(found: Context) -> int:
    return sum(part.nbytes for part in found.parts) + found.fixed_bytes


def _free_bytes(found: Context) -> float:
    """What the free tokens will take: as much each as one that every layer sees takes now."""
    each = [part.nbytes / part.tokens for part in found.parts if part.tokens]
    return found.free * min(each, default=0.0)


def _tokens(found: Context) -> list[bars.Part]:
    parts = [
        bars.Part(NAMES[name], _part(found, name).tokens, name, f"{count(_part(found, name).tokens)} tokens")
        for name in SEEN
    ]
    return [*parts, bars.Part(NAMES["free"], found.free, "free", f"{count(found.free)} tokens")]


def _nbytes(found: Context) -> list[bars.Part]:
    parts = [bars.Part(NAMES[name], _part(found, name).nbytes, name, size(_part(found, name).nbytes)) for name in SEEN]
    if found.fixed_bytes:
        parts.append(bars.Part(NAMES["states"], found.fixed_bytes, "states", size(found.fixed_bytes)))
    free = _free_bytes(found)
    return [*parts, bars.Part(NAMES["free"], free, "free", f"about {size(round(free))}")]


def _both(found: Context) -> list[bars.Part]:
    """The parts as the legend says them; what left the window stands beside them."""
    tokens = {part.kind: part for part in _tokens(found)}
    said = [
        part._replace(said=f"{tokens[part.kind].said}, {part.said}" if part.kind in tokens else part.said)
        for part in _nbytes(found)
    ]
    span = _evicted(found).span
    gone = span["end"] - span["start"]
    return [*said, bars.Part(NAMES["evicted"], gone, "evicted", f"{count(gone)} tokens, on disk")] if gone else said


def _about(part: str, found: Context) -> str:
    if part == "free":
        return ""
    span = None if part in ("recalled", "states") else _part(found, "summary" if part == "evicted" else part).span
    where = f"{between(span).capitalize()}. " if span is not None and span["end"] > span["start"] else ""
    return where + ABOUT.get(part, "")


def _kept(found: Context, report: Mapping[str, Any]) -> str:
    entries = f"{count(_part(found, 'summary').tokens)} entries per layer and head"
    folded = f", {count(report['folded'])} tokens folded into a memory of fixed size" if report["folded"] else ""
    return f"{entries}{folded}; written by {report['backend']}, {size(report['bytes'])} on disk."


def _sizes(found: Context, part: str) -> None:
    if part == "states":
        ui.label(f"{size(found.fixed_bytes)} of states.")
        return
    block, context = found.limits["block"] or 0, found.limits["context"] or 0
    then = (
        f"the oldest {count(block)} leave the window"
        if found.then == "evict"
        else f"the model's {count(context)} positions end"
    )
    ui.label(f"{count(found.free)} more tokens fit until {then}.")


def _why_empty(part: str) -> str:
    return {
        "system": "This conversation begins without a system prompt.",
        "sinks": "Nothing but the system prompt stays at the beginning; sinks are kept from when tokens first leave the window.",
        "summary": "Nothing is summarised: everything that was said is still in the window, or the server keeps no summary.",
        "window": "Nothing was said yet.",
        "recalled": "The last turn recalled nothing.",
        "evicted": "Nothing has left the window.",
    }[part]


def _heads(*heads: tuple[str, str]) -> None:
    with ui.element("thead"), ui.element("tr"):
        for head, kind in heads:
            with ui.element("th").classes(kind).props("scope=col"):
                ui.label(head)
