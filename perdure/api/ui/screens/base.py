"""A page around a screen: shown at once, filled as soon as its data is there, and never blank where something fails."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi import Request
from nicegui import ui
from nicegui.client import ClientConnectionTimeout

from ....errors import PerdureError
from ..parts import frame
from ..view import View

NAME = "Perdure"
CONNECT_S = 20.0

Build = Callable[..., Awaitable[None]]


def screen(path: str, title: str) -> Callable[[Build], Build]:
    """Registers `async def build(view, name, ...)` as the page at `path`, whose `{name}` parts it takes by name.

    A screen with a `{name}` is one of a session's, and has the tabs of that session above it.
    """

    def register(build: Build) -> Build:
        async def page(request: Request, **place: str) -> None:
            view = View.of(request)
            name = place.get("name")
            ui.page_title(f"{title} · {name or NAME}")
            body = frame.around(view, title, name)
            with suppress(ClientConnectionTimeout):
                await view.page.connected(CONNECT_S)
                await fill(view, body, build, place)

        page.__signature__ = _signature(build)  # type: ignore[attr-defined]
        ui.page(path, title=NAME)(page)
        return build

    return register


async def fill(view: View, body: ui.element, build: Build, place: dict[str, Any]) -> None:
    """Draw the screen into the page; where the interface refuses, say why and offer to try again."""
    body.clear()
    with body:
        waiting = frame.waiting()
        drawn = ui.element("div").classes("screen")
        drawn.set_visibility(False)
    try:
        with drawn:
            await build(view, **place)
    except PerdureError as error:
        drawn.clear()
        with drawn:
            frame.refusal(error, lambda: fill(view, body, build, place))
    finally:
        waiting.delete()
        drawn.set_visibility(True)


def _signature(build: Build) -> inspect.Signature:
    """That of the screen with a request in place of its view: the web library reads a page's parameters from it."""
    _, *place = inspect.signature(build).parameters.values()
    asked = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    return inspect.Signature([asked, *(each.replace(annotation=str) for each in place)])
