"""A memory shown whole, edited, pinned and forgotten, each in a dialog that says of which session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from nicegui import ui

from ....client.results import Deleted, Memory
from ....errors import Conflict
from .. import links
from ..view import View
from . import memories
from .asking import asking
from .figures import count, moment, short

CHANGED = ("content_changed", "precondition_failed")
"""What the interface refuses a change with whose memory has another text by now."""


class Changing:
    """What is done with a memory on a page of one `session` (None: of all); `changed` is called after each change.

    A place for what can be taken back is made where this is made.
    """

    def __init__(self, view: View, session: str | None, changed: Callable[[], Awaitable[None]]) -> None:
        self._view, self._session, self._changed = view, session, changed
        self._undo = ui.element("div").classes("undo").props("role=status")
        self._undo.set_visibility(False)

    async def opened(self) -> None:
        """Show the memory that the page's address names, if it names one."""
        if name := self._view.query.get("id"):
            async with self._view.told():
                self._shown(await self._found(name, self._session or self._view.query.get("of")))

    async def show(self, memory: Memory) -> None:
        """All of it; the page's address names it meanwhile."""
        async with self._view.told():
            self._shown(await self._present(memory))

    async def edit(self, memory: Memory) -> None:
        async with self._view.told():
            self._edited(await self._present(memory))

    async def pin(self, memory: Memory) -> None:
        """Or unpin; asks only where it must, for which session."""
        async with self._view.told():
            found = await self._present(memory)
            if self._session is not None or len(found.sessions) == 1:
                await self._pinned(found, self._session or found.sessions[0])
            else:
                self._where(found)

    async def forget(self, memory: Memory) -> None:
        async with self._view.told():
            self._forgotten(await self._present(memory))

    async def _present(self, memory: Memory) -> Memory:
        """As it is now, with all that remember it; a row may be old."""
        found = await self._found(memory.id, self._session or memory.sessions[0])
        return found if len(found.sessions) > 1 or self._session is not None else replace(found, sessions=memory.sessions)

    async def _found(self, name: str, session: str | None) -> Memory:
        try:
            found: Memory = await self._view.client.memory.get(name)
        except Conflict:
            # Sessions remember different texts under this id: only the one that is meant counts.
            found = await self._view.client.memory.get(name, session=session)
        return found

    def _shown(self, memory: Memory) -> None:
        self._view.keep(id=memory.id, of=None if self._session else memory.sessions[0])
        with self._view.page, ui.dialog() as dialog, ui.card().classes("asking large"):
            ui.label(f"Memory {memory.id}").classes("head")
            ui.label(memory.text).classes("said whole")
            with ui.element("dl").classes("facts"):
                _facts(memory)
            with ui.element("div").classes("actions"):
                if self._view.may("write"):
                    memories.buttons(memory, _Closing(self, dialog))
                ui.space()
                ui.button("Close", on_click=dialog.close).props("flat no-caps")
        dialog.on("hide", lambda: self._view.keep(id=None, of=None))
        dialog.open()

    def _edited(self, memory: Memory) -> None:
        seen = {"sha": memory.content_sha256}

        async def save() -> bool:
            try:
                text, sha = field.value or "", seen["sha"]
                await self._view.client.memory.edit(memory.id, text, session=session(), if_content=sha)
            except Conflict as error:
                if error.code not in CHANGED:
                    raise
                seen["sha"] = await self._meanwhile(meanwhile, memory, session(), field)
                return False
            await self._done("The memory has its new text.")
            return True

        with asking(self._view, "Edit a memory", "Save", save):
            field = ui.textarea("Its text", value=memory.text).props("outlined autogrow autofocus").classes("text")
            session = self._choice(memory, "Change it in")
            meanwhile = ui.element("div").classes("meanwhile").props("role=alert")

    async def _meanwhile(self, place: ui.element, memory: Memory, session: str, field: ui.textarea) -> str:
        """Somebody was faster: show what it says now, whose digest this gives, so that the next save is over that."""
        now: Memory = await self._view.client.memory.get(memory.id, session=session)
        place.clear()
        with place:
            ui.label("It was changed meanwhile. It now reads:").classes("head")
            ui.label(now.text).classes("said")
            ui.label("Save again to put your text in its place, or go on from the present one.").classes("dim")
            ui.button("Take the present text", on_click=lambda: field.set_value(now.text)).props("flat no-caps dense")
        return now.content_sha256

    def _where(self, memory: Memory) -> None:
        """Of several sessions that remember it one is to pin or unpin it."""
        verb = "Unpin" if memory.pinned else "Pin"
        with asking(self._view, f"{verb} a memory", verb, lambda: self._pinned(memory, session())):
            _cited(memory)
            session = self._choice(memory, f"{verb} it in")

    async def _pinned(self, memory: Memory, session: str) -> None:
        await self._view.client.memory.pin(memory.id, pinned=not memory.pinned, session=session)
        await self._done("It is recalled only where it fits." if memory.pinned else "It is recalled in every turn now.")

    def _forgotten(self, memory: Memory) -> None:
        async def act() -> None:
            where, sha = session(), memory.content_sha256
            gone = await self._view.client.memory.forget(memory.id, session=where, if_content=sha)
            self._offer(where, gone)
            await self._done(f"{where} has forgotten it.")

        with asking(self._view, "Forget a memory?", "Forget it", act, grave=True):
            _cited(memory)
            session = self._choice(memory, "Forget it in")
            ui.label("The session's commits before still have it; it can be brought back.").classes("dim")

    def _offer(self, session: str, gone: Deleted) -> None:
        """The way back, as long as nothing else happens to the session."""

        async def undo() -> None:
            async with self._view.told():
                await self._view.client.sessions.reset(session, f"{gone.commit}~1", if_head=gone.commit)
                self._undo.set_visibility(False)
                await self._done("It is remembered again.")

        self._undo.clear()
        with self._undo:
            ui.label(f"{session} has forgotten a memory.")
            ui.button("Undo", icon="undo", on_click=undo).props("flat no-caps dense")
        self._undo.set_visibility(True)

    async def _done(self, said: str) -> None:
        with self._view.page:
            ui.notify(said, type="positive")
        await self._changed()

    def _choice(self, memory: Memory, label: str) -> Callable[[], str]:
        """The session that is meant, or a choice where several remember it; tells which."""
        mine = self._session if self._session in memory.sessions else memory.sessions[0]
        if len(memory.sessions) == 1:
            ui.label(f"{label} {mine}.")
            return lambda: str(mine)
        ui.label(f"{len(memory.sessions)} sessions remember it. {label}:")
        chosen = ui.select(list(memory.sessions), value=mine, label="Session").props("outlined dense options-dense")
        return lambda: str(chosen.value)


