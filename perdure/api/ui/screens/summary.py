"""What is kept of the tokens that left the window, layer by layer and head by head, and what a question reads of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui

from ....client.results import Report, SummaryHeads
from ..parts.figures import count, size
from ..parts.heat_map import HeatMap
from ..parts.panels import nothing, panel, tile, tiles
from ..parts.probing import Probing
from ..view import View
from .base import screen

Layer = Mapping[str, Any]


class Way(NamedTuple):
    """A way to look at the heads: a member of each layer, what its numbers are, and the colour."""

    title: str
    said: str
    kind: str


WAYS = {
    "norms": Way("Norms", "The Frobenius norm of each KV head's matrix: how much has been written into it", "snapshots"),
    "scores": Way(
        "Attention", "The attention that the entries of each KV head had received when they left the window", "summary"
    ),
    "entries": Way("Entries", "How many tokens each KV head keeps, without the sinks", "working"),
}


@screen("/sessions/{name}/summary", "Summary")
async def summary(view: View, name: str) -> None:
    """Numbers, heat maps, and a probe; all but the probe follow the session, unless the address names a revision."""
    place = ui.element("div").classes("screen")

    async def draw() -> None:
        at = view.query.get("at")
        tier = await view.client.memory.summary(name, at=at)
        heads = await view.client.memory.summary_heads(name, at=at)
        place.clear()
        with place:
            _drawn(view, tier, heads)

    await draw()
    probing = Probing(view, name)
    await probing.begin()
    if "at" not in view.query:
        view.follow(name, draw)


def _drawn(view: View, tier: Report, heads: SummaryHeads) -> None:
    _numbers(tier, heads)
    if heads.why is not None:
        with panel("Summary", wide=True):
            nothing(f"There is no summary: {heads.why}.", icon="compress")
        return
    _heads(view, heads)
    if any(layer["gates"] for layer in heads.layers):
        _gates(heads)
    if any(map(sum, (layer["entries"] for layer in heads.layers))):
        _spread(heads)


def _numbers(tier: Report, heads: SummaryHeads) -> None:
    with tiles():
        tile("backend", heads.backend)
        if heads.rule:
            tile(
                "tokens absorbed",
                count(heads.absorbed),
                hint=f"Written into matrices of fixed size by the {heads.rule} rule",
            )
        if tier["entries"]:
            tile("entries per head", count(tier["entries"]), hint="Tokens whose keys and values are kept")
            tile("tokens of which something is kept", count(tier["distinct"]))
        tile("after tokens", count(heads.position), hint="Where the newest snapshot that has a summary stands")
        tile("bytes", size(tier["bytes"] or 0))


def _heads(view: View, heads: SummaryHeads) -> None:
    """One of the ways to look at it, and what is to be said of the head that is picked."""
    ways = {key: way for key, way in WAYS.items() if any(any(layer[key] or ()) for layer in heads.layers)}
    if not ways:
        return
    with panel("What each head holds", wide=True):
        shown = view.query.get("show", "")
        now = shown if shown in ways else next(iter(ways))
        choice = ui.toggle({key: way.title for key, way in ways.items()}, value=now).props("no-caps unelevated")
        choice.set_visibility(len(ways) > 1)
        place = ui.element("div")
        picked = ui.label().classes("picked").props("role=status")

        def draw() -> None:
            way = ways[choice.value]
            place.clear()
            with place:
                ui.label(way.said).classes("dim")
                by_head(heads.layers, choice.value, way.said, way.kind, pick)

        def pick(head: int, layer: int) -> None:
            view.keep(layer=layer, head=head)
            picked.set_text(told(heads.layers, layer, head))

        def choose() -> None:
            view.keep(show=choice.value)
            draw()

        choice.on_value_change(choose)
        draw()
        chosen = view.query.get("layer", ""), view.query.get("head", "")
        if all(each.isdigit() for each in chosen):
            picked.set_text(told(heads.layers, int(chosen[0]), int(chosen[1])))


def by_head(
    layers: Sequence[Layer], member: str, said: str, kind: str, pick: Callable[[int, int], None] | None = None
) -> None:
    """A heat map with the layers across and their heads down."""
    rows = max(len(layer[member] or ()) for layer in layers)
    cells = [[_cell(layer[member], head) for layer in layers] for head in range(rows)]
    names = [f"layer {_number(layers, at)}" for at in range(len(layers))]
    label = f"{said}, by layer and head."
    drawn = HeatMap(cells, [f"head {head}" for head in range(rows)], names, label=label, across="layers", kind=kind)
    if pick is not None:
        drawn.on("pick", lambda event: pick(event.args["row"], event.args["column"]))


def _gates(heads: SummaryHeads) -> None:
    with panel("Gates", note="how much of each query head's output is the memory's, from 0 to 1", wide=True):
        by_head(heads.layers, "gates", "The share that the memory has in what attention gives", "episodic")


def _spread(heads: SummaryHeads) -> None:
    """Which parts of the conversation the layers keep."""
    cells = [[sum(head[part] for head in layer["histogram"]) for part in range(len(heads.bins))] for layer in heads.layers]
    rows = [f"layer {_number(heads.layers, at)}" for at in range(len(heads.layers))]
    columns = [f"tokens {part['start']}-{part['end']}" for part in heads.bins]
    with panel(
        "Where the entries are from", note="entries of all heads of a layer, by parts of the conversation", wide=True
    ):
        label = "By layer and part of the conversation: how many entries are kept."
        HeatMap(cells, rows, columns, label=label, across="tokens of the conversation", kind="working", unit=" entries")


def told(layers: Sequence[Layer], layer: int, head: int) -> str:
    """What is to be said of one head of one layer; nothing where there is no such head."""
    if layer >= len(layers) or head >= len(layers[layer]["entries"]):
        return ""
    found = layers[layer]
    said = f"Layer {_number(layers, layer)}, head {head}"
    if found["norms"]:
        said += f": a matrix of norm {found['norms'][head]:,.2f}"
    if not found["entries"][head]:
        return said + ("" if found["norms"] else ": no entries")
    entries, oldest, newest = (found[each][head] for each in ("entries", "oldest", "newest"))
    kept = f"{entries:,} entries of tokens {oldest:,} to {newest:,}, which had received {found['scores'][head]:.2f}"
    fade = f"of attention; their age takes {abs(found['bias'][head]):.3f} off their scores on the mean"
    return f"{said}{'; ' if found['norms'] else ': '}{kept} {fade}."


def _number(layers: Sequence[Layer], at: int) -> int:
    number = layers[at]["layer"]
    return at if number is None else int(number)


def _cell(values: Sequence[float] | None, head: int) -> float | None:
    return values[head] if values is not None and head < len(values) else None
