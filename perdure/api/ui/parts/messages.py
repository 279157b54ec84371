"""Messages of a conversation, and under each answer what it cost, what it remembered, and what can be done from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nicegui import ui

from ....client.results import Commit, Message
from .. import links
from .figures import ago, count, moment, short
from .panels import badge

MOST = 6000
"""Characters of a message that are shown before somebody asks for the rest."""

ROLES = {"user": "You", "assistant": "Answer", "system": "System", "tool": "Tool"}


class Cost(NamedTuple):
    """A number of an answer's receipt: what it is called, its colour, and what it means."""

    name: str
    kind: str
    means: str


COSTS = {
    "restored": Cost("restored", "working", "tokens whose state came from the store without computing"),
    "reused": Cost("reused", "shared", "tokens whose state was taken over from another session"),
    "prefilled": Cost("prefilled", "system", "tokens that were computed"),
    "recalled": Cost("recalled", "recalled", "tokens of memories that were put back"),
    "opened": Cost("opened", "fast-weights", "fast weights that acted on the answer"),
    "replayed": Cost("replayed", "evicted", "tokens that were computed again to restore the state"),
    "generated": Cost("generated", "plain", "tokens of the answer"),
}
ALWAYS = ("restored", "prefilled")


def bubble(role: str, *, number: int | None = None) -> ui.element:
    """The place of a message, under the name of who says it."""
    drawn = ui.element("article").classes(f"message by-{role if role in ROLES else 'tool'}")
    if number is not None:
        drawn.props(f"id=m{number}")
    with drawn:
        ui.label(ROLES.get(role, role)).classes("who-says")
    return drawn


def text(content: str) -> None:
    """What was said, as text and nothing else; a long one is cut until somebody asks."""
    said = ui.label(content[:MOST]).classes("said")
    if len(content) <= MOST:
        return

    def whole() -> None:
        said.set_text(content)
        button.delete()

    rest = count(len(content) - MOST)
    button = ui.button(f"Show the other {rest} characters", icon="expand_more", on_click=whole).props("flat dense no-caps")


def message(each: Message, number: int | None = None) -> ui.element:
    with bubble(each.role, number=number) as drawn:
        text(each.content)
    return drawn


def receipt(session: str, commit: Commit) -> None:
    """An answer's commit, its age, and its counts."""
    with ui.link(target=links.commit(session, commit.id)).classes("mono hash") as link:
        ui.label(short(commit.id))
    link.props(f'aria-label="Commit {short(commit.id)} in the graph"')
    with ui.label(ago(commit.created_at)).classes("dim"):
        ui.tooltip(moment(commit.created_at))
    costs(commit)
    if commit.reason not in ("", "stop"):
        badge(commit.reason, "plain", hint="Why the answer ended")
    if commit.metrics.get("recalled") or commit.metrics.get("opened"):
        ui.link("What it remembered", links.trace(commit.id, session=session)).classes("trace")


def costs(commit: Commit) -> None:
    """The counts of a turn that are worth a mark."""
    for key, cost in COSTS.items():
        number = commit.metrics.get(key)
        if number is not None and (number or key in ALWAYS):
            badge(f"{cost.name} {count(number)}", cost.kind, hint=cost.means)


def sides(names: tuple[str, str], said: tuple[Sequence[Message], Sequence[Message]], most: int) -> None:
    """Two ways on, side by side and answer beside answer; up to so many messages of each, and more on request."""
    place = ui.element("div").classes("sides")
    with place:
        for name in names:
            ui.label(name).classes("head side-name")
    rows = max(map(len, said))

    def draw(first: int) -> None:
        with place:
            for number in range(first, min(first + most, rows)):
                for name, messages in zip(names, said, strict=True):
                    _cell(name, messages, number)
        if first + most < rows:
            _more(rows - first - most, lambda: draw(first + most))

    draw(0)


def _cell(name: str, messages: Sequence[Message], number: int) -> None:
    if number < len(messages):
        message(messages[number]).props["data-side"] = name
    else:
        with ui.element("div").classes("ended"):
            if number == len(messages):
                ui.label(f"{name} says nothing more." if number else f"{name} says nothing of its own.").classes("dim")


def _more(left: int, draw: Callable[[], None]) -> None:
    def on() -> None:
        button.delete()
        draw()

    button = ui.button(f"{count(left)} further rows", icon="expand_more", on_click=on).props("flat no-caps")
