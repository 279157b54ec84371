"""Questions that a page asks back before it does something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from nicegui import ui

from ..view import View

Do = Callable[[], Awaitable[None]]


@contextmanager
def question(view: View, head: str) -> Iterator[ui.dialog]:
    """A dialog that is opened when the block has filled it, and gone once it is closed."""
    with view.page, ui.dialog() as dialog, ui.card().classes("asking"):
        ui.label(head).classes("head").props("role=heading aria-level=2")
        yield dialog
    dialog.on("hide", dialog.delete)
    dialog.open()


def answers(view: View, dialog: ui.dialog, yes: str, do: Do) -> ui.button:
    """The buttons below a question. Where `do` is refused the question stays, with all that was typed into it."""

    async def go() -> None:
        async with view.told():
            await do()
            dialog.close()

    with ui.element("div").classes("actions"):
        ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
        return ui.button(yes, on_click=go).props("unelevated no-caps")


def confirm(view: View, head: str, said: str, yes: str, do: Do) -> None:
    with question(view, head) as dialog:
        ui.label(said).classes("said")
        answers(view, dialog, yes, do)


def ask_name(view: View, head: str, said: str, label: str, yes: str, do: Callable[[str], Awaitable[None]]) -> None:
    """Ask for a name and do something with it; Enter says yes."""
    with question(view, head) as dialog:
        ui.label(said).classes("dim")
        name = ui.input(label).props("autofocus outlined dense maxlength=64")

        async def go() -> None:
            await do((name.value or "").strip())

        button = answers(view, dialog, yes, go)
        name.on("keydown.enter", js_handler=f"() => getElement({button.id}).$el.click()")
