"""The first blocks of a map in words, for whoever would rather read than look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from ....client.results import BlockGroup, Blocks
from .block_kinds import TIERS, tier
from .block_map import Place
from .figures import ago, count, size
from .panels import nothing

FIRST = 40
HEADS = (("Block", ""), ("Tokens", ""), ("Tier", ""), ("Size", "n"), ("Sessions", "n"), ("Written", ""), ("Digest", ""))


def table(found: Blocks, system: int, choose: Callable[[Place], Awaitable[None]]) -> None:
    """Rows of up to `FIRST` blocks of each group of layers."""
    listed = [group for group in found.groups if group.columns["start"]]
    if not listed:
        nothing("No block lies there.")
        return
    for group in listed:
        with ui.element("div").classes("scroll short"), ui.element("table").classes("list"):
            _heads(f"Blocks of {len(group.layers)} layers, the first {min(FIRST, len(group.columns['start']))} of this page")
            with ui.element("tbody"):
                for number in range(min(FIRST, len(group.columns["start"]))):
                    _row(found, group, number, system, choose)


def _heads(caption: str) -> None:
    with ui.element("caption").classes("dim"):
        ui.label(caption)
    with ui.element("thead"), ui.element("tr"):
        for head, kind in HEADS:
            with ui.element("th").classes(kind).props("scope=col"):
                ui.label(head)


def _row(found: Blocks, group: BlockGroup, number: int, system: int, choose: Callable[[Place], Awaitable[None]]) -> None:
    columns = group.columns
    place = Place(group.group, columns["index"] + number)
    start, nbytes, written = columns["start"][number], columns["bytes"][number], columns["commit"][number]
    with ui.element("tr"):
        with ui.element("td"):
            named = f"type=button aria-label='Block {place.index} of {group.group}'"
            with ui.element("button").classes("plain").props(named).on("click", lambda: choose(place)):
                ui.label(count(place.index))
        cells = (
            (f"{count(start)} – {count(start + columns['tokens'][number] - 1)}", "nowrap"),
            (TIERS[tier(found, group, number, system)], "nowrap"),
            (size(nbytes) if nbytes else "not there", "n"),
            (count(columns["sessions"][number]), "n"),
            ("" if written is None else _written(found, written), "nowrap"),
            (columns["digest"][number], "mono"),
        )
        for text, kind in cells:
            with ui.element("td").classes(kind):
                ui.label(text)


def _written(found: Blocks, number: int) -> str:
    commit = found.commits[number]
    return f"{commit['kind']} {commit['turn']}, {ago(commit['created_at'])}"