class _Closing:
    """The same acts from within a dialog, which is closed first."""

    def __init__(self, acts: Changing, dialog: ui.dialog) -> None:
        self._acts, self._dialog = acts, dialog

    async def show(self, memory: Memory) -> None:
        await self._acts.show(memory)

    async def edit(self, memory: Memory) -> None:
        self._dialog.close()
        await self._acts.edit(memory)

    async def pin(self, memory: Memory) -> None:
        self._dialog.close()
        await self._acts.pin(memory)

    async def forget(self, memory: Memory) -> None:
        self._dialog.close()
        await self._acts.forget(memory)


def _cited(memory: Memory) -> None:
    with ui.element("div").classes("said cited"):
        ui.label(memory.text)


def _facts(memory: Memory) -> None:
    _fact("From", lambda: memories.source(memory))
    _fact("Remembered by", lambda: memories.holders(memory.sessions, 8))
    _fact("Made", lambda: ui.label(moment(memory.created_at)))
    _fact("Tokens", lambda: ui.label(count(memory.tokens)))
    _fact("Said by", lambda: ui.label(memory.role or "a document"))
    _fact("Pinned", lambda: ui.label("yes, recalled in every turn" if memory.pinned else "no"))
    origin, name = memory.origin, memory.source_session
    if origin is not None and name is not None:
        _fact("Commit", lambda: ui.link(short(origin), links.commit(name, origin)).classes("mono"))


def _fact(name: str, draw: Callable[[], object]) -> None:
    with ui.element("dt"):
        ui.label(name)
    with ui.element("dd"):
        draw()
