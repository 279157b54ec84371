"""Commits as a drawing of lanes, each with what stands at it; commits are chosen, and branches dragged onto them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import events, ui

from ....client.results import Node
from ... import lanes
from ...lanes import Row
from .figures import ago, count, short, size

LABELS = 3
"""Branches, and tags, that are named in a row; beside the graph there are more."""

Choose = Callable[[str], Awaitable[None]]
Drop = Callable[[str, str], Awaitable[None]]


class CommitGraph(ui.element, component="commit_graph.js"):
    """Texts reach the page as data and are drawn as text.

    `own` is the branch that the page is about. `choose` is called with a commit, `drop` with a branch and the commit that
    it was dragged to; without `drop` nothing can be dragged.
    """

    def __init__(self, own: str, choose: Choose, drop: Drop | None) -> None:
        super().__init__()
        self._props.update({"rows": [], "chosen": "", "own": own, "movable": drop is not None})

        async def chosen(event: events.GenericEventArguments) -> None:
            await choose(str(event.args))

        async def dropped(event: events.GenericEventArguments) -> None:
            if drop is not None:
                await drop(str(event.args["branch"]), str(event.args["id"]))

        self.on("choose", chosen)
        self.on("drop-branch", dropped)

    def show(self, nodes: Sequence[Node]) -> None:
        """Draw these, which come newest first and each before its parents."""
        drawn = lanes.rows((node.id, node.parents) for node in nodes)
        self._props["rows"] = [_row(node, row, self._props["own"]) for node, row in zip(nodes, drawn, strict=True)]
        self.update()

    def look_at(self, chosen: str) -> None:
        """Show which commit is looked at."""
        self._props["chosen"] = chosen
        self.update()


def _row(node: Node, row: Row, own: str) -> Mapping[str, Any]:
    branches = sorted(node.branches, key=lambda branch: branch != own)
    return {
        "id": node.id,
        "short": short(node.id),
        "title": " ".join(node.title.split()) or node.kind,
        "kind": node.kind,
        "branches": branches[:LABELS],
        "tags": node.tags[:LABELS],
        "others": max(0, len(branches) - LABELS) + max(0, len(node.tags) - LABELS),
        "added": f"+{size(node.bytes_added)}",
        "tokens": f"{count(node.tokens)} tokens",
        "age": ago(node.created_at),
        "lane": row.lane,
        "strand": row.strand,
        "above": row.above,
        "below": row.below,
        "passing": [tuple(line) for line in row.passing],
        "ending": [tuple(line) for line in row.ending],
        "edges": [tuple(edge) for edge in row.edges],
    }
