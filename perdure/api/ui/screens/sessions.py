"""All sessions, and a new one."""

from __future__ import annotations

from nicegui import ui

from ....client.results import Page, Session
from .. import links
from ..parts.figures import ago, count, moment, size
from ..parts.pages import Pager
from ..parts.panels import nothing, panel
from ..view import View
from .base import screen

HEADS = (("Session", ""), ("Title", ""), ("Turns", "n"), ("Tokens", "n"), ("KV", "n"), ("Changed", ""))


@screen("/sessions", "Sessions")
async def sessions(view: View) -> None:
    """In pages, the newest first."""

    async def ask(limit: int, after: str | None) -> Page[Session]:
        page: Page[Session] = await view.client.sessions.list(limit=limit, after=after, order="desc")
        return page

    with ui.element("div").classes("actions"):
        _jump(view)
        if view.may("write"):
            ui.button("New session", icon="add", on_click=lambda: _make(view)).props("no-caps unelevated")
    with panel("Sessions", wide=True):
        pager: Pager[Session] = Pager(view, ask, table)
        await pager.show()
    view.follow(None, pager.show)


def table(page: Page[Session]) -> None:
    """A row for each session, whose name leads to it."""
    if not page.data:
        nothing("No session yet. Make one, or send a chat request with the header X-Session-ID.", icon="forum")
        return
    with ui.element("div").classes("scroll"), ui.element("table").classes("list"):
        with ui.element("thead"), ui.element("tr"):
            for head, kind in HEADS:
                with ui.element("th").classes(kind).props("scope=col"):
                    ui.label(head)
        with ui.element("tbody"):
            for session in page:
                _row(session)


def _row(session: Session) -> None:
    with ui.element("tr"):
        with ui.element("td"):
            ui.link(session.id, links.session(session.id)).classes("name")
            if session.forked_from:
                ui.label(f"fork of {session.forked_from}").classes("dim")
        with ui.element("td").classes("cut"):
            ui.label(session.title or "")
        for text in (count(session.turns), count(session.tokens), size(session.kv_bytes)):
            with ui.element("td").classes("n"):
                ui.label(text)
        with ui.element("td"), ui.label(ago(session.updated_at)):
            ui.tooltip(moment(session.updated_at))


def _jump(view: View) -> None:
    """Ten thousand names are found by typing one."""
    field = ui.input("Open a session by its name").props("dense outlined clearable").classes("jump")

    async def go() -> None:
        name = (field.value or "").strip()
        if name:
            async with view.told():
                view.go(links.session((await view.client.sessions.get(name)).id))

    field.on("keydown.enter", go)


def _make(view: View) -> None:
    with view.page, ui.dialog() as dialog, ui.card().classes("asking"):
        ui.label("New session").classes("head")
        name = ui.input("Name (or leave it empty)").props("autofocus outlined dense")
        system = ui.textarea("System prompt (optional)").props("outlined dense autogrow")

        async def make() -> None:
            async with view.told():
                made = await view.client.sessions.create(name=name.value or None, system=system.value or None)
                view.go(links.session(made.id))

        with ui.element("div").classes("actions"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Make it", on_click=make).props("unelevated no-caps")
    dialog.open()
