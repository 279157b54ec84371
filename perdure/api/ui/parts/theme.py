"""Dark or light: as the system has it, until somebody chooses; the choice stays in the browser."""

from __future__ import annotations

from contextlib import suppress

from nicegui import ui

from ..view import View

COOKIE = "perdure_theme"
NEXT = {"auto": "dark", "dark": "light", "light": "auto"}
ICONS = {"auto": "brightness_auto", "dark": "dark_mode", "light": "light_mode"}
VALUES: dict[str, bool | None] = {"auto": None, "dark": True, "light": False}
YEAR_S = 365 * 86_400
KEEP = f"document.cookie = '{COOKIE}=%s; path=/ui; max-age={YEAR_S}; samesite=strict'"
ANSWER_S = 10.0
"""Seconds within which the browser says that it has kept it."""


def theme(view: View) -> None:
    """Set the page's colours and draw the button that changes them."""
    request = view.page.request
    chosen = "auto" if request is None else request.cookies.get(COOKIE, "auto")
    now = {"is": chosen if chosen in NEXT else "auto"}
    dark = ui.dark_mode(VALUES[now["is"]])

    async def change() -> None:
        """Kept before it is shown, so that whoever reloads as soon as it is seen finds it again."""
        now["is"] = NEXT[now["is"]]
        with suppress(TimeoutError):  # the page is gone
            await view.page.run_javascript(KEEP % now["is"], timeout=ANSWER_S)
        dark.value = VALUES[now["is"]]
        button.props(f"icon={ICONS[now['is']]} aria-label='Colours: {now['is']}'")

    button = ui.button(icon=ICONS[now["is"]], on_click=change)
    button.props(f"flat round dense aria-label='Colours: {now['is']}'")
