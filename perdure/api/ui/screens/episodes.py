"""What one session, or all of them, remember: found, changed, forgotten and added to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from ....client.results import Memory, Page
from ....errors import NotFound
from ..parts import memories
from ..parts.adding import Adding
from ..parts.changing import Changing
from ..parts.figures import several
from ..parts.pages import Pager
from ..parts.panels import panel
from ..parts.playground import Playground
from ..view import View
from .base import screen

LIMIT = 25
SORTS = {
    "made": "in the order of making",
    "created": "by time",
    "tokens": "by length",
    "text": "by text",
    "source": "by source",
}
ORDERS = {"desc": "descending", "asc": "ascending"}
PINS = {"": "pinned or not", "true": "pinned", "false": "not pinned"}
GONE = "after_not_found"
CHANGES = frozenset(
    {"memory.learned", "memory.forgotten", "session.created", "session.deleted", "branch.moved", "events.lost"}
)
"""What changes the memories of all sessions: to list them looks at every session, which not every turn is worth."""


@screen("/sessions/{name}/episodes", "Episodes")
async def episodes(view: View, name: str) -> None:
    """Those of a session; the list follows what happens to it."""
    await view.client.sessions.get(name)
    await _remembered(view, name)


@screen("/memories", "Memories")
async def everything(view: View) -> None:
    """Those of all sessions, each once; the list follows what is learned and forgotten."""
    await _remembered(view, None)


async def _remembered(view: View, session: str | None) -> None:
    async def changed() -> None:
        await listed()
        await playground.again()

    acts = Changing(view, session, changed)
    with ui.element("div").classes("actions"):
        if view.may("write"):
            ui.button("Add a memory", icon="add", on_click=lambda: Adding(view, session, changed)).props(
                "no-caps unelevated"
            )
    playground = Playground(view, session, acts)
    with panel("Memories of all sessions" if session is None else "Memories", wide=True):
        listed = _list(view, session, acts)
    await listed()
    await playground.begin()
    await acts.opened()
    view.follow(session, listed, wanted=lambda event: session is not None or event.kind in CHANGES)


def _list(view: View, session: str | None, acts: Changing) -> Callable[[], Awaitable[None]]:
    """The table with what it is narrowed and sorted by; gives what draws it anew."""

    async def ask(limit: int, after: str | None) -> Page[Memory]:
        return await _asked(view, session, limit, after)

    def draw(page: Page[Memory]) -> None:
        whole = "" if page.total is None else several(page.total, "memory", "memories")
        ui.label(whole).classes("dim").props("role=status")
        memories.rows(view, page, acts, everywhere=session is None)

    async def listed() -> None:
        """A page that begins after a memory that is gone begins again."""
        try:
            await pager.show()
        except NotFound as error:
            if error.code != GONE:
                raise
            await pager.first()

    _narrowing(view, lambda: pager.first())
    pager: Pager[Memory] = Pager(view, ask, draw, limit=LIMIT, names=("Previous", "Next"))
    return listed


async def _asked(view: View, session: str | None, limit: int, after: str | None) -> Page[Memory]:
    at, pinned = view.query, view.query.get("pinned")
    wanted: dict[str, Any] = {
        "limit": limit,
        "after": after,
        "q": at.get("find"),
        "sort": _known(at.get("sort"), SORTS, "made"),
        "order": _known(at.get("order"), ORDERS, "desc"),
        "pinned": pinned == "true" if pinned in ("true", "false") else None,
    }
    ask = view.client.memory
    page: Page[Memory] = await (ask.everything(**wanted) if session is None else ask.list(session, **wanted))
    return page


def _narrowing(view: View, changed: Callable[[], Awaitable[None]]) -> None:
    """Which memories are listed, and in which order; the page's address keeps it."""
    at = view.query

    async def set_to(**query: str | None) -> None:
        view.keep(**query)
        await changed()

    with ui.element("div").classes("fields"):
        find = ui.input("Find in texts and sources", value=at.get("find", "")).props("outlined dense clearable debounce=400")
        find.classes("long").on_value_change(lambda event: set_to(find=(event.value or "").strip() or None))
        pinned = at.get("pinned", "") if at.get("pinned", "") in PINS else ""
        for key, options, value in (
            ("pinned", PINS, pinned),
            ("sort", SORTS, _known(at.get("sort"), SORTS, "made")),
            ("order", ORDERS, _known(at.get("order"), ORDERS, "desc")),
        ):
            _select(key, options, value, set_to)


def _select(key: str, options: dict[str, str], value: str, set_to: Callable[..., Awaitable[None]]) -> None:
    names = {"pinned": "Which", "sort": "Sorted", "order": "Order"}
    drawn = ui.select(options, value=value, label=names[key]).props("outlined dense options-dense")
    drawn.on_value_change(lambda event: set_to(**{key: event.value or None}))


def _known(said: str | None, options: dict[str, str], other: str) -> str:
    return said if said in options else other
