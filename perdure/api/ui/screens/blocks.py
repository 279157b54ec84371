"""Where the keys and values of a session lie: every block, what it is to the model, and who else has it."""

from __future__ import annotations

from nicegui import ui

from ....client.results import Block, Blocks
from ....client.verbs import Group
from .. import links
from ..parts import block_kinds
from ..parts.block_map import BlockMap, Place
from ..parts.block_table import listed
from ..parts.figures import ago, count, short, size
from ..parts.moments import moments
from ..parts.panels import nothing, panel, tile, tiles
from ..parts.passages import UNREADABLE, between
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
        await moments(view, name, shown.draw)
        await _other(shown)
    shown.place = ui.element("div").classes("screen")
    await shown.draw()
    view.follow(name, shown.draw)


class _Shown:
    """The page's address knows all that is chosen: `at`, `with`, `by`, `from`, and `block` of `group`."""

    place: ui.element
    drawn: BlockMap
    detail: ui.element

    def __init__(self, view: View, name: str) -> None:
        self.view, self.name = view, name
        self.found: Blocks | None = None

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
        client = self.view.client
        found = await client.sessions.blocks(self.name, at=self.at, start=self.start, limit=LIMIT, other=self.other)
        context = await client.memory.context(self.name, at=self.at, part="system", limit=1)
        system = context.parts[0].span["end"]
        self.found = found
        self.place.clear()
        with self.place:
            if any(group.total for group in found.groups):
                _numbers(found, self.other)
                self.map(found, system)
                with panel("The block that is chosen") as self.detail:
                    pass
                with panel("As a table"):
                    listed(found, system, self.choose)
            else:
                with panel("No blocks to show", wide=True):
                    nothing("Nothing was said yet, or no layer of this model keeps keys and values.", icon="grid_view")
        if any(group.total for group in found.groups):
            await self.tell()

    def map(self, found: Blocks, system: int) -> None:
        with panel("Layers by tokens", note=_note(found), wide=True):
            drawn = block_kinds.drawn(found, system, self.other)
            self.drawn = BlockMap(drawn, by=self.by, chosen=self.chosen, ask=self.text, choose=self.choose)
            with self.drawn:
                by = ui.toggle(block_kinds.BY, value=self.by, on_change=lambda event: self.colour(event.value))
                by.props("no-caps dense unelevated aria-label='Colour by'").classes("by")
            self.turning(found)

    def turning(self, found: Blocks) -> None:
        if not self.start and not found.has_more:
            return
        with ui.element("nav").classes("turning").props("aria-label='Pages of the map'"):
            first = ui.button("From the beginning", on_click=lambda: self.turn(None)).props("flat no-caps")
            first.set_enabled(self.start > 0)
            later = ui.button("Later", icon="chevron_right", on_click=lambda: self.turn(found.next)).props("flat no-caps")
            later.set_enabled(found.has_more)

    async def turn(self, start: int | None) -> None:
        self.view.keep(**{"from": start})
        await self.again()

    async def again(self) -> None:
        async with self.view.told():
            await self.draw()

    def colour(self, by: str) -> None:
        self.view.keep(by=by)
        self.drawn.colour(by)

    async def choose(self, place: Place) -> None:
        self.view.keep(block=place.number, group=place.group if place.group != "full" else None)
        self.drawn.point(place)
        async with self.view.told():
            await self.tell()

    async def compare(self, other: str | None) -> None:
        self.view.keep(**{"with": other})
        await self.again()

    async def text(self, place: Place) -> str:
        found = await self.block(place)
        return UNREADABLE if found.text is None else found.text

    async def block(self, place: Place) -> Block:
        group: Group = "window" if place.group == "window" else "full"
        return await self.view.client.sessions.block(self.name, place.number, at=self.at, group=group)

    async def tell(self) -> None:
        """Fill the panel of the block that is chosen."""
        found = None if self.chosen is None else await self.block(self.chosen)
        for each in list(self.detail)[1:]:
            self.detail.remove(each)
        with self.detail:
            if found is None:
                nothing(
                    "Point at a block of the map, or go to it with the arrow keys; click it, or press Enter.",
                    icon="ads_click",
                )
            else:
                self.told(found)

    def told(self, found: Block) -> None:
        with ui.element("dl").classes("facts"):
            _fact("Block", f"{count(found.index)}, {between(found.span)}")
            _fact("Tier", block_kinds.TIERS.get(found.tier, found.tier))
            _fact("Size", f"{size(found.nbytes)}, {found.codec} of {found.dtype}" if found.present else "not in the store")
            _fact("Layers", f"{len(found.layers)} ({', '.join(sorted({each['kind'] for each in found.layers}))})")
            _fact("Digest", found.digest, "mono")
            if found.written is not None:
                self._written(found.written)
            self._others(found)
        ui.label(UNREADABLE if found.text is None else found.text).classes("said mono boxed")

    def _written(self, written: object) -> None:
        assert isinstance(written, dict)
        with _row("Written"):
            ui.link(short(written["id"]), links.session(self.name, "graph", at=written["id"])).classes("mono")
            ui.label(f"{written['kind']} {written['turn']}, {ago(written['created_at'])}").classes("dim")

    def _others(self, found: Block) -> None:
        with _row("Sessions"):
            ui.label("this one alone" if found.sessions == 1 else f"{count(found.sessions)} share it:")
            for other in found.others:
                ui.link(other, links.session(self.name, "blocks", **{**self.view.query, "with": other}))


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


def _note(found: Blocks) -> str:
    starts = [group.columns["start"] for group in found.groups if group.columns["start"]]
    if not found.has_more and min((start[0] for start in starts), default=0) == 0:
        return "A block holds the keys and values of its tokens in all layers of a group."
    return f"From token {count(min(start[0] for start in starts))} on, {LIMIT} blocks at a time." if starts else ""


def _fact(name: str, value: str, kind: str = "") -> None:
    with _row(name):
        ui.label(value).classes(kind)


def _row(name: str) -> ui.element:
    with ui.element("dt"):
        ui.label(name)
    return ui.element("dd")


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None
