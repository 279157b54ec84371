"""The commits of a session and its forks as a graph, and what can be done from each of them."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from ....client.results import Commit, Event, Merged, Node
from .. import links
from ..parts import inspecting
from ..parts.asking import ask_name, asking
from ..parts.commit_graph import CommitGraph
from ..parts.figures import count, short
from ..parts.merging import ask_merge
from ..parts.moves import MOVED, UNDONE, WayBack, ask_fork, ask_reset
from ..parts.panels import nothing, panel
from ..view import View
from .base import screen

PAGE = 200
MOST = 1000
"""Commits that the interface gives at once."""
NAMED = 24
"""Branches that are named beside the graph."""
FURTHEST = 1000
"""Commits among which one that the address names is looked for."""


@screen("/sessions/{name}/graph", "Commits")
async def graph(view: View, name: str) -> None:
    """The newest first; `?at=HASH` is looked at beside it."""
    await Graph(view, name).begin()


class Graph:
    """The page of one graph: the list, and beside it the commit that was chosen."""

    def __init__(self, view: View, name: str) -> None:
        self._view, self._name = view, name
        self._nodes: list[Node] = []
        self._more = False
        self._back = WayBack(view, name, self.refresh)
        with ui.element("div").classes("history"):
            with panel(f"Commits of {name} and its forks", wide=True):
                self._said = ui.label("").classes("dim")
                self._drawn = CommitGraph(name, self._chosen, self._dropped if view.may("write") else None)
                self._older = ui.button("Older commits", icon="expand_more", on_click=self._on).props("flat no-caps")
            self._beside = ui.element("section").classes("panel inspected").props("aria-label='The chosen commit'")

    async def begin(self) -> None:
        wanted = self._view.query.get("at", "")
        await self._load(PAGE)
        while wanted and self._find(wanted) is None and self._more and len(self._nodes) < FURTHEST:
            await self._load(len(self._nodes) + PAGE)
        self._draw()
        await self._inspect(wanted or self._head())
        self._view.follow(None, self.refresh, wanted=self._concerns)

    async def refresh(self) -> None:
        """Read again what is shown, and draw it where something changed."""
        before = self._nodes
        await self._load(len(before))
        if [(each.id, each.branches, each.tags) for each in self._nodes] != [
            (each.id, each.branches, each.tags) for each in before
        ]:
            self._draw()
            await self._inspect(self._view.query.get("at") or self._head())

    async def _on(self) -> None:
        async with self._view.told():
            await self._load(len(self._nodes) + PAGE)
            self._draw()

    async def _load(self, most: int) -> None:
        found: list[Node] = []
        more = True
        while more and len(found) < max(most, PAGE):
            after = found[-1].id if found else None
            limit = max(PAGE, min(most - len(found), MOST))
            page = await self._view.client.sessions.graph(self._name, limit=limit, after=after)
            found += page.data
            more = page.has_more
        self._nodes, self._more = found, more

    def _draw(self) -> None:
        self._drawn.show(self._nodes)
        self._older.set_visibility(self._more)
        branches = {branch for each in self._nodes for branch in each.branches}
        shown = f"{count(len(self._nodes))}{' newest' if self._more else ''} commits, {count(len(branches))} branches"
        hint = "; a branch can be dragged onto a commit" if self._view.may("write") else ""
        self._said.set_text(f"{shown}. Choose one with a click or Enter{hint}.")

    def _concerns(self, event: Event) -> bool:
        """Whether something happened to a session of this graph."""
        known = {self._name, *(branch for each in self._nodes for branch in each.branches)}
        return event.session in known or event.data.get("forked_from") in known

    def _head(self) -> str:
        return next((each.id for each in self._nodes if self._name in each.branches), "")

    def _find(self, digits: str) -> Node | None:
        return next((each for each in self._nodes if each.id.startswith(digits)), None)

    async def _chosen(self, commit: str) -> None:
        self._view.keep(at=commit)
        async with self._view.told():
            await self._inspect(commit)
        ui.run_javascript("if (innerWidth <= 900) document.querySelector('.inspected').scrollIntoView()")

    async def _dropped(self, branch: str, commit: str) -> None:
        ask_reset(self._view, branch, commit, self._moved)

    async def _moved(self) -> None:
        self._back.show()
        await self.refresh()

    async def _inspect(self, digits: str) -> None:
        """Show a commit beside the graph. Raises RevisionNotFound."""
        commit: Commit = self._find(digits) or await self._view.client.commit(digits)
        said, changes = await inspecting.said_in(self._view, self._name, commit)
        self._drawn.look_at(commit.id)
        self._beside.clear()
        with self._beside:
            ui.label(commit.title or commit.kind).classes("head said").props("role=heading aria-level=2")
            if isinstance(commit, Node):
                self._refs(commit)
            self._actions(commit)
            inspecting.facts(self._name, commit)
            inspecting.measured(self._name, commit)
            inspecting.changed(changes)
            inspecting.texts(said)
            if not said and changes is None and not commit.parents:
                nothing("Nothing was said before this.", icon="flag")

    def _refs(self, node: Node) -> None:
        if not (node.branches or node.tags):
            return
        with ui.element("div").classes("marks"):
            for branch in node.branches[:NAMED]:
                ui.link(branch, links.session(branch, "graph")).classes(
                    "ref branch" + (" own" if branch == self._name else "")
                )
            if len(node.branches) > NAMED:
                ui.label(f"and {count(len(node.branches) - NAMED)} more").classes("dim")
            for tag in node.tags:
                ui.label(tag).classes("ref tag")
                if self._view.may("write"):
                    button = ui.button(icon="close", on_click=lambda tag=tag: self._untag(tag), color=None)
                    button.props["aria-label"] = f"Delete the tag {tag}"
                    button.props("flat dense round size=xs")

    def _actions(self, commit: Commit) -> None:
        at_head = commit.id == self._head()
        with ui.element("div").classes("actions"):
            if self._view.may("write"):
                _act(
                    "Reset here",
                    "restart_alt",
                    lambda: ask_reset(self._view, self._name, commit.id, self._moved),
                    not at_head,
                )
                _act("Fork", "call_split", lambda: ask_fork(self._view, self._name, commit.id))
                _act("Tag", "sell", lambda: self._tag(commit))
                _act("Merge", "merge", lambda: self._merge(commit), not at_head)
            _act("Compare", "difference", lambda: self._compare(commit), not at_head)
            ui.link("Export", links.export(self._name, commit.id)).props("download").classes("export")

    def _compare(self, commit: Commit) -> None:
        self._view.go(links.session(self._name, "diff", base=commit.id, head=self._name))

    def _tag(self, commit: Commit) -> None:
        async def tag(name: str) -> None:
            await self._view.client.sessions.put_tag(self._name, name, at=commit.id)
            await self.refresh()

        said = f"{short(commit.id)} is kept for good under this name."
        ask_name(self._view, "Tag this commit", said, "Name of the tag", "Tag", tag)

    def _untag(self, tag: str) -> None:
        async def untag() -> None:
            owner = await self._owner(tag)
            await self._view.client.sessions.delete_tag(owner, tag)
            await self.refresh()

        with asking(self._view, f"Delete the tag {tag}?", "Delete", untag):
            ui.label("Its commit stays as long as a session leads to it.").classes("said")

    async def _owner(self, tag: str) -> str:
        """The session of the graph that a tag was given in."""
        for branch in dict.fromkeys([self._name, *(name for each in self._nodes for name in each.branches)]):
            if tag in [each.id for each in await self._view.client.sessions.tags(branch, limit=1000)]:
                return branch
        return self._name

    def _merge(self, commit: Commit) -> None:
        branches: Sequence[str] = commit.branches if isinstance(commit, Node) else ()
        ask_merge(self._view, self._name, next(iter(branches), commit.id), self._merged)

    async def _merged(self, merged: Merged) -> None:
        self._view.keep(**{UNDONE: merged.previous, MOVED: self._name})
        await self._moved()


def _act(label: str, icon: str, do: object, possible: bool = True) -> None:
    button = ui.button(label, icon=icon, on_click=do).props("outline dense no-caps size=12px padding='2px 8px'")  # type: ignore[arg-type]
    button.set_enabled(possible)
