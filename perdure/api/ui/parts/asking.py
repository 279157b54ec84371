"""Dialogs: what is asked before something is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from nicegui import ui

from ..view import View


@contextmanager
def asking(
    view: View, title: str, verb: str, act: Callable[[], Awaitable[bool | None]], *, grave: bool = False
) -> Iterator[ui.dialog]:
    """A dialog with fields that are drawn within, opened at the end; `verb` is what its button says.

    `act` may return False to leave it open. What is `grave` loses something, and has a red button.
    """
    with view.page, ui.dialog() as dialog, ui.card().classes("asking"):
        ui.label(title).classes("head")
        yield dialog

        async def do() -> None:
            async with view.told():
                if await act() is not False:
                    dialog.close()

        with ui.element("div").classes("actions"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button(verb, on_click=do).props("unelevated no-caps" + (" color=negative" if grave else ""))
    dialog.open()


def sure(view: View, question: str, verb: str, act: Callable[[], Awaitable[bool | None]]) -> None:
    """Ask back before something is lost."""
    with asking(view, question, verb, act, grave=True):
        pass
