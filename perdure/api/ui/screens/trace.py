"""Why an answer was given so: what was recalled for it and how much it was looked at, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from ....client.results import Commit, Report
from .. import links
from ..parts.figures import count, moment, several, short
from ..parts.panels import badge, nothing, panel, tile, tiles
from ..parts.recalled import Recalled
from ..parts.scores import score
from ..view import View
from .base import screen

FLOWS = ("restored", "reused", "recalled", "prefilled", "generated")
NOTHING = "This answer recalled nothing: it was given from what stood in the window, and from the summary if there is one."
NONE_LOOKED_AT = "It looked at no memory either: there was none, or recall was off."
SHOWN = 5
"""How many of those that were left out are shown at first."""
MODES = {"kv": "as stored KV", "text": "as text, computed again"}


@screen("/traces/{response}", "Trace")
async def trace(view: View, response: str) -> None:
    """Of a response's id, or the hash of an answer's commit."""
    story = await view.client.memory.trace(response)
    commit = await view.client.commit(story["commit"])
    _asked(view, story, commit)
    if story["recalled"]:
        _place(story)
        Recalled(view, story)
    else:
        with panel("Recalled", wide=True):
            nothing(NOTHING if story.body.get("considered") else f"{NOTHING} {NONE_LOOKED_AT}", icon="history_toggle_off")
    _records(story.body.get("records", ()))
    dropped = [each for each in story.body.get("considered", ()) if each["dropped"]]
    if dropped:
        _dropped(dropped)


def _asked(view: View, story: Report, commit: Commit) -> None:
    """The question, where the answer is kept, and what its tokens cost."""
    with panel("The answer", wide=True):
        ui.label(story.body.get("query") or commit.title).classes("said question")
        with ui.element("div").classes("marks"):
            session = view.query.get("session")
            if session is not None:
                ui.link(f"{session}, turn {commit.turn}", links.said(session, commit.turn))
                ui.link(short(commit.id), links.commit(session, commit.id)).classes("mono")
            else:
                ui.label(f"turn {commit.turn}").classes("dim")
                ui.label(f"commit {short(commit.id)}").classes("mono dim").tooltip(commit.id)
            ui.label(moment(commit.created_at)).classes("dim")
    with tiles():
        for flow in FLOWS:
            tile(f"tokens {flow}", count(commit.metrics.get(flow, 0)))
        tile("fast-weight records open", count(story["opened"]))


def _place(story: Report) -> None:
    """Where in the conversation memories were put back, between which words."""
    place, how = story.body.get("place"), MODES.get(story["mode"], story["mode"])
    with panel("Where it was put back", wide=True):
        if place is None:
            ui.label(f"Before the question, {how}.")
            return
        tokens = sum(each["tokens"] for each in story["chosen"])
        ui.label(f"Before token {count(place['position'])}, {how}, {count(tokens)} tokens in all.")
        with ui.element("div").classes("said cited"):
            ui.label(place["before"] or "").classes("part dim")
            badge("recalled", "recalled")
            ui.label(place["after"] or "").classes("part dim")


def _dropped(dropped: Sequence[Mapping[str, Any]]) -> None:
    """The best of them at first."""
    with panel("Considered and left out", note=several(len(dropped), "memory", "memories"), wide=True):
        with ui.element("ol").classes("found") as drawn:
            for each in dropped[:SHOWN]:
                _left_out(each)
        if len(dropped) > SHOWN:

            def more() -> None:
                button.delete()
                with drawn:
                    for each in dropped[SHOWN:]:
                        _left_out(each)

            button = ui.button(f"Show {len(dropped) - SHOWN} more", on_click=more).props("flat no-caps")


def _left_out(each: Mapping[str, Any]) -> None:
    with ui.element("li").classes("dropped"):
        with ui.element("div").classes("what"):
            _text(each)
            ui.label(f"left out: {each['dropped']}").classes("dim")
        with ui.element("div").classes("weighed"):
            with ui.element("div").classes("scored"):
                score(each["score"], dropped=True)
                ui.label(f"{each['score']:.3f}").classes("figure")
            with ui.element("div").classes("why"):
                badge(f"similarity {each['similarity']:.3f}", "working")
                badge(f"words {each['words']:.3f}", "summary")


def _text(each: Mapping[str, Any]) -> None:
    """Its text, with a way to the memory as it is now."""
    if each["text"] is None:
        ui.label("It is not stored any more.").classes("dim")
        return
    ui.link(each["text"], links.memories(id=each["id"])).classes("opener")


def _records(records: Sequence[Mapping[str, Any]]) -> None:
    """The fast weights whose subject the question named, and whether they acted."""
    if not records:
        return
    with (
        panel("Fast weights looked at", wide=True),
        ui.element("div").classes("scroll"),
        ui.element("table").classes("list"),
    ):
        with ui.element("thead"), ui.element("tr"):
            heads = ("Record", ""), ("Was", ""), ("Score", "n"), ("Against", "n"), ("Gain", "n"), ("Why", "")
            for name, kind in heads:
                with ui.element("th").classes(kind).props("scope=col"):
                    ui.label(name)
        with ui.element("tbody"):
            for each in records:
                _record(each)


def _record(each: Mapping[str, Any]) -> None:
    with ui.element("tr"):
        with ui.element("td"):
            ui.label(each["statement"])
        with ui.element("td"):
            badge("closed" if each["closed"] else "open", "plain" if each["closed"] else "good")
        gain = "" if each["gain"] is None else f"{each['gain']:.2f} nats"
        for text in (f"{each['score']:.3f}", f"{each['against']:.3f}", gain):
            with ui.element("td").classes("n"):
                ui.label(text)
        with ui.element("td"):
            ui.label(each["closed"] or "the question asks for it")
