"""Texts and files that a session is to remember, with the progress of taking them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from ....client.results import Job, made
from ....errors import InvalidInput
from .. import links
from ..view import View
from .figures import count, several
from .sending import Sending

FILES = ".txt,.md,.markdown,.pdf,text/plain,text/markdown,application/pdf"


class Adding:
    """A dialog for a text or files; `changed` is called when they are remembered. `session` None: it is asked for."""

    def __init__(self, view: View, session: str | None, changed: Callable[[], Awaitable[None]]) -> None:
        self._view, self._changed = view, changed
        self._job: Job | None = None
        with view.page, ui.dialog() as self._dialog, ui.card().classes("asking"):
            ui.label("Add to the memory").classes("head").props("role=heading aria-level=2")
            self._session = ui.input("Session", value=session or "").props("outlined dense")
            self._session.set_visibility(session is None)
            self._kind = ui.toggle({"text": "A text", "files": "Files"}, value="text").props("no-caps unelevated")
            self._fields()
            self._progress()
            with ui.element("div").classes("actions"):
                self._stop = ui.button("Stop", on_click=self._cancel).props("flat no-caps")
                self._stop.set_visibility(False)
                ui.button("Close", on_click=self._dialog.close).props("flat no-caps")
                self._go = ui.button("Add it", on_click=self._add).props("unelevated no-caps")
        self._dialog.open()

    def _fields(self) -> None:
        with ui.element("div").classes("fields-of").bind_visibility_from(self._kind, "value", value="text"):
            self._name = ui.input("Its name (optional)").props("outlined dense")
            self._text = ui.textarea("The text").props("outlined autogrow autofocus").classes("text")
        with ui.element("div").classes("fields-of").bind_visibility_from(self._kind, "value", value="files"):
            self._files = Sending("Text, Markdown or PDF", FILES, self._sent, self._refused)

    def _progress(self) -> None:
        with ui.element("div").classes("progress").props("role=status") as self._place:
            self._bar = ui.linear_progress(0, show_value=False)
            self._said = ui.label()
        self._place.set_visibility(False)

    async def _add(self) -> None:
        async with self._view.told():
            name = (self._session.value or "").strip()
            if not name:
                raise InvalidInput("Say which session is to remember it.")
            if self._kind.value == "files":
                await self._view.client.sessions.get(name)
                self._busy(True, "Sending…")
                self._files.send(links.whole(links.ingest(name)))
            elif not (self._text.value or "").strip():
                raise InvalidInput("There is no text to remember; write some.")
            else:
                self._busy(True, "Sending…")
                await self._told(name)

    async def _told(self, name: str) -> None:
        try:
            job = await self._view.client.memory.add(name, self._text.value, name=(self._name.value or "").strip() or None)
        except BaseException:
            self._busy(False)
            raise
        await self._watch(job)

    async def _sent(self, body: Mapping[str, Any]) -> None:
        async with self._view.told():
            await self._watch(made(Job, body))

    def _refused(self, said: str) -> None:
        self._busy(False)
        ui.notify(said, type="negative", multi_line=True, close_button="Close")

    async def _watch(self, job: Job) -> None:
        """Show how far it has come until it has ended; a small one has ended already."""
        self._job = job
        self._stop.set_visibility(not job.ended)
        try:
            job = await self._view.client.jobs.wait(job, progress=self._moved)
        finally:
            self._busy(False)
        self._ended(job)
        await self._changed()

    def _moved(self, done: int, total: int | None) -> None:
        self._bar.set_value(done / total if total else 0)
        self._said.set_text(f"{done:,} of {total:,} pieces" if total else f"{done:,} pieces")

    def _ended(self, job: Job) -> None:
        result, error = job.result or {}, job.error or {}
        counted = f"{several(result.get('memories', 0), 'memory', 'memories')} of {count(result.get('tokens', 0))} tokens"
        with self._view.page:
            if job.status == "failed":
                ui.notify(str(error.get("message", "It failed.")), type="negative", multi_line=True, close_button="Close")
            elif job.status == "cancelled":
                ui.notify(f"Stopped; what was taken in by then stays: {counted}.", type="warning")
            else:
                ui.notify(f"Remembered: {counted}.", type="positive")
        if job.status == "completed":
            self._dialog.close()

    async def _cancel(self) -> None:
        if self._job is not None:
            async with self._view.told():
                await self._view.client.jobs.cancel(self._job.id)

    def _busy(self, busy: bool, said: str = "") -> None:
        self._go.set_enabled(not busy)
        self._place.set_visibility(busy)
        self._stop.set_visibility(False)
        self._bar.set_value(0)
        self._said.set_text(said)
