"""What the store holds, what is under way, and what happens now."""

from __future__ import annotations

from nicegui import ui

from ....client.results import Stats
from .. import links
from ..parts.bars import Part, bar
from ..parts.figures import count, size
from ..parts.panels import panel, tile, tiles
from ..view import View
from . import sessions
from .base import screen

TIERS = {
    "working": "KV of conversations",
    "snapshots": "Snapshots",
    "episodic": "KV of memories",
    "fast-weights": "Fast weights",
}


@screen("/", "Overview")
async def overview(view: View) -> None:
    """Numbers first, then the sessions changed last."""
    place = ui.element("div").classes("screen")

    async def draw() -> None:
        stats = await view.client.stats()
        newest = await view.client.sessions.list(limit=8, order="desc")
        place.clear()
        with place:
            _numbers(stats)
            _tiers(stats)
            with panel("Sessions changed last", wide=True):
                sessions.table(newest)
                ui.link("All sessions", links.sessions())

    await draw()
    view.follow(None, draw)


def _numbers(stats: Stats) -> None:
    with tiles():
        tile("sessions", count(stats.sessions))
        tile("objects", count(stats.objects))
        tile("logical / unique bytes", f"{stats.dedup_ratio:.2f}", hint="How much larger the store were without sharing")
        tile("on disk", size(stats.nbytes["disk"] + stats.nbytes["journals"]))


def _tiers(stats: Stats) -> None:
    with panel("Memory by tier", note="as stored, shared parts once"):
        bar([Part(TIERS.get(name, name), tier["unique"], name, size(tier["unique"])) for name, tier in stats.tiers.items()])
