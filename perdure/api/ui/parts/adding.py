"""Texts and files that a session is to remember, with the progress of taking them in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from nicegui import ui

from ....client.results import Job, made
from ....errors import InvalidInput
from .. import links
from ..view import View
from .asking import asking
from .figures import count, several
from .jobs import watched

FILES = ".txt,.md,.markdown,.pdf,text/plain,text/markdown,application/pdf"
KINDS = {"text": "A text", "files": "Files"}
UNANSWERED = "The server did not answer; try again."


class Adding:
    """A dialog for a text or files; `changed` is called when they are remembered. `session` None: it is asked for.

    Files go straight to the interface, and pass through no page.
    """

    def __init__(self, view: View, session: str | None, changed: Callable[[], Awaitable[None]]) -> None:
        self._view, self._changed = view, changed
        with asking(view, "Add to the memory", "Add it", self._add) as self._dialog:
            self._session = ui.input("Session", value=session or "").props("outlined dense")
            self._session.set_visibility(session is None)
            self._kind = ui.toggle(KINDS, value="text").props("no-caps unelevated")
            self._fields()
            self._place = ui.element("div").classes("taking").props("role=status")

    def _fields(self) -> None:
        with ui.element("div").classes("fields-of").bind_visibility_from(self._kind, "value", value="text"):
            self._name = ui.input("Its name (optional)").props("outlined dense")
            self._text = ui.textarea("The text").props("outlined autogrow").classes("text")
        with ui.element("div").classes("fields-of").bind_visibility_from(self._kind, "value", value="files"):
            self._files = ui.element("q-uploader").classes("uploader")
        self._files.props(f'flat bordered multiple batch hide-upload-btn field-name=file accept="{FILES}" method=POST')
        self._files.props('label="Text, Markdown or PDF"')
        answer = "(info) => emit(info.xhr.responseText)"
        self._files.on("uploaded", lambda event: self._sent(event.args), js_handler=answer)
        self._files.on("failed", lambda event: self._refused(event.args), js_handler=answer)

    async def _add(self) -> bool:
        """Begin; what comes of it closes the dialog."""
        name = (self._session.value or "").strip()
        if not name:
            raise InvalidInput("Say which session is to remember it.")
        if self._kind.value == "files":
            await self._view.client.sessions.get(name)
            self._files.props(f'url="{links.whole(links.ingest(name))}"')
            self._files.run_method("upload")
        elif not (self._text.value or "").strip():
            raise InvalidInput("There is no text to remember; write some.")
        else:
            title = (self._name.value or "").strip() or None
            await self._watch(await self._view.client.memory.add(name, self._text.value, name=title))
        return False

    async def _sent(self, answer: str) -> None:
        async with self._view.told():
            await self._watch(made(Job, json.loads(answer)))

    def _refused(self, answer: str) -> None:
        try:
            detail = str(json.loads(answer)["detail"])
        except (ValueError, KeyError, TypeError):
            detail = UNANSWERED
        ui.notify(detail, type="negative", multi_line=True, close_button="Close")

    async def _watch(self, job: Job) -> None:
        """Show how far it has come until it has ended; a small one has ended already."""
        self._place.clear()
        with self._place:
            job = await watched(self._view, job)
        await self._changed()
        if job.status == "completed" and job.result is not None:
            self._dialog.close()
            found, tokens = job.result["memories"], job.result["tokens"]
            with self._view.page:
                ui.notify(f"Remembered: {several(found, 'memory', 'memories')} of {count(tokens)} tokens.", type="positive")
