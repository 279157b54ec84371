"""What the store holds, what became of tokens, what is under way, and what happens now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from nicegui import ui

from ....client.results import Event, Job, Stats
from ....errors import PerdureError
from .. import links
from ..parts.bars import Part, bar
from ..parts.figures import count, share, size
from ..parts.panels import badge, panel, tile, tiles
from ..parts.tables import row, table, text
from ..view import AGAIN_S, View
from . import sessions
from .base import screen

TIERS = {
    "working": "KV of conversations",
    "snapshots": "Snapshots",
    "episodic": "KV of memories",
    "fast-weights": "Fast weights",
}
TOKENS = {
    "restored": ("Restored", "good"),
    "reused": ("Reused", "working"),
    "recalled": ("Recalled", "episodic"),
    "replayed": ("Replayed", "summary"),
    "prefilled": ("Prefilled", "bad"),
}
"""What became of the tokens that a model had to know, and which of them it computed."""

SHOWN = 40
"""Events that are shown; older ones leave."""


@screen("/", "Overview")
async def overview(view: View) -> None:
    """Numbers first, then what happens, then the sessions changed last."""
    place = ui.element("div").classes("screen")

    async def draw() -> None:
        stats = await view.client.stats()
        newest = await view.client.sessions.list(limit=8, order="desc")
        jobs = await view.client.jobs.list(limit=5)
        place.clear()
        with place:
            _numbers(stats)
            _tokens(stats.tokens)
            _tiers(stats)
            if len(stats.tenants) > 1:
                _tenants(stats.tenants)
            _jobs([job for job in jobs if not job.ended])
            with panel("Sessions changed last", wide=True):
                sessions.table(newest)
                ui.link("All sessions", links.sessions())

    await draw()
    _events(view)
    view.follow(None, draw)


def _numbers(stats: Stats) -> None:
    with tiles():
        tile("sessions", count(stats.sessions))
        tile(
            "logical / unique bytes", f"{stats.dedup_ratio:.2f}", hint="How many times larger the store were without sharing"
        )
        tile(
            "unique bytes", size(stats.nbytes["unique"]), hint=f"{size(stats.nbytes['logical'])} if each session had its own"
        )
        tile("on disk", size(stats.nbytes["disk"] + stats.nbytes["journals"]))
        if "held" in stats.memory:
            budget = stats.memory.get("budget")
            tile("working states in memory", size(stats.memory["held"] or 0), hint=f"of {size(budget)}" if budget else "")
        tile("answers under way", count(stats.turns_running))


def _tokens(tokens: Mapping[str, int]) -> None:
    known = sum(tokens.get(kind, 0) for kind in TOKENS)
    with panel("Tokens that were not computed again", note="since the server began"):
        if not known:
            ui.label("No turn was taken yet.").classes("dim")
            return
        saved = known - tokens.get("prefilled", 0) - tokens.get("replayed", 0)
        ui.label(f"{share(saved, known)} of {count(known)}").classes("value")
        bar([Part(name, tokens.get(kind, 0), colour, count(tokens.get(kind, 0))) for kind, (name, colour) in TOKENS.items()])
        ui.label(f"{count(tokens.get('generated', 0))} tokens were generated.").classes("dim")


def _tiers(stats: Stats) -> None:
    with panel("Memory by tier", note="as stored, shared parts once"):
        bar([Part(TIERS.get(name, name), tier["unique"], name, size(tier["unique"])) for name, tier in stats.tiers.items()])


def _tenants(tenants: Sequence[Mapping[str, Any]]) -> None:
    heads = ("Tenant", "Sessions", *TIERS.values(), "Tokens a minute")
    with panel("Tenants", wide=True), table(heads, right=frozenset(range(1, len(heads)))):
        for tenant in tenants:
            with row():
                text(tenant["tenant"], "name")
                if not tenant["at_work"]:
                    text("not at work", "dim")
                    continue
                text(count(tenant["sessions"]), "n")
                for tier in TIERS:
                    text(size(tenant["tiers"].get(tier, {}).get("unique", 0)), "n")
                text(count(tenant["tokens_last_minute"]), "n")


def _jobs(running: Sequence[Job]) -> None:
    if not running:
        return
    with panel("Jobs under way"):
        for job in running:
            with ui.element("div").classes("job"):
                ui.label(f"{job.kind} {job.session or ''}").classes("grow")
                ui.linear_progress(job.done / job.total if job.total else 0, show_value=False).classes("grow")
                ui.label(f"{count(job.done)} of {count(job.total)}" if job.total else job.status).classes("dim")
        ui.link("All jobs", links.transfer())


def _events(view: View) -> None:
    """The newest above; told as they come, so that a page that is left open is a window on the server."""
    with panel("What happens", note="as it happens", wide=True):
        nothing = ui.label("Nothing has happened since this page was opened.").classes("dim")
        told = ui.element("ol").classes("events").props("aria-live=polite")

    async def watch() -> None:
        while True:
            with suppress(PerdureError):
                async with await view.client.events() as events:
                    async for event in events:
                        nothing.set_visibility(False)
                        _tell(told, event)
            await asyncio.sleep(AGAIN_S)

    view.background(watch())


def _tell(told: ui.element, event: Event) -> None:
    with told, ui.element("li") as line:
        badge(event.kind, "bad" if event.kind.endswith("failed") else "plain")
        if event.session:
            ui.link(event.session, links.session(event.session))
        ui.label(_words(event)).classes("dim cut")
    line.move(target_index=0)
    lines = told.default_slot.children
    while len(lines) > SHOWN:
        lines[-1].delete()


def _words(event: Event) -> str:
    """What there is to say of it, in short."""
    data = event.data
    said = [str(data[name]) for name in ("title", "tier", "kind", "reason") if data.get(name)]
    if "done" in data:
        said.append(f"{data['done']} of {data['total']}" if data.get("total") else str(data["done"]))
    if "commit" in data:
        said.append(str(data["commit"])[:8])
    return " · ".join(said)
