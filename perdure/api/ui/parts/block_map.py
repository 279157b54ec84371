"""Blocks of keys and values as a map: layers down, tokens across."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.events import GenericEventArguments


class Place(NamedTuple):
    """A block by its group of layers and its number there."""

    group: str
    number: int


class BlockMap(ui.element, component="block_map.js"):
    """`drawn` is that of `block_kinds`; only what is in view is painted, so that its length does not matter.

    `ask` gives a block's text when somebody points at it, `choose` is called for the one that is clicked.
    """

    def __init__(
        self,
        drawn: dict[str, Any],
        *,
        by: str,
        chosen: Place | None,
        ask: Callable[[Place], Awaitable[str]],
        choose: Callable[[Place], Awaitable[None]],
    ) -> None:
        super().__init__()
        self.props.update({**drawn, "by": by, "chosen": _plain(chosen)})

        async def told(event: GenericEventArguments) -> None:
            place = _place(event)
            self.run_method("tell", place.group, place.number, await ask(place))

        self.on("ask", told)
        self.on("choose", lambda event: choose(_place(event)))

    def show(self, drawn: dict[str, Any]) -> None:
        """Draw other blocks in the same place."""
        self.props.update(drawn)
        self.update()

    def colour(self, by: str) -> None:
        self.props["by"] = by
        self.update()

    def point(self, chosen: Place | None) -> None:
        self.props["chosen"] = _plain(chosen)
        self.update()


def _place(event: GenericEventArguments) -> Place:
    return Place(str(event.args["group"]), int(event.args["index"]))


def _plain(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"group": place.group, "index": place.number}
