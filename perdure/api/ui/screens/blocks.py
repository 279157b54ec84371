"""Where the keys and values of a session lie: every block, what it is to the model, and who else has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from ....client.results import Block, Blocks
from ....client.verbs import Group
from ....errors import PerdureError
from .. import links
from ..parts import block_kinds
from ..parts.block_detail import detail
from ..parts.block_map import BlockMap, Place
from ..parts.block_table import listed
from ..parts.figures import count, size
from ..parts.moments import moments
from ..parts.panels import nothing, panel, tile, tiles
from ..parts.passages import UNREADABLE
from ..view import View
from .base import screen

LIMIT = 4096
"""Blocks that are drawn at once; a longer conversation is turned over like the pages of a book."""
NAMED = 50
"""Names of sessions that are offered to compare with."""


@screen("/sessions/{name}/blocks", "KV blocks")
async def blocks(view: View, name: str) -> None:
    """A map of them, what is to be known of the one that is chosen, and the first of them as a table."""
    shown = _Shown(view, name)
    with ui.element("div").classes("actions"):
        await moments(view, name, lambda: shown.turn(None))
        await _other(shown)
    shown.place = ui.element("div").classes("screen")
    await shown.draw()
    view.follow(name, shown.draw)


class _Shown:
    """The page's address knows all that is chosen: `at`, `with`, `by`, `from`, and `block` of `group`."""

    place: ui.element
    numbers: ui.element
    pages: ui.element
    detail: ui.element
    table: ui.element

    def __init__(self, view: View, name: str) -> None:
        self.view, self.name = view, name
        self.map: BlockMap | None = None

    @property
    def at(self) -> str | None:
        return self.view.query.get("at")

    @property
    def other(self) -> str | None:
        return self.view.query.get("with")

    @property
    def by(self) -> str:
        wanted = self.view.query.get("by", "")
        return wanted if wanted in block_kinds.BY else "tier"

    @property
    def start(self) -> int:
        return _number(self.view.query.get("from", "")) or 0

    @property
    def chosen(self) -> Place | None:
        index = _number(self.view.query.get("block", ""))
        return None if index is None else Place("window" if self.view.query.get("group") == "window" else "full", index)

    async def draw(self) -> None:
        """Ask and draw; a map that is there already stays as it is looked at, with other blocks in it."""
        client = self.view.client
        found = await client.sessions.blocks(self.name, at=self.at, start=self.start, limit=LIMIT, other=self.other)
        context = await client.memory.context(self.name, at=self.at, part="system", limit=1)
        system = context.parts[0].span["end"]
        if not any(group.columns["start"] for group in found.groups):
            self.nothing()
            return
        drawn = block_kinds.drawn(found, system, self.other)
        if self.map is None:
            self.begin(drawn)
        else:
            self.map.show(drawn)
        _fill(self.numbers, lambda: _numbers(found, self.other))
        _fill(self.pages, lambda: self.turning(found))
        _fill(self.table, lambda: listed(found, system, self.choose))
        await self.tell()

    def nothing(self) -> None:
        self.map = None
        self.place.clear()
        with self.place, panel("No blocks to show", wide=True):
            if self.start:
                nothing(f"No block lies beyond token {count(self.start)}.", icon="grid_view")
                ui.button("From the beginning", on_click=lambda: self.turn(None)).props("flat no-caps").classes("middle")
            else:
                nothing("Nothing was said yet, or no layer of this model keeps keys and values.", icon="grid_view")

    def begin(self, drawn: dict[str, Any]) -> None:
        """Make the places that `draw` fills."""
        self.place.clear()
        with self.place:
            self.numbers = ui.element("div")
            with panel(
                "Layers by tokens",
                note="A block holds the keys and values of its tokens in all layers of a group.",
                wide=True,
            ):
                self.map = BlockMap(drawn, by=self.by, chosen=self.chosen, ask=self.text, choose=self.choose)
                with self.map:
                    by = ui.toggle(block_kinds.BY, value=self.by, on_change=lambda event: self.colour(event.value))
                    by.props("no-caps dense unelevated aria-label='Colour by'").classes("by")
                self.pages = ui.element("div")
            with panel("The block that is chosen"):
                self.detail = ui.element("div")
            with panel("As a table"):
                self.table = ui.element("div")

    def turning(self, found: Blocks) -> None:
        """The ways to other pages, where there are several."""
        if not self.start and not found.has_more:
            return
        with ui.element("nav").classes("turning").props("aria-label='Pages of the map'"):
            ui.label(f"{count(LIMIT)} blocks at a time, from token {count(self.start)} on").classes("dim")
            first = ui.button("From the beginning", on_click=lambda: self.turn(None)).props("flat no-caps")
            first.set_enabled(self.start > 0)
            later = ui.button("Later", icon="chevron_right", on_click=lambda: self.turn(found.next)).props("flat no-caps")
            later.set_enabled(found.has_more)

    async def turn(self, start: int | None) -> None:
        self.view.keep(**{"from": start})
        async with self.view.told():
            await self.draw()

    async def compare(self, other: str | None) -> None:
        """With another session, if there is one of that name."""
        before = self.other
        async with self.view.told():
            try:
                self.view.keep(**{"with": other})
                await self.draw()
            except PerdureError:
                self.view.keep(**{"with": before})
                raise

    def colour(self, by: str) -> None:
        self.view.keep(by=by)
        if self.map is not None:
            self.map.colour(by)

    async def choose(self, place: Place) -> None:
        self.view.keep(block=place.number, group=place.group if place.group != "full" else None)
        if self.map is not None:
            self.map.point(place)
        async with self.view.told():
            await self.tell()

    def with_other(self, other: str) -> str:
        """The address of this map, compared with another session."""
        return links.session(self.name, "blocks", **{**self.view.query, "with": other})

    async def text(self, place: Place) -> str:
        found = await self.block(place)
        return UNREADABLE if found.text is None else found.text

    async def block(self, place: Place) -> Block:
        group: Group = "window" if place.group == "window" else "full"
        return await self.view.client.sessions.block(self.name, place.number, at=self.at, group=group)

    async def tell(self) -> None:
        """Fill the panel of the block that is chosen."""
        found = None if self.chosen is None else await self.block(self.chosen)
        _fill(self.detail, lambda: _nobody() if found is None else detail(found, self.with_other))


