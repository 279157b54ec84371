"""Which moment of a session a screen shows: now, or after one of its commits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from ....client.results import Commit
from ..view import View
from .figures import ago, short

LISTED = 50
NOW = ""


async def moments(view: View, name: str, changed: Callable[[], Awaitable[None]]) -> None:
    """A list of the last commits to choose from. `?at=` keeps what is chosen, and takes any other revision as well."""
    log = await view.client.sessions.log(name, limit=LISTED)
    at = view.query.get("at", NOW)
    options = {NOW: "Now", **{commit.id: _said(commit) for commit in log}}

    async def choose() -> None:
        view.keep(at=field.value or None)
        async with view.told():
            await changed()

    field = ui.select({**options, at: options.get(at, f"At {at}")}, value=at, label="As it was", on_change=choose)
    field.props("dense outlined options-dense").classes("moment")


def _said(commit: Commit) -> str:
    about = f"turn {commit.turn}" if commit.kind == "turn" else commit.title or commit.kind
    return f"{short(commit.id)} · {about} · {ago(commit.created_at)}"
