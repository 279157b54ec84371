"""The first blocks of a map in words, for whoever would rather read than look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from ....client.results import BlockGroup, Blocks
from .block_kinds import TIERS, tier
from .block_map import Place
from .figures import ago, count, reach, size
from .panels import nothing
from .tables import cell, row, table, text

FIRST = 40
HEADS = ("Block", "Tokens", "Tier", "Size", "Sessions", "Written", "Digest")


def listed(found: Blocks, system: int, choose: Callable[[Place], Awaitable[None]]) -> None:
    """Rows of up to `FIRST` blocks of each group of layers."""
    groups = [group for group in found.groups if group.columns["start"]]
    if not groups:
        nothing("No block lies there.")
    for group in groups:
        shown = min(FIRST, len(group.columns["start"]))
        ui.label(f"Blocks of {len(group.layers)} layers ({_sorts(group)}), the first {shown} of this page").classes("dim")
        with ui.element("div").classes("scroll short"), table(HEADS, right=frozenset({3, 4})):
            for number in range(shown):
                with row():
                    _block(Place(group.group, group.columns["index"] + number), choose)
                    _rest(found, group, number, system)


def _block(place: Place, choose: Callable[[Place], Awaitable[None]]) -> None:
    named = f"type=button aria-label='Block {place.number} of {place.group}'"
    with cell(), ui.element("button").classes("plain").props(named).on("click", lambda: choose(place)):
        ui.label(count(place.number))


def _rest(found: Blocks, group: BlockGroup, number: int, system: int) -> None:
    columns = group.columns
    start, nbytes, written = columns["start"][number], columns["bytes"][number], columns["commit"][number]
    text(reach(start, start + columns["tokens"][number]), "nowrap")
    text(TIERS[tier(found, group, number, system)], "nowrap")
    text(size(nbytes) if nbytes else "not there", "n")
    text(count(columns["sessions"][number]), "n")
    text("" if written is None else _written(found, written), "nowrap")
    text(columns["digest"][number], "mono")


def _sorts(group: BlockGroup) -> str:
    return ", ".join(sorted({each["kind"] for each in group.layers}))


def _written(found: Blocks, number: int) -> str:
    commit = found.commits[number]
    return f"{commit['kind']} {commit['turn']}, {ago(commit['created_at'])}"