async def _other(shown: _Shown) -> None:
    """A field for the session to compare with."""
    client = shown.view.client
    forks = [each.id for each in await client.sessions.branches(shown.name, limit=NAMED)]
    latest = [each.id for each in await client.sessions.list(limit=NAMED, order="desc")]
    offered = [name for name in dict.fromkeys([*forks, *latest]) if name != shown.name]
    field = ui.input("Compare with a session", value=shown.other or "", autocomplete=offered)
    field.props("dense outlined clearable").classes("jump")

    async def go() -> None:
        await shown.compare((field.value or "").strip() or None)

    field.on("keydown.enter", go)
    field.on("clear", go)


def _numbers(found: Blocks, other: str | None) -> None:
    shared = [_sum(group.columns["bytes"], [each > 1 for each in group.columns["sessions"]]) for group in found.groups]
    with tiles():
        tile("blocks", count(sum(group.total for group in found.groups)))
        tile("tokens", count(found.tokens))
        tile("stored", size(sum(group.nbytes for group in found.groups)))
        tile(
            "blocks shared with other sessions",
            count(sum(each for each, _ in shared)),
            hint=size(sum(each for _, each in shared)),
        )
        if other is not None:
            both = [_sum(group.columns["bytes"], group.columns["with"]) for group in found.groups]
            saved = size(sum(each for _, each in both))
            tile(f"blocks that {other} has too", count(sum(each for each, _ in both)))
            tile("saved by sharing them", saved, hint="They are stored once for both")


def _sum(nbytes: list[int], wanted: list[int] | list[bool]) -> tuple[int, int]:
    """How many are wanted, and their bytes."""
    kept = [each for each, yes in zip(nbytes, wanted, strict=True) if yes]
    return len(kept), sum(kept)


def _nobody() -> None:
    nothing("Point at a block of the map, or go to it with the arrow keys; click it, or press Enter.", icon="ads_click")


def _fill(place: ui.element, draw: Callable[[], None]) -> None:
    place.clear()
    with place:
        draw()


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None
