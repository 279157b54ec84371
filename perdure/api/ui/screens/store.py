"""Sessions out and in as bundles, proofs that nothing is damaged, and what nobody needs any more."""

from __future__ import annotations

import json

from nicegui import ui

from ....client.results import Job
from .. import links
from ..parts.figures import count, size
from ..parts.jobs import watched
from ..parts.panels import badge, panel
from ..parts.tables import row, table, text
from ..view import View
from .base import screen


@screen("/transfer", "Store")
async def store(view: View) -> None:
    """What concerns whole sessions, and the store they are in."""
    names = [session.id for session in await view.client.sessions.list(limit=100)]
    await _jobs(view)
    _export(view, names)
    if view.may("write"):
        _import(view)
        _verify(view, names)
    if view.may("admin"):
        _upkeep(view)


async def _jobs(view: View) -> None:
    with panel("Jobs", note="of this process, the newest first", wide=True):
        place = ui.element("div")

    async def draw() -> None:
        listed = await view.client.jobs.list(limit=20)
        place.clear()
        with place:
            if not listed.data:
                ui.label("Nothing runs, and nothing ran since the server began.").classes("dim")
                return
            with table(("Job", "Session", "Status", "Done"), right=frozenset({3})):
                for job in listed:
                    _job(job)

    await draw()
    view.follow(None, draw, progress=True)


def _job(job: Job) -> None:
    kinds = {"completed": "good", "failed": "bad"}
    with row():
        text(job.kind, "name")
        text(job.session or "")
        with ui.element("td"):
            badge(job.status, kinds.get(job.status, "plain"), hint=str((job.error or {}).get("message", "")))
        text(f"{count(job.done)} of {count(job.total)}" if job.total else count(job.done), "n")


def _chosen(names: list[str]) -> ui.select:
    """One of the newest sessions, or any other by its name."""
    first = names[0] if names else None
    field = ui.select(names, label="Session", with_input=True, new_value_mode="add-unique", value=first)
    return field.props("outlined dense").classes("grow")


def _export(view: View, names: list[str]) -> None:
    note = "a session with its history and all it remembers, as one file"
    with panel("Export", note=note), ui.element("div").classes("actions"):
        name = _chosen(names)
        at = ui.input("Revision (empty: now)").props("outlined dense").classes("grow")
        ui.button("Download", icon="download", on_click=lambda: fetch()).props("unelevated no-caps")

    async def fetch() -> None:
        async with view.told():
            session = await view.client.sessions.get(name.value or "")
            ui.download.from_url(links.export(session.id, (at.value or "").strip() or None))


def _import(view: View) -> None:
    """The file goes straight to the interface, so that bundles of any size pass through no page."""
    with panel("Import", note="a bundle is checked as a whole before any of it is stored"):
        name = ui.input("Name (empty: as in the bundle)").props("outlined dense")
        sent = (
            ui.element("q-uploader")
            .classes("uploader")
            .props(
                'auto-upload flat bordered accept=".perdure,application/octet-stream,*" label="Choose a bundle" method=POST '
                "field-name=file send-raw"
            )
        )
        sent.props(f'url="{links.whole(links.taking_in())}"')
        name.on_value_change(lambda: sent.props(f'url="{links.whole(links.taking_in(name.value or None))}"'))
        said = ui.label().classes("said")
    sent.on("uploaded", lambda event: _taken_in(said, event.args), js_handler="(info) => emit(info.xhr.responseText)")
    sent.on("failed", lambda event: _refused(said, event.args), js_handler="(info) => emit(info.xhr.responseText)")


def _taken_in(said: ui.label, answer: str) -> None:
    name = json.loads(answer)["id"]
    said.classes(remove="bad")
    said.set_text(f"{name} is here.")
    ui.navigate.to(links.session(name))


def _refused(said: ui.label, answer: str) -> None:
    try:
        detail = json.loads(answer)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = "The server did not answer; try again."
    said.classes("bad")
    said.set_text(str(detail))


def _verify(view: View, names: list[str]) -> None:
    with panel("Verify", note="re-hashes a session and replays it to the bit"):
        with ui.element("div").classes("actions"):
            name = _chosen(names)
            hashes = ui.checkbox("Hashes only")
            ui.button("Verify", icon="verified", on_click=lambda: verify()).props("unelevated no-caps")
        place = ui.element("div")

    async def verify() -> None:
        place.clear()
        async with view.told():
            job = await view.client.sessions.verify(name.value or "", hashes_only=bool(hashes.value))
            with place:
                await watched(view, job, _verified)


def _verified(job: Job) -> None:
    result = job.result or {}
    if result.get("ok"):
        badge("sound", "good")
    for problem in result.get("problems", ()):
        ui.label(str(problem)).classes("bad said")


def _upkeep(view: View) -> None:
    with panel("Upkeep of the store", note="for administrators", wide=True):
        with ui.element("div").classes("actions"):
            ui.button("Check every object", icon="health_and_safety", on_click=lambda: fsck()).props("outline no-caps")
            ui.button("What could be deleted?", icon="search", on_click=lambda: gc(dry=True)).props("outline no-caps")
            ui.button("Delete it", icon="delete_sweep", on_click=lambda: gc(dry=False)).props("outline no-caps")
        place = ui.element("div")

    async def fsck() -> None:
        place.clear()
        async with view.told():
            job = await view.client.fsck()
            with place:
                await watched(view, job, _verified)

    async def gc(*, dry: bool) -> None:
        place.clear()
        async with view.told():
            job = await view.client.gc(dry_run=dry)
            with place:
                await watched(view, job, lambda ended: _collected(ended, dry))


def _collected(job: Job, dry: bool) -> None:
    result = job.result or {}
    what = f"{count(result['objects'])} objects, {size(result['bytes'])}"
    ui.label(f"{what} lead to nothing any more." if dry else f"{what} were deleted.")
