"""How large the states of recurrent and convolution layers were after each commit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nicegui import ui

from ....client.results import Page, StateNorms, States
from .. import links
from ..parts.figures import ago, count, short, size
from ..parts.moments import moments
from ..parts.pages import Pager
from ..parts.panels import nothing, panel, tile, tiles
from ..parts.strip import Moment, Strip
from ..parts.tables import row, table, text
from ..view import View
from .base import screen

LIMIT = 24
"""Commits side by side."""
SCALES = {"each": "A scale for each layer", "all": "One scale"}
HEADS = ("Layer", "Tensor", "Shape", "Norm", "Since the commit before")


@screen("/sessions/{name}/states", "States")
async def states(view: View, name: str) -> None:
    """A strip of the norms, layers by commits, and all numbers of the commit that is chosen."""
    shown = _Shown(view, name)

    async def begin() -> None:
        await shown.pager.first()

    await moments(view, name, begin)
    shown.pager = Pager(view, shown.ask, shown.draw, limit=LIMIT)
    await shown.pager.show()
    view.follow(name, shown.pager.show)


class _Shown:
    """The page's address knows the `commit` that is chosen, the `kind` of tensor, the `scale`, and the page."""

    pager: Pager[StateNorms]
    found: States
    strip: Strip
    detail: ui.element

    def __init__(self, view: View, name: str) -> None:
        self.view, self.name = view, name

    async def ask(self, limit: int, after: str | None) -> Page[StateNorms]:
        self.found = await self.view.client.sessions.states(
            self.name, at=self.view.query.get("at"), limit=limit, after=after
        )
        return Page(self.found.data, self.found.has_more, self.found.last_id)

    def draw(self, page: Page[StateNorms]) -> None:
        with ui.element("div").classes("screen"):
            if not page.data:
                _empty(self.name, self.found.reason)
                return
            self.numbers()
            with panel(
                "Norms by layer and commit", note="The Frobenius norm of a layer's state, of all its heads.", wide=True
            ):
                self.switches()
                self.drawn()
            with panel("After the commit that is chosen", wide=True) as self.detail:
                self.tell()

    def numbers(self) -> None:
        latest = self.found.data[0]
        with tiles():
            tile("layers with a state", count(len({each["layer"] for each in self.found.tensors})))
            tile("latest snapshot", size(latest.nbytes))
            tile("tokens absorbed then", count(latest.position))

    def switches(self) -> None:
        with ui.element("div").classes("actions"):
            kinds = _kinds(self.found)
            if len(kinds) > 1:
                named = {kind: kind.replace("_", " ") for kind in kinds}
                kind = ui.toggle(named, value=self.kind, on_change=lambda event: self.keep(kind=event.value))
                kind.props("no-caps dense unelevated aria-label='Which states'").classes("by")
            scale = ui.toggle(SCALES, value=self.scale, on_change=lambda event: self.keep(scale=event.value))
            scale.props("no-caps dense unelevated aria-label='Colours'").classes("by")

    @property
    def kind(self) -> str:
        kinds = _kinds(self.found)
        wanted = self.view.query.get("kind", "")
        return wanted if wanted in kinds else kinds[0]

    @property
    def scale(self) -> str:
        return "all" if self.view.query.get("scale") == "all" else "each"

    @property
    def chosen(self) -> StateNorms:
        """The commit that the address names, or the latest on the page."""
        wanted = self.view.query.get("commit")
        return next((each for each in self.found.data if each.id == wanted), self.found.data[0])

    async def keep(self, **query: str) -> None:
        self.view.keep(**query)
        async with self.view.told():
            await self.pager.anew()

    def drawn(self) -> None:
        shown = [at for at, each in enumerate(self.found.tensors) if _kind(each["tensor"]) == self.kind]
        rows = [_row(self.found.tensors[at]["layer"], self.found.tensors[at]["tensor"]) for at in shown]
        told = self.found.data[::-1]
        self.strip = Strip(
            [[each.norms[at] for each in told] for at in shown],
            rows,
            [Moment(each.id, _name(each), _said(each)) for each in told],
            label=f"Norms of {self.kind.replace('_', ' ')}, layers by commits",
            each=self.scale == "each",
            chosen=self.chosen.id,
            choose=self.choose,
        )

    async def choose(self, commit: str) -> None:
        self.view.keep(commit=commit)
        self.strip.point(commit)
        for each in list(self.detail)[1:]:
            self.detail.remove(each)
        with self.detail:
            self.tell()

    def tell(self) -> None:
        """Fill the panel of the commit that is chosen."""
        chosen = self.chosen
        at = self.found.data.index(chosen)
        before = self.found.data[at + 1] if at + 1 < len(self.found.data) else None
        with ui.element("div").classes("whose"):
            ui.link(short(chosen.id), links.commit(self.name, chosen.id)).classes("mono")
            ui.label(f"{_name(chosen)}, {count(chosen.position)} tokens, {ago(chosen.created_at)}").classes("dim")
            ui.label(chosen.title).classes("said")
        with ui.element("div").classes("scroll short"), table(HEADS, right=frozenset({3, 4})):
            for number, each in enumerate(self.found.tensors):
                norms = (chosen.norms[number], None if before is None else before.norms[number])
                _line(str(each["layer"]), each["tensor"], f"{_shape(each['shape'])} {each['dtype']}", norms)


def _empty(name: str, reason: str | None) -> None:
    with panel("No states to show", wide=True):
        nothing(reason or "No commit of this page has a snapshot.", icon="stacked_line_chart")
        ui.link("See the keys and values that this session keeps", links.session(name, "blocks")).classes("middle")


def _line(layer: str, tensor: str, shape: str, norms: tuple[float | None, float | None]) -> None:
    norm, before = norms
    with row():
        text(layer)
        text(tensor, "mono")
        text(shape, "nowrap")
        text("not there" if norm is None else f"{norm:.6g}", "n")
        text("" if norm is None or not before else f"{100 * (norm / before - 1):+.1f} %", "n")


def _kinds(found: States) -> list[str]:
    """What kinds of states there are, those that remember longest first: convolutions look back a few tokens only."""
    kinds = dict.fromkeys(_kind(each["tensor"]) for each in found.tensors)
    return sorted(kinds, key=lambda kind: ("conv" in kind, list(kinds).index(kind)))


def _kind(tensor: str) -> str:
    """The name of a tensor without the layer and what else is counted: "3.recurrent_states.0" is of recurrent_states."""
    words = [word for word in re.split(r"[.]", tensor) if not word.isdecimal()]
    return ".".join(words) or tensor


def _row(layer: int, tensor: str) -> str:
    """Layers with several tensors of one kind have a row for each."""
    numbers = [word for word in tensor.split(".") if word.isdecimal()]
    return f"Layer {layer}" if numbers[1:] in ([], ["0"]) else f"Layer {layer}, {numbers[-1]}"


def _shape(sizes: Sequence[int]) -> str:
    return " \u00d7 ".join(map(str, sizes))


def _name(each: StateNorms) -> str:
    return f"turn {each.turn}" if each.kind == "turn" else each.kind


def _said(each: StateNorms) -> str:
    return f"{each.kind} {each.turn}, commit {short(each.id)}, {count(each.position)} tokens, {ago(each.created_at)}"
