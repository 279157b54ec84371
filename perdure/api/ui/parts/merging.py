"""A merge asked for: first what it would change, and what both sides changed; then, if that is right, done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from ....client.results import Merged
from ....client.verbs import Side
from ....errors import MergeConflict, PerdureError
from ..view import View

ONE = {"memories": "memory", "records": "record"}

Done = Callable[[Merged], Awaitable[None]]


def ask_merge(view: View, name: str, other: str, done: Done) -> None:
    """Ask whether `name` is to take in what the revision `other` remembers and knows, and call `done` when it has."""
    with view.page, ui.dialog() as dialog, ui.card().classes("asking"):
        ui.label(f"Merge into {name}").classes("head")
        Asked(view, name, other, done).fill(dialog)
    dialog.open()


class Asked:
    """The question, drawn within a dialog. Nothing is changed before its last button."""

    def __init__(self, view: View, name: str, other: str, done: Done) -> None:
        self._view, self._name, self._other, self._done = view, name, other, done

    def fill(self, dialog: ui.dialog) -> None:
        name = self._name
        ui.label(f"What {self._other} remembers and knows is taken in; both histories stay.").classes("dim")
        sides = {"ours": f"{name} goes on with its own conversation", "theirs": f"{name} goes on with that of the other"}
        self._conversation = ui.radio(sides, value="ours", on_change=self._look)
        self._prefer = ui.radio({"ours": f"What {name} has counts", "theirs": "What the other has counts"})
        self._place = ui.element("div").classes("outcome").props("role=status")
        self._prefer.set_visibility(False)
        self._prefer.on_value_change(self._look)
        with ui.element("div").classes("actions"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            self._yes = ui.button("Merge", on_click=lambda: self._merge(dialog)).props("unelevated no-caps")
        self._yes.disable()
        self._view.background(self._look())

    async def _look(self) -> None:
        """Try it without changing anything, and say what would come of it."""
        self._yes.disable()
        try:
            self._said(await self._asked(dry_run=True))
        except MergeConflict as conflict:
            self._prefer.set_visibility(True)
            self._clashing(str(conflict), conflict.clashes)
        except PerdureError as error:
            self._place.clear()
            with self._place:
                ui.label(str(error)).classes("said problem")

    async def _merge(self, dialog: ui.dialog) -> None:
        async with self._view.told("Merged."):
            await self._done(await self._asked(dry_run=False))
            dialog.close()

    async def _asked(self, *, dry_run: bool) -> Merged:
        conversation: Side = self._conversation.value
        prefer: Side | None = self._prefer.value
        return await self._view.client.sessions.merge(
            self._name, self._other, conversation=conversation, prefer=prefer, dry_run=dry_run
        )

    def _said(self, merged: Merged) -> None:
        self._yes.set_enabled(merged.merged)
        self._place.clear()
        with self._place:
            if not merged.merged:
                ui.label("There is nothing to merge: all of it is here already.")
                return
            ui.label(f"Gained: {_counts(merged.gained)}. Lost: {_counts(merged.lost)}.").classes("head")
            for clash in merged.settled:
                _clash(clash)
            for note in merged.notes:
                ui.label(note).classes("dim")

    def _clashing(self, sentence: str, clashes: Sequence[Any]) -> None:
        self._place.clear()
        with self._place:
            ui.label(sentence).classes("said problem")
            for clash in clashes:
                _clash(clash._asdict())


def _clash(clash: Mapping[str, Any]) -> None:
    with ui.element("div").classes("clash"):
        ui.label(f"{clash['tier']} {clash['name']}").classes("mono")
        ui.label(f"here: {clash['ours'] or 'forgotten'}").classes("said")
        ui.label(f"there: {clash['theirs'] or 'forgotten'}").classes("said")


def _counts(found: Mapping[str, int]) -> str:
    told = (f"{number} {ONE.get(what, what) if number == 1 else what}" for what, number in found.items() if number)
    return ", ".join(told) or "nothing"
