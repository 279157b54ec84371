"""A text that grows while it is looked at."""

from __future__ import annotations

from nicegui import ui


class Spoken(ui.element, component="spoken.js"):
    """Only what is added is sent, and the page stays at its end if it was there."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._props["text"] = text

    def add(self, text: str) -> None:
        self.run_method("add", text)
