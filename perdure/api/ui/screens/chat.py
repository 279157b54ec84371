"""The conversation of a session, and what is said next in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from nicegui import ui

from ....client.results import Commit, Diff, Message
from ....errors import NotFound, PerdureError
from .. import links
from ..answering import Answering
from ..parts.asking import ENTER, asking
from ..parts.composer import Composer
from ..parts.figures import count
from ..parts.messages import bubble, message, receipt, sides, text
from ..parts.moves import WayBack, ask_fork, go_back
from ..parts.panels import nothing, panel
from ..parts.spoken import Spoken
from ..talk import PAGE, Said, Talk
from ..view import View
from .base import screen

EVERY_S = 0.12
"""Seconds between two looks at an answer on its way: drawing must take nothing from decoding."""
COMMITTED_S = 10.0
"""Seconds in which an answer that was stopped is expected to be committed."""
HEIGHT = "document.documentElement.scrollHeight"
END = f"window.scrollTo(0, {HEIGHT})"
SHOWN = "{ const it = document.getElementById('m%d'); it.classList.add('meant'); it.scrollIntoView({block: 'center'}); }"
PAGES = 40
"""Pages of messages that are read back to show a turn."""
NEAR_PX = 300
"""How far from its end a page may be and still follow what is said."""
BEFORE = 2
"""Messages that both branches share which are shown above where they part."""


@screen("/sessions/{name}/chat", "Chat")
async def chat(view: View, name: str) -> None:
    """The newest at the bottom, or the turn `?turn=N`; with `?with=OTHER` two branches side by side."""
    other = view.query.get("with")
    if other is None:
        await Conversation(view, name).begin()
    else:
        await compared(view, name, other)


class Conversation:
    """The page of one conversation. What it shows and what was read are the same messages (`Talk`)."""

    def __init__(self, view: View, name: str) -> None:
        self._view, self._name = view, name
        self._talk = Talk(view.client, name)
        self._notes: dict[str, Sequence[str]] = {}
        self._changing = asyncio.Lock()
        with ui.element("div").classes("talk"):
            self._more = ui.button("Earlier messages", icon="expand_less", on_click=self._earlier)
            self._more.props("flat no-caps").classes("earlier")
            self._place = ui.element("div").classes("messages")
            self._coming = ui.element("div").classes("messages coming")
            self._back = WayBack(view, name, self._taken_back)
            self._trouble = ui.element("div").props("role=alert")
            self._composer = Composer(view, self._send)

    async def begin(self) -> None:
        await self._again()
        await self._go_to(self._view.query.get("turn", ""))
        self._view.follow(self._name, self._followed)
        running = self._view.answering(self._name)
        if running is not None:
            self._view.background(self._watch(running))

    async def _again(self) -> None:
        """Draw the end of the conversation anew."""
        async with self._changing:
            said = await self._talk.begin()
            self._place.clear()
            with self._place:
                if not said:
                    nothing("Nothing was said yet. Say something below.", icon="chat")
                self._draw(said)
            self._more.set_visibility(self._talk.first > 0)
        self._view.page.run_javascript(END)

    async def _go_to(self, turn: str) -> None:
        """Read back to a turn and show it, as far as a page may be asked to read."""
        if not turn.isdecimal():
            return
        for _ in range(PAGES):
            number = self._talk.answered(int(turn))
            if number is not None:
                self._view.page.run_javascript(SHOWN % number)
            if number is not None or not self._talk.first:
                return
            await self._earlier()

    async def _earlier(self) -> None:
        async with self._view.told(), self._changing:
            said = await self._talk.earlier()
            with self._place:
                earlier = ui.element("div").classes("messages")
            with earlier:
                self._draw(said)
            earlier.move(self._place, 0)
            self._more.set_visibility(self._talk.first > 0)

    async def _refresh(self) -> None:
        """Draw what was said since, here or by another client. Raises SessionNotFound."""
        async with self._changing:
            began = self._talk.count
            said = await self._talk.later()
            if said:
                if not began:
                    self._place.clear()
                with self._place:
                    self._draw(said)
                self._view.page.run_javascript(f"if (innerHeight + scrollY > {HEIGHT} - {NEAR_PX}) {END}")
        if said is None:
            await self._again()

    async def _followed(self) -> None:
        try:
            await self._refresh()
        except NotFound as error:
            self._say(error)

    def _draw(self, said: Sequence[Said]) -> None:
        for each in said:
            with message(each.message, each.number):
                if each.commit is not None:
                    self._foot(each.commit, each.number)

    def _foot(self, commit: Commit, number: int) -> None:
        with ui.element("footer").classes("foot"):
            receipt(self._name, commit)
            with ui.element("div").classes("doing"):
                if self._view.may("write"):
                    _small("Fork from here", "call_split", lambda: ask_fork(self._view, self._name, commit.id))
                    _small("Undo to before this", "undo", lambda: self._ask_undo(commit, number))
                _small("Compare with…", "compare", lambda: ask_other(self._view, self._name))
        for note in self._notes.get(commit.id, ()):
            ui.label(note).classes("note")

    def _ask_undo(self, commit: Commit, number: int) -> None:
        after = self._talk.count - 1 - number
        others = f" and the {count(after)} messages after it leave" if after else " leaves"
        said = f"This turn{others} the conversation. They stay in the store, and the next line takes them back."
        with asking(self._view, "Undo to before this answer?", "Undo", lambda: self._undo(commit)):
            ui.label(said).classes("said")

    async def _undo(self, commit: Commit) -> None:
        asked = await self._view.client.diff(commit.parents[0], commit.id)
        await go_back(self._view, self._name, commit.parents[0], self._talk.head)
        self._back.show()
        self._composer.offer(next((each.content for each in asked.head_messages if each.role == "user"), ""))
        await self._again()

    async def _taken_back(self) -> None:
        self._composer.withdraw()
        await self._again()

    async def _send(self, said: str, **options: object) -> None:
        """Ask; what was typed comes back where nothing became of it."""
        if self._view.answering(self._name) is not None:
            self._composer.offer(said)
            ui.notify("An answer is being given in this session. Wait for it, or stop it.")
            return
        self._trouble.clear()
        self._view.background(self._watch(self._view.ask(self._name, said, **options)))

    async def _watch(self, answering: Answering) -> None:
        """Show an answer while it is given, then as it was committed."""
        head = self._talk.head
        self._composer.busy(answering)
        with self._coming:
            with bubble("user"):
                text(answering.asked)
            with bubble("assistant"):
                waiting = ui.label("Waiting for the first word…").classes("dim")
                spoken = Spoken()
        await self._speak(answering, spoken, waiting)
        try:
            await self._committed(answering, head)
        finally:
            self._coming.clear()
            self._composer.busy(None)

    async def _speak(self, answering: Answering, spoken: Spoken, waiting: ui.label) -> None:
        shown = 0
        while not (answering.over and shown == len(answering.pieces)):
            pieces = answering.pieces[shown:]
            shown += len(pieces)
            if pieces:
                waiting.set_visibility(False)
                spoken.add("".join(pieces))
            await asyncio.sleep(EVERY_S)

    async def _committed(self, answering: Answering, head: str) -> None:
        """Draw what became of an answer: its commit, or in words why there is none."""
        if answering.reply is not None and answering.reply.commit is not None:
            self._notes[answering.reply.commit] = answering.reply.memory.get("notes", ())
        gone = await self._settled(head, COMMITTED_S if answering.stopped and answering.pieces else 0)
        if answering.reply is not None:
            self._back.forget()
        elif gone is not None or self._talk.head == head:
            self._composer.offer(answering.asked)
            self._say(gone or answering.error)

    async def _settled(self, head: str, patience: float) -> PerdureError | None:
        """Draw the commit that is to come; why not, where the session cannot be read."""
        try:
            await self._refresh()
            while self._talk.head == head and patience > 0:
                await asyncio.sleep(EVERY_S)
                patience -= EVERY_S
                await self._refresh()
        except PerdureError as error:
            return error
        return None

    def _say(self, error: PerdureError | None) -> None:
        """Why there is no answer, where it stays until something else is said."""
        self._trouble.clear()
        with self._trouble, ui.element("div").classes("panel refusal"):
            ui.label(error.code.replace("_", " ").capitalize() if error else "Stopped").classes("head")
            ui.label(str(error) if error else "It was stopped before its first word, so nothing was kept.").classes("said")


def _small(label: str, icon: str, do: Callable[[], None]) -> None:
    ui.button(label, icon=icon, on_click=do, color=None).props("flat dense no-caps size=12px")


def ask_other(view: View, name: str) -> None:
    """Ask which branch to compare with; those that are forks of the same session are offered."""

    async def fill() -> None:
        async with view.told():
            place.clear()
            with place:
                found = await siblings(view, name)
                for each in found:
                    ui.link(each, links.session(name, "chat", **{"with": each})).classes("way")
                if not found:
                    ui.label("Nothing was forked from this session yet.").classes("dim")

    async def go() -> bool:
        if other.value:
            view.go(links.session(name, "chat", **{"with": other.value}))
        return bool(other.value)

    with asking(view, "Compare with…", "Compare", go):
        place = ui.element("div").classes("choices")
        other = ui.input("Or any other session, tag or commit").props("outlined dense")
        other.on("keydown.enter", js_handler=ENTER)
    view.background(fill())


async def siblings(view: View, name: str) -> list[str]:
    """The forks of a session, what it was forked from, and the other forks of that."""
    own = await view.client.sessions.get(name)
    found = list(await view.client.sessions.branches(name, limit=100))
    if own.forked_from:
        with suppress(NotFound):
            found += await view.client.sessions.branches(own.forked_from, limit=100)
    return [each for each in dict.fromkeys(session.id for session in found) if each != name]


async def compared(view: View, name: str, other: str) -> None:
    """Two branches from where they part."""
    with ui.element("div").classes("actions"):
        ui.button("Back to the conversation", icon="arrow_back", on_click=lambda: view.go(links.session(name))).props(
            "flat no-caps"
        )
        ui.link("All that sets them apart", links.session(name, "diff", base=name, head=other))
    place = ui.element("div")

    async def draw() -> None:
        found = await view.client.diff(name, other)
        shared = await last_shared(view, name, found)
        place.clear()
        with place:
            _compared(name, other, found, shared)

    await draw()
    view.follow(name, draw)
    view.follow(other, draw)


async def last_shared(view: View, name: str, found: Diff) -> list[Message]:
    """What was said last before two branches parted."""
    kept = found.common_messages
    after = f"msg_{kept - BEFORE - 1}" if kept > BEFORE else None
    page = await view.client.sessions.messages(name, limit=min(kept, BEFORE), after=after) if kept else ()
    return list(page)


def _compared(name: str, other: str, found: Diff, shared: Sequence[Message]) -> None:
    said = f"{count(found.common_messages)} messages and {count(found.common_tokens)} tokens in common"
    with panel(f"{name} and {other}", note=said, wide=True):
        if found.common_messages > len(shared):
            ui.label(f"{count(found.common_messages - len(shared))} earlier messages are the same.").classes("dim")
        for each in shared:
            message(each)
        if found.base_messages or found.head_messages:
            with ui.element("div").classes("parting"):
                ui.label("They part here")
            sides((name, other), (found.base_messages, found.head_messages), PAGE)
        else:
            nothing("Both say the same.", icon="drag_handle")
