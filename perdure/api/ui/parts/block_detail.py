"""All that is known of one KV block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from ....client.results import Block
from .. import links
from .block_kinds import TIERS
from .figures import ago, count, short, size
from .passages import UNREADABLE, between


def detail(found: Block, compared: Callable[[str], str]) -> None:
    """`compared` gives the address at which the map is compared with another session."""
    with ui.element("dl").classes("facts"):
        _fact("Block", f"{count(found.index)}, {between(found.span)}")
        _fact("Tier", TIERS.get(found.tier, found.tier))
        _fact("Size", f"{size(found.nbytes)}, {found.codec} of {found.dtype}" if found.present else "not in the store")
        _fact("Layers", f"{len(found.layers)} ({', '.join(sorted({each['kind'] for each in found.layers}))})")
        _fact("Digest", found.digest, "mono")
        if found.written is not None:
            _written(found.session, found.written)
        _others(found, compared)
    ui.label(UNREADABLE if found.text is None else found.text).classes("said mono boxed")


def _written(session: str, written: Mapping[str, Any]) -> None:
    with _row("Written"):
        ui.link(short(written["id"]), links.session(session, "graph", at=written["id"])).classes("mono")
        ui.label(f"{written['kind']} {written['turn']}, {ago(written['created_at'])}").classes("dim")


def _others(found: Block, compared: Callable[[str], str]) -> None:
    with _row("Sessions"):
        ui.label("this one alone" if found.sessions == 1 else f"{count(found.sessions)} share it:")
        for other in found.others:
            ui.link(other, compared(other))


def _fact(name: str, value: str, kind: str = "") -> None:
    with _row(name):
        ui.label(value).classes(kind)


def _row(name: str) -> ui.element:
    with ui.element("dt"):
        ui.label(name)
    return ui.element("dd")
