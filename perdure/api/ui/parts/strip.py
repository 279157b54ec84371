"""Numbers that change from commit to commit, a row for each layer, as a table whose cells are coloured by them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nicegui import ui


class Moment(NamedTuple):
    """A column: `id` is what is chosen, `name` stands above it, `said` is told when somebody points at it."""

    id: str
    name: str
    said: str


class Strip(ui.element, component="strip.js"):
    """`cells` has a row for each of `rows` and a number, or None, for each of `moments`.

    Colours go from the smallest to the largest number, of all rows or, with `each`, of a row alone.
    """

    def __init__(
        self,
        cells: Sequence[Sequence[float | None]],
        rows: Sequence[str],
        moments: Sequence[Moment],
        *,
        label: str,
        each: bool,
        chosen: str | None,
        choose: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__()
        shown = {"cells": [list(row) for row in cells], "rows": list(rows), "moments": [each._asdict() for each in moments]}
        self.props.update({**shown, "label": label, "each": each, "chosen": chosen})
        self.on("choose", lambda event: choose(str(event.args)))

    def point(self, chosen: str) -> None:
        self.props["chosen"] = chosen
        self.update()
