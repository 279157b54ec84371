"""A question put to a summary: what it would read back, in which heads, and of which tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from ....client.results import SummaryProbe
from ..view import View
from .heat_map import HeatMap
from .panels import nothing, panel, tile, tiles
from .shaded import Shaded

SHARES = {
    "read": ("What the memory gives", "The norm of what the memory gives to each query head", "snapshots"),
    "summary": (
        "Attention on entries",
        "The share of each query head's attention that falls on entries of the summary",
        "summary",
    ),
    "gate": ("Gates", "The share that the memory has in what attention gives", "episodic"),
    "sinks": ("Attention on sinks", "The share of each query head's attention that falls on the first tokens", "sinks"),
}
"""What is told of each layer's query heads: a title, a sentence and a colour."""


class Probing:
    """A field for a text and what it reads of a session's summary; the page's address keeps the text."""

    def __init__(self, view: View, session: str) -> None:
        self._view, self._session = view, session
        with panel("Probe", note="what a question would read back, if it were asked now; nothing is kept of it", wide=True):
            if not view.may("write"):
                nothing("A probe computes, for which a key with the scope write is needed.", icon="lock")
                return
            with ui.element("form").classes("fields").on("submit.prevent", self.probe):
                field = ui.input("A question", value=view.query.get("probe", ""))
                self._text = field.props("outlined dense clearable").classes("long")
                self._go = ui.button("Probe", icon="bolt").props("unelevated no-caps type=submit")
            self._place = ui.element("div").classes("results")

    async def begin(self) -> None:
        """Ask what the page's address asks, if it does."""
        if self._view.query.get("probe") and self._view.may("write"):
            await self.probe()

    async def probe(self) -> None:
        text = (self._text.value or "").strip()
        self._view.keep(probe=text or None)
        if not text:
            self._place.clear()
            return
        self._go.props("loading")
        try:
            async with self._view.told():
                found = await self._view.client.memory.probe(self._session, text)
                self._place.clear()
                with self._place:
                    drawn(found)
        finally:
            self._go.props(remove="loading")


def drawn(found: SummaryProbe) -> None:
    """The findings of a probe."""
    if found.why is not None:
        nothing(f"There is nothing to read: {found.why}.", icon="compress")
        return
    with tiles():
        hint = "The mean of the text's tokens and of all heads"
        tile("of what attention gives is the summary's", f"{100 * found.mass:.1f} %", hint=hint)
        layer, head, share = _strongest(found.layers)
        if share:
            tile(f"in layer {layer}, head {head}, which reads most of its entries", f"{100 * share:.1f} %")
    ui.label("By token of the question, as it is fed").classes("head").props("role=heading aria-level=3")
    hint = "Point at a token, or use the arrow keys, for its number."
    label = "What each token reads of the summary."
    Shaded(found.tokens, [found.by_token], ["Attention on the summary"], label=label, hint=hint, kind="summary")
    _layers(found.layers)
    if found.entries:
        _entries(found)


def _strongest(layers: Sequence[Mapping[str, Any]]) -> tuple[int, int, float]:
    shares = [(share, each["layer"], head) for each in layers for head, share in enumerate(each["summary"])]
    share, layer, head = max(shares, default=(0.0, 0, 0))
    return layer, head, share


def _layers(layers: Sequence[Mapping[str, Any]]) -> None:
    ways = {key: way for key, way in SHARES.items() if any(any(each[key]) for each in layers)}
    if not ways:
        return
    ui.label("By layer and head").classes("head").props("role=heading aria-level=3")
    choice = ui.toggle({key: way[0] for key, way in ways.items()}, value=next(iter(ways))).props("no-caps unelevated")
    place = ui.element("div")

    def draw() -> None:
        _, said, kind = ways[choice.value]
        rows = max(len(each[choice.value]) for each in layers)
        cells = [[_at(each[choice.value], head) for each in layers] for head in range(rows)]
        place.clear()
        with place:
            ui.label(said).classes("dim")
            heads, names = [f"head {head}" for head in range(rows)], [f"layer {each['layer']}" for each in layers]
            HeatMap(cells, heads, names, label=f"{said}, by layer and head.", across="layers", kind=kind)

    choice.on_value_change(draw)
    draw()


def _at(values: Sequence[float], head: int) -> float | None:
    return values[head] if head < len(values) else None


def _entries(found: SummaryProbe) -> None:
    """The tokens that it reads most, each in its words."""
    ui.label("The entries that are read most").classes("head").props("role=heading aria-level=3")
    most = max(each["mass"] for each in found.entries) or 1.0
    with ui.element("div").classes("scroll"), ui.element("table").classes("list entries"):
        with ui.element("thead"), ui.element("tr"):
            for name, kind in (("Token", "n"), ("In its words", ""), ("Attention", ""), ("Kept by", "n"), ("Most in", "")):
                with ui.element("th").classes(kind).props("scope=col"):
                    ui.label(name)
        with ui.element("tbody"):
            for each in found.entries:
                _entry(each, most)


def _entry(each: Mapping[str, Any], most: float) -> None:
    with ui.element("tr"):
        with ui.element("td").classes("n"):
            ui.label(f"{each['token']:,}")
        with ui.element("td").classes("words"):
            _words(each)
        with ui.element("td"), ui.element("div").classes("scored"):
            with ui.element("div").classes("score"):
                ui.element("i").style(f"width:{100 * each['mass'] / most:.1f}%")
            ui.label(f"{100 * each['mass']:.2f} %").classes("figure")
        with ui.element("td").classes("n"):
            ui.label(f"{each['kept']} heads")
        with ui.element("td").classes("n"):
            ui.label(f"layer {each['layer']}, head {each['head']}: {100 * each['most']:.1f} %")


def _words(each: Mapping[str, Any]) -> None:
    if each["text"] is None:
        ui.label("another tokenizer made it").classes("dim")
        return
    with ui.element("span").classes("said"):
        ui.label(_line(each["before"])).classes("part dim")
        ui.label(_line(each["text"])).classes("part this")
        ui.label(_line(each["after"])).classes("part dim")


def _line(text: str | None) -> str:
    """On one line, as rows have it."""
    return (text or "").replace("\n", "⏎ ")
