"""A field for files, which the browser sends straight to the interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui


class Sending(ui.element, component="sending.js"):
    """`sent` is called with what the interface answered, `refused` with its words where it did not take the files."""

    def __init__(
        self,
        label: str,
        accept: str,
        sent: Callable[[Mapping[str, Any]], Awaitable[None]],
        refused: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.props.update({"label": label, "accept": accept})
        self.on("sent", lambda event: sent(event.args))
        self.on("refused", lambda event: refused(str(event.args)))

    def send(self, address: str) -> None:
        """Have the browser send what was chosen to an address of this server."""
        self.run_method("send", address)
