"""A search to play with: what would be found, why, and what just missed."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from ....client.results import Found
from ....config import MemoryOptions
from ..view import View
from . import memories
from .memories import Acts
from .panels import badge, nothing, panel
from .scores import score

TOP_K = 8
MISSED = 5
"""How many of those that just missed are shown at first."""


class Playground:
    """A question and the bounds of a search, which the page's address keeps; `acts` are done with what is found.

    `session` is whose memory is searched at first; None: all of them.
    """

    def __init__(self, view: View, session: str | None, acts: Acts) -> None:
        self._view, self._acts = view, acts
        at, wanted = view.query, MemoryOptions().threshold
        with panel("Try a search", note="as a turn would search before it answers", wide=True):
            with ui.element("form").classes("fields").on("submit.prevent", self.search):
                self._query = ui.input("A question", value=at.get("q", "")).props("outlined dense clearable").classes("long")
                self._k = ui.number("At most", value=_whole(at.get("top_k")), min=1, max=100, precision=0)
                self._threshold = ui.number("Threshold", value=_part(at.get("threshold"), wanted), min=0, max=1, step=0.01)
                self._sessions = ui.input("In sessions", value=at.get("in", session or ""), placeholder="all")
                self._sessions.tooltip("Their names, apart by commas; empty: all of them")
                for field in (self._k, self._threshold, self._sessions):
                    field.props("outlined dense")
                ui.button("Search", icon="search").props("unelevated no-caps type=submit")
            self._place = ui.element("div").classes("results")
        self._session = session

    async def begin(self) -> None:
        """Search for what the page's address asks, if it does."""
        if self._view.query.get("q"):
            await self.search()

    async def again(self) -> None:
        """Search once more, if something was searched for."""
        if self._place.default_slot.children:
            await self.search()

    async def search(self) -> None:
        query, threshold = (self._query.value or "").strip(), float(self._threshold.value or 0)
        names = [name.strip() for name in (self._sessions.value or "").split(",") if name.strip()]
        kept = None if ",".join(names) == (self._session or "") else ",".join(names)
        k, usual = int(self._k.value or TOP_K), threshold == MemoryOptions().threshold
        bounds = {"top_k": None if k == TOP_K else k, "threshold": None if usual else f"{threshold:g}", "in": kept}
        self._view.keep(q=query or None, **bounds)
        if not query:
            self._place.clear()
            return
        async with self._view.told():
            found = await self._view.client.memory.search(
                query, sessions=names or None, top_k=k, threshold=threshold, explain=True
            )
            self._place.clear()
            with self._place:
                self._draw(found, threshold)

    def _draw(self, found: Sequence[Found], threshold: float) -> None:
        chosen, missed = [each for each in found if not each.dropped], [each for each in found if each.dropped]
        ui.label(f"{len(chosen)} found").classes("head").props("role=heading aria-level=3")
        if not chosen:
            nothing("Nothing reaches the threshold: a turn that asks this would recall nothing.", icon="search_off")
        with ui.element("ol").classes("found"):
            for each in chosen:
                self._one(each, threshold)
        if missed:
            ui.label("What just missed").classes("head").props("role=heading aria-level=3")
            self._missed(missed, threshold)

    def _missed(self, missed: Sequence[Found], threshold: float) -> None:
        with ui.element("ol").classes("found") as drawn:
            for each in missed[:MISSED]:
                self._one(each, threshold)
        left = missed[MISSED:]
        if left:

            def more() -> None:
                button.delete()
                with drawn:
                    for each in left:
                        self._one(each, threshold)

            button = ui.button(f"Show {len(left)} more that were looked at", on_click=more).props("flat no-caps")

    def _one(self, each: Found, threshold: float) -> None:
        with ui.element("li").classes("dropped" if each.dropped else "chosen"):
            with ui.element("div").classes("what"):
                memories.preview(each, self._acts)
                ui.label(why(each, threshold)).classes("dim")
            with ui.element("div").classes("weighed"):
                with ui.element("div").classes("scored"):
                    score(each.score, threshold=threshold, dropped=bool(each.dropped))
                    ui.label(f"{each.score:.3f}").classes("figure")
                with ui.element("div").classes("why"):
                    badge(f"similarity {each.similarity:.3f}", "working", hint="The cosine of both texts' vectors")
                    badge(f"words {each.words:.3f}", "summary", hint="The share of the question's telling words in it")
                self._where(each)

    def _where(self, each: Found) -> None:
        with ui.element("div").classes("where"):
            memories.source(each)
            if each.sessions != (self._session,):
                ui.label("remembered by")
                memories.holders(each.sessions)
            if self._view.may("write"):
                with ui.element("div").classes("acts"):
                    memories.buttons(each, self._acts)


def why(each: Found, threshold: float) -> str:
    """Why it was chosen, or why not."""
    if each.dropped:
        return f"left out: {each.dropped}"
    ranks = [f"number {rank} by {kind}" for rank, kind in ((each.vector_rank, "meaning"), (each.word_rank, "words")) if rank]
    return f"chosen: {' and '.join(ranks) or 'found'}; its score {each.score:.3f} reaches {threshold:.3f}"


def _whole(said: str | None) -> int:
    return int(said) if said and said.isdigit() and 1 <= int(said) <= 100 else TOP_K


def _part(said: str | None, other: float) -> float:
    try:
        return min(max(float(said), 0.0), 1.0) if said else other
    except ValueError:
        return other
