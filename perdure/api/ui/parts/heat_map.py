"""Numbers by two things, such as layers and heads, as a grid of colours."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui


class HeatMap(ui.element, component="heat_map.js"):
    """`cells` has a row for each of `rows` and a number, or None, for each of `columns`; darker is more.

    `label` says of all of it what it shows, `across` what stands along the columns. `kind` names a colour of the style
    sheet, `ceiling` the number that is darkest (None: the largest one).
    """

    def __init__(
        self,
        cells: Sequence[Sequence[float | None]],
        rows: Sequence[str],
        columns: Sequence[str],
        *,
        label: str,
        across: str,
        kind: str = "working",
        unit: str = "",
        ceiling: float | None = None,
    ) -> None:
        super().__init__()
        told = {"rows": list(rows), "columns": list(columns), "label": label, "across": across}
        hint = "Point at a cell, or use the arrow keys, for its number."
        drawn = {"cells": [list(row) for row in cells], "kind": kind, "unit": unit, "ceiling": ceiling, "hint": hint}
        self.props.update({**told, **drawn})
