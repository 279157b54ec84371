"""What sets two revisions apart: what each says alone, and tier by tier what each remembers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from ....client.results import Commit, Diff
from ....errors import PerdureError
from .. import links
from ..parts import frame
from ..parts.bars import Part, bar
from ..parts.figures import ago, count, short, size
from ..parts.messages import sides
from ..parts.panels import badge, nothing, panel
from ..talk import PAGE
from ..view import View
from .base import screen
from .chat import siblings

CHANGES = {"added": "good", "removed": "bad", "changed": "recalled"}
WORKING = {
    "tokens": "tokens in all",
    "window": "in the window",
    "sinks": "sinks",
    "summary": "in the summary",
    "evictions": "times something left the window",
    "recalls": "times memories were put back",
}


@screen("/sessions/{name}/diff", "Diff")
async def diff(view: View, name: str) -> None:
    """`?base=` and `?head=` are any revisions; without them what the session says beyond what it was forked from."""
    own = await view.client.sessions.get(name)
    before = own.forked_from or f"{name}~1"
    chosen = {"base": view.query.get("base", before), "head": view.query.get("head", name)}
    known = await revisions(view, name)
    with panel("Two revisions", note="sessions, tags, commits; NAME~1 is the one before", wide=True):
        _choice(view, chosen, [own.id, *known])
    place = ui.element("div").classes("screen")

    async def draw() -> None:
        place.clear()
        with place:
            try:
                found = await view.client.diff(chosen["base"], chosen["head"])
            except PerdureError as error:
                frame.refusal(error, draw)
            else:
                _drawn(name, chosen["base"], chosen["head"], found)

    await draw()


async def revisions(view: View, name: str) -> list[str]:
    """Names that are worth offering: the branches around a session, and its tags."""
    tags = await view.client.sessions.tags(name, limit=100)
    return [*await siblings(view, name), *(tag.id for tag in tags)]


def _choice(view: View, chosen: Mapping[str, str], known: list[str]) -> None:
    """Two names to type or to pick; the page is asked for anew with them, so that each comparison has its address."""
    fields: dict[str, ui.input] = {}

    def go() -> None:
        view.go(links.with_query(view.path, {each: (field.value or "").strip() for each, field in fields.items()}))

    def swap() -> None:
        fields["base"].value, fields["head"].value = fields["head"].value, fields["base"].value
        go()

    with ui.element("div").classes("revisions"):
        for each in ("base", "head"):
            fields[each] = ui.input(each.capitalize(), value=chosen[each], autocomplete=known).props("outlined dense")
            fields[each].on("keydown.enter", go)
            if each == "base":
                ui.button(icon="swap_horiz", on_click=swap).props("flat round dense aria-label='Swap them'")
        ui.button("Compare", on_click=go).props("unelevated no-caps")


def _drawn(name: str, base: str, head: str, found: Diff) -> None:
    _common(name, base, head, found)
    with panel("Messages", note=f"{count(found.common_messages)} at the beginning are the same", wide=True):
        if found.base_messages or found.head_messages:
            sides((base, head), (found.base_messages, found.head_messages), PAGE)
        else:
            nothing("Both say the same.", icon="drag_handle")
    tiers = found.tiers
    if tiers:
        _working(base, head, tiers["working"], found)
        _summary(base, head, tiers["summary"])
        _changes("Memories", tiers["episodic"])
        _changes("Fast weights", tiers["fast-weights"])
        _mounts(tiers["mounts"])


def _common(name: str, base: str, head: str, found: Diff) -> None:
    with panel("In common", wide=True):
        with ui.element("div").classes("pair"):
            for revision, commit in ((base, found.base), (head, found.head)):
                _side(name, revision, commit)
        alone = [commit.tokens - found.common_tokens for commit in (found.base, found.head)]
        bar(
            [
                Part(
                    "the same from the beginning on", found.common_tokens, "evicted", f"{count(found.common_tokens)} tokens"
                ),
                Part(f"{base} alone", alone[0], "working", f"{count(alone[0])} tokens"),
                Part(f"{head} alone", alone[1], "recalled", f"{count(alone[1])} tokens"),
            ]
        )
        if found.ancestor is None:
            ui.label("They have no commit in common.").classes("dim")
        else:
            with ui.element("div").classes("marks"):
                ui.label("The nearest commit that both go back to is").classes("dim")
                ui.link(short(found.ancestor), links.commit(name, found.ancestor)).classes("mono")


def _side(name: str, revision: str, commit: Commit) -> None:
    with ui.element("div"):
        ui.label(revision).classes("head")
        with ui.element("div").classes("marks"):
            ui.link(short(commit.id), links.commit(name, commit.id)).classes("mono")
            ui.label(f"turn {commit.turn}, {count(commit.tokens)} tokens, {ago(commit.created_at)}").classes("dim")


def _working(base: str, head: str, tier: Mapping[str, Any], found: Diff) -> None:
    blocks, windows = found.blocks, tier["windows"]
    with panel("Working memory", note=f"{count(blocks['shared'])} blocks of KV are stored once for both"):
        bar(
            [
                Part("shared blocks", blocks["shared"], "shared", count(blocks["shared"])),
                Part(
                    f"{base} alone", blocks["base"] - blocks["shared"], "working", count(blocks["base"] - blocks["shared"])
                ),
                Part(
                    f"{head} alone", blocks["head"] - blocks["shared"], "recalled", count(blocks["head"] - blocks["shared"])
                ),
            ]
        )
        rows = [(label, count(tier["base"][key]), count(tier["head"][key])) for key, label in WORKING.items()]
        rows.append(("bytes", size(tier["base"]["bytes"]), size(tier["head"]["bytes"])))
        if windows["base"] or windows["head"]:
            both = f" ({count(windows['shared'])} of them shared)"
            rows.append((f"blocks of sliding layers{both}", count(windows["base"]), count(windows["head"])))
        _table(base, head, rows)


def _summary(base: str, head: str, tier: Mapping[str, Any]) -> None:
    note = "the same in both" if tier["same"] else "differs"
    with panel("Summary", note=note):
        if not (tier["base"]["entries"] or tier["head"]["entries"] or tier["base"]["bytes"] or tier["head"]["bytes"]):
            nothing("Nothing has left the window of either.", icon="compress")
            return
        one, two = tier["base"], tier["head"]
        rows = [("kept by", one["backend"], two["backend"])]
        rows += [
            (label, count(one[key]), count(two[key])) for key, label in (("entries", "entries"), ("distinct", "tokens"))
        ]
        rows += [
            ("times folded", count(one["folds"]), count(two["folds"])),
            ("bytes", size(one["bytes"]), size(two["bytes"])),
        ]
        rows.append(("digest", (one["digest"] or "none")[:8], (two["digest"] or "none")[:8]))
        _table(base, head, rows)


def _table(base: str, head: str, rows: list[tuple[str, str, str]]) -> None:
    with ui.element("div").classes("scroll"), ui.element("table").classes("list"):
        with ui.element("thead"), ui.element("tr"):
            for each, kind in (("", ""), (base, "n"), (head, "n")):
                with ui.element("th").classes(kind).props("scope=col"):
                    ui.label(_brief(each)).tooltip(each)
        with ui.element("tbody"):
            for label, *values in rows:
                with ui.element("tr"):
                    with ui.element("td"):
                        ui.label(label)
                    for one, value in enumerate(values):
                        with ui.element("td").classes("n" if values[0] == value or one == 0 else "n apart"):
                            ui.label(value)


def _changes(title: str, tier: Mapping[str, Any]) -> None:
    told = [f"{count(tier[how])} {how}" for how in CHANGES if tier[how]]
    note = ", ".join([*told, f"{count(tier['same'])} the same"])
    with panel(title, note=note, wide=True):
        if not tier["changes"]:
            nothing("Both have the same." if tier["same"] else "Neither has any.", icon="drag_handle")
        for change in tier["changes"]:
            _change(change)
        if tier["has_more"]:
            ui.label("Further changes are not listed here.").classes("dim")


def _change(change: Mapping[str, Any]) -> None:
    """One memory or record: what it is in the base on the left, what it is in the head on the right."""
    with ui.element("div").classes("tier-change"):
        with ui.element("div"):
            badge(change["change"], CHANGES[change["change"]])
        for side in ("base", "head"):
            held = change[side]
            with ui.element("div"):
                if held is None:
                    ui.label("not there").classes("dim")
                else:
                    ui.label(held.get("text") or held.get("statement") or "").classes("said")


def _mounts(tier: Mapping[str, Any]) -> None:
    if not any(tier.values()):
        return
    with panel("Mounted profiles", wide=True), ui.element("div").classes("marks"):
        for how, kind in (("added", "good"), ("removed", "bad"), ("same", "plain")):
            for each in tier[how]:
                badge(f"{each}: {how}" if how != "same" else f"{each}: in both", kind)


def _brief(revision: str) -> str:
    """A whole hash is too wide for the head of a column."""
    return short(revision) if len(revision) == 64 else revision
