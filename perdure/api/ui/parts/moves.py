"""A session moved to another commit, and back; and sessions that are forked from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from ....client.results import Session
from .. import links
from ..view import View
from .asking import ask_name, asking
from .figures import short

Moved = Callable[[], Awaitable[None]]
UNDONE, MOVED = "undone", "moved"
"""What the address calls the commit that a session was moved away from, and the session, where it is not the page's."""


async def go_back(view: View, name: str, to: str, at: str | None = None) -> Session:
    """Move a session, if it is still `at` a commit, and keep in the address where it was. Raises Conflict and others."""
    session = await view.client.sessions.reset(name, to, if_head=at)
    view.keep(**{UNDONE: session.previous, MOVED: name})
    return session


def ask_reset(view: View, name: str, to: str, moved: Moved) -> None:
    """Ask whether a session is to be moved to a commit, and move it."""

    async def reset() -> None:
        await go_back(view, name, to)
        await moved()

    said = (
        "What it said and remembers after that commit leaves the session. It stays in the store, and can be taken back here."
    )
    with asking(view, f"Move {name} to {short(to)}?", "Move it", reset):
        ui.label(said).classes("said")


def ask_fork(view: View, name: str, at: str) -> None:
    """Ask what the fork is to be called, make it, and go there."""

    async def fork(new: str) -> None:
        made = await view.client.sessions.fork(name, new, at=at)
        view.go(links.session(made.id))

    said = f"It begins at {short(at)} and shares all that came before; nothing is copied."
    ask_name(view, "Fork from here", said, "Name of the new session", "Fork", fork)


class WayBack:
    """A line that says from where a session was moved on this page, and takes it back."""

    def __init__(self, view: View, name: str, moved: Moved) -> None:
        self._view, self._name, self._moved = view, name, moved
        self._place = ui.element("div").classes("way-back").props("role=status")
        self.show()

    def show(self) -> None:
        """Draw it, or nothing where the session was not moved."""
        left = self._view.query.get(UNDONE)
        self._place.clear()
        self._place.set_visibility(left is not None and self._view.may("write"))
        if left is None:
            return
        with self._place:
            ui.label(f"{self._which} was at")
            ui.link(short(left), links.commit(self._name, left)).classes("mono")
            ui.label("before it was moved. Nothing is lost.")
            ui.button("Take that back", icon="redo", on_click=self._back).props("flat dense no-caps")
            ui.button(icon="close", on_click=self.forget).props("flat dense round aria-label='Leave it so'")

    def forget(self) -> None:
        self._view.keep(**{UNDONE: None, MOVED: None})
        self.show()

    @property
    def _which(self) -> str:
        return self._view.query.get(MOVED, self._name)

    async def _back(self) -> None:
        async with self._view.told("Taken back."):
            await go_back(self._view, self._which, self._view.query[UNDONE])
            self.forget()
            await self._moved()
