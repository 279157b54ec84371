"""A text whose tokens are shaded by the share that each has of something."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui


class Shaded(ui.element, component="shaded.js"):
    """`values` has rows of shares, each as long as `tokens` and called by one of `names`; one row is shown at a time.

    `kind` names a colour of the style sheet.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        values: Sequence[Sequence[float]],
        names: Sequence[str],
        *,
        label: str,
        hint: str,
        kind: str = "recalled",
    ) -> None:
        super().__init__()
        rows = [list(row) for row in values]
        told = {"names": list(names), "label": label, "hint": hint, "kind": kind}
        self.props.update({"tokens": list(tokens), "values": rows, **told})

    def show(self, row: int) -> None:
        """Shade by another row."""
        self.props["row"] = row
        self.update()
