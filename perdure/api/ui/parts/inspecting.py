"""One commit: what it is, what it cost and added, what was said in it, and what can be done from there."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from ....client.results import Commit, Diff, Message, Node
from ....errors import PerdureError
from .. import links
from ..view import View
from .bars import Part, bar
from .figures import ago, count, moment, short, size
from .messages import costs, message

TIERS = {
    "working": ("KV", "working"),
    "snapshots": ("snapshots", "summary"),
    "episodic": ("memories", "episodic"),
    "fast-weights": ("fast weights", "fast-weights"),
    "log": ("texts and log", "plain"),
}
ROOT_MESSAGES = 20
REMEMBERED = {"episodic": "memories", "fast-weights": "fast weights"}


async def said_in(view: View, name: str, commit: Commit) -> tuple[Sequence[Message], Diff | None]:
    """The messages that a commit added, and what else it changed; of one that cannot be compared, nothing."""
    try:
        if commit.parents:
            found = await view.client.diff(commit.parents[0], commit.id)
            return found.head_messages, found
        return tuple(await view.client.sessions.messages(name, limit=ROOT_MESSAGES))[: commit.messages], None
    except PerdureError:
        return (), None


def facts(name: str, commit: Commit) -> None:
    """As a list of names and values; parents are links."""
    with ui.element("dl").classes("facts"):
        _fact("Commit", commit.id, "mono")
        _fact("Kind", " · ".join(filter(None, (commit.kind, commit.reason))))
        _fact("Author", commit.author)
        _fact("Made", f"{moment(commit.created_at)} ({ago(commit.created_at)})")
        _fact("Holds", f"turn {commit.turn}, {count(commit.messages)} messages, {count(commit.tokens)} tokens")
        with ui.element("dt"):
            ui.label("Parents")
        with ui.element("dd"):
            for parent in commit.parents:
                ui.link(short(parent), links.commit(name, parent)).classes("mono parent")
            if not commit.parents:
                ui.label("none: the conversation begins here")


def measured(name: str, commit: Commit) -> None:
    """The turn's receipt, and what the commit added to the store."""
    if commit.metrics:
        with ui.element("div").classes("marks"):
            costs(commit)
    if commit.metrics.get("recalled") or commit.metrics.get("opened"):
        ui.link("What it remembered", links.trace(commit.id, session=name))
    if isinstance(commit, Node):
        ui.label(f"Added {size(commit.bytes_added)}").classes("dim")
        bar([_part(tier, nbytes) for tier, nbytes in commit.added.items() if nbytes])


def changed(found: Diff | None) -> None:
    """What a commit did to memories and fast weights, where it did anything."""
    for tier, name in REMEMBERED.items():
        changes = {} if found is None else found.tiers.get(tier, {})
        told = [f"{changes[how]} {how}" for how in ("added", "removed", "changed") if changes.get(how)]
        if told:
            ui.label(f"{name.capitalize()}: {', '.join(told)}")


def texts(messages: Sequence[Message]) -> None:
    for each in messages:
        message(each)


def _part(tier: str, nbytes: int) -> Part:
    name, kind = TIERS.get(tier, (tier, "plain"))
    return Part(name, nbytes, kind, size(nbytes))


def _fact(name: str, value: str, kind: str = "") -> None:
    with ui.element("dt"):
        ui.label(name)
    with ui.element("dd"):
        ui.label(value).classes(kind)
