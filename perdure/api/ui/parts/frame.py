"""What stands around every screen: the bar above, the ways to all others, and what is shown instead of a screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from ....errors import PerdureError
from .. import links
from ..view import View
from .theme import theme

WAYS = (
    (links.OVERVIEW, "Overview", "dashboard"),
    (links.sessions(), "Sessions", "forum"),
    (links.memories(), "Memories", "history_edu"),
    (links.transfer(), "Store", "inventory_2"),
    (links.keys(), "Keys", "key"),
)


def around(view: View, title: str, session: str | None) -> ui.element:
    """Draw it; the place for the screen."""
    _bar(view, title, session)
    _ways(view)
    with ui.element("main").classes("page").props("id=main tabindex=-1"):
        if session is not None:
            _tabs(view, session)
        return ui.element("div").classes("body")


def waiting() -> ui.element:
    with ui.element("div").classes("waiting").props("role=status") as shown:
        ui.spinner(size="lg")
        ui.label("Asking the server…")
    return shown


def refusal(error: PerdureError, again: Callable[[], Awaitable[None]]) -> None:
    """A failure in its own words, and a button to try again."""
    with ui.element("section").classes("panel refusal").props("role=alert"):
        ui.label(error.code.replace("_", " ").capitalize()).classes("head")
        ui.label(str(error)).classes("said")
        ui.button("Try again", icon="refresh", on_click=again).props("outline no-caps")


def _bar(view: View, title: str, session: str | None) -> None:
    with ui.header().classes("bar"):
        ui.link("Skip to the content", "#main").classes("skip")
        ui.button(icon="menu", on_click=lambda: view.page.run_javascript("perdureWays()")).props(
            "flat round dense aria-label='Show or hide the ways to other pages'"
        )
        ui.link("Perdure", links.OVERVIEW).classes("brand")
        ui.label(session or title).classes("where").tooltip(session or title)
        ui.space()
        theme(view)
        if view.visitor.name is not None:
            with ui.button(icon="account_circle").props("flat round dense aria-label='Who is signed in'"), ui.menu():
                ui.label(f"Signed in with {view.visitor.name}").classes("who")
                ui.menu_item("Sign out", lambda: ui.navigate.to(links.OUT))


def _ways(view: View) -> None:
    with (
        ui.left_drawer(value=False, bordered=True).props("width=200 breakpoint=900 show-if-above").classes("ways") as drawer,
        ui.element("nav"),
    ):
        for address, name, icon in WAYS:
            if address != links.keys() or view.may("admin"):
                _way(address, name, icon, current=view.path.rstrip("/") == address.rstrip("/"))
    ui.on("perdure-ways", drawer.toggle)
    ui.add_head_html("<script>window.perdureWays = () => emitEvent('perdure-ways');</script>")


def _way(address: str, name: str, icon: str, *, current: bool) -> None:
    with ui.link(target=address).classes("way" + (" current" if current else "")) as link:
        ui.icon(icon).props("aria-hidden=true")
        ui.label(name)
    if current:
        link.props("aria-current=page")


def _tabs(view: View, session: str) -> None:
    with ui.element("nav").classes("tabs").props("aria-label='Screens of this session'"):
        for tab in links.TABS:
            address = links.session(session, tab.key)
            _way(address, tab.title, tab.icon, current=view.path == address)
