"""Shares side by side, such as one of each layer."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui


class Columns(ui.element, component="columns.js"):
    """A small upright bar for each of `values`, the largest of which is as high as there is room."""

    def __init__(self, values: Sequence[float], names: Sequence[str], *, label: str) -> None:
        super().__init__()
        self.props.update({"values": list(values), "names": list(names), "label": label})
