"""Where the next message is typed, and how its answer is to be drawn."""

from __future__ import annotations

from typing import Protocol

from nicegui import events, ui

from ..answering import Answering
from ..view import View

ENTER = "(e) => { if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); emit(e.target.value); } }"


class Send(Protocol):
    """What sends a message; `options` are those of a chat request."""

    async def __call__(self, said: str, **options: object) -> None: ...


class Composer:
    """Enter sends, Shift+Enter begins a line. Settings are in the page's address."""

    def __init__(self, view: View, send: Send) -> None:
        self._view, self._send = view, send
        self._answering: Answering | None = None
        self._offered = ""
        with ui.element("div").classes("composer"):
            if not view.may("write"):
                ui.label("Your key may read this conversation and say nothing in it.").classes("dim")
            self._field = ui.textarea(placeholder="Say something").props(
                "autogrow outlined dense autofocus aria-label=Message"
            )
            self._field.on("keydown", self._entered, js_handler=ENTER)
            self._go = ui.button(icon="send", on_click=lambda: self._sent(self._field.value or ""))
            self._go.props("round unelevated aria-label=Send")
            self._stop = ui.button(icon="stop", on_click=self._end).props("round unelevated color=negative aria-label=Stop")
            self._settings()
        self._field.set_enabled(view.may("write"))
        self.busy(None)

    def offer(self, said: str) -> None:
        """Put a text back where it was typed, unless something else was typed there since."""
        if not self._field.value:
            self._offered = said
            self._field.set_value(said)

    def withdraw(self) -> None:
        """Take away what was put back, if it still stands there as it was."""
        if self._field.value == self._offered:
            self._field.set_value("")

    def busy(self, answering: Answering | None) -> None:
        """Show that an answer is being given, with the button that stops it."""
        self._answering = answering
        may = self._view.may("write")
        self._go.set_visibility(may and answering is None)
        self._stop.set_visibility(may and answering is not None)

    def _settings(self) -> None:
        set_already = bool({"temperature", "max_tokens"} & self._view.query.keys())
        with ui.expansion("How answers are drawn", icon="tune", value=set_already).classes("settings").props("dense"):
            with ui.element("div").classes("actions"):
                self._setting("temperature", "Temperature", "min=0 max=2 step=0.1")
                self._setting("max_tokens", "Most tokens of an answer", "min=1 step=1")
            ui.label("Empty: as the server has it. Temperature 0 always takes the likeliest token.").classes("dim")

    def _setting(self, key: str, label: str, limits: str) -> None:
        field = ui.number(label, value=_number(self._view.query.get(key))).props(f"dense outlined clearable {limits}")

        def keep() -> None:
            self._view.keep(**{key: None if field.value is None else f"{field.value:g}"})

        field.on("change", keep)
        field.on("clear", keep)

    def _options(self) -> dict[str, object]:
        said = {key: _number(self._view.query.get(key)) for key in ("temperature", "max_tokens")}
        found: dict[str, object] = {key: value for key, value in said.items() if value is not None}
        return {**found, **({"max_tokens": int(said["max_tokens"])} if said["max_tokens"] is not None else {})}

    async def _entered(self, event: events.GenericEventArguments) -> None:
        await self._sent(str(event.args))

    async def _sent(self, said: str) -> None:
        if not said.strip() or self._answering is not None:
            return
        self._field.set_value("")
        await self._send(said, **self._options())

    def _end(self) -> None:
        if self._answering is not None:
            self._answering.stop()


def _number(said: str | None) -> float | None:
    try:
        return None if said is None else float(said)
    except ValueError:
        return None
