"""Lists of any length, a page at a time, as the interface gives them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from nicegui import ui

from ....client.results import Page
from ..view import View

T = TypeVar("T")
LIMIT = 50


class Pager(Generic[T]):
    """Buttons to older and newer entries around a place that `draw` fills; the page's address knows where it is.

    `ask` is called with `limit` and `after`, and gives the page that begins there. `names` are those of the buttons.
    """

    def __init__(
        self,
        view: View,
        ask: Callable[[int, str | None], Awaitable[Page[T]]],
        draw: Callable[[Page[T]], None],
        *,
        limit: int = LIMIT,
        names: tuple[str, str] = ("Newer", "Older"),
    ) -> None:
        self._view, self._ask, self._draw, self._limit = view, ask, draw, limit
        self._before: list[str | None] = []
        self._after = view.query.get("after")
        self._page: Page[T] | None = None
        self._place = ui.element("div").classes("paged")
        with ui.element("nav").classes("turning").props("aria-label='Pages'") as self._nav:
            self._newer = ui.button(names[0], icon="chevron_left", on_click=self._back).props("flat no-caps")
            self._older = ui.button(names[1], icon="chevron_right", on_click=self._on).props("flat no-caps")

    async def show(self) -> None:
        """Ask for the present page again and draw it; one that is as before stays, so that no button goes under a click."""
        page = await self._ask(self._limit, self._after)
        if page != self._page:
            self._page = page
            self._place.clear()
            with self._place:
                self._draw(page)
        self._newer.set_enabled(self._after is not None)
        self._older.set_enabled(page.has_more)
        self._nav.set_visibility(page.has_more or self._after is not None)

    async def first(self) -> None:
        """Begin again, as after another search."""
        self._before.clear()
        self._page = None
        await self._to(None)

    async def anew(self) -> None:
        """Draw the present page again though it may be as before: something else about the drawing has changed."""
        self._page = None
        await self.show()

    async def _on(self) -> None:
        if self._page is not None and self._page.last_id is not None:
            self._before.append(self._after)
            await self._to(self._page.last_id)

    async def _back(self) -> None:
        await self._to(self._before.pop() if self._before else None)

    async def _to(self, after: str | None) -> None:
        self._after = after
        self._view.keep(after=after)
        async with self._view.told():
            await self.show()
