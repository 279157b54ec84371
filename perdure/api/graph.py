"""The commits of a store as a graph: each with what stands at it, what it added, and its row of the drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import lanes, views
from .lanes import Row

if TYPE_CHECKING:
    from ..memory.graph import Node
    from ..memory.records import Commit, SessionInfo, Tag


class History(Protocol):
    """What is read of a store."""

    def sessions(self) -> list[SessionInfo]: ...

    def tags(self) -> list[Tag]: ...

    def resolve(self, rev: str, session: str | None = None) -> Commit: ...

    def walk(self, starts: Iterable[Commit], limit: int | None = None) -> list[Commit]: ...

    def nodes(self, name: str | None, listed: Iterable[Commit]) -> list[Node]: ...


class Drawn(NamedTuple):
    """A commit of a graph, and where it stands in the drawing."""

    node: Node
    row: Row


def graph(history: History, rev: str | None, limit: int | None = None, widest: int = lanes.WIDEST) -> list[Drawn]:
    """A revision (None: every session and tag) and all that it goes back to, the newest first and children before parents.

    At most `limit` commits, whose rows tell of the first `widest` lanes. Raises RevisionNotFound and the like.
    """
    nodes = history.nodes(None, history.walk(_starts(history, rev), limit))
    rows = lanes.rows(((node.commit.digest, node.commit.parents) for node in nodes), widest)
    return [Drawn(*each) for each in zip(nodes, rows, strict=True)]


def _starts(history: History, rev: str | None) -> list[Commit]:
    if rev is not None:
        return [history.resolve(rev)]
    return [*(info.head for info in history.sessions()), *(tag.commit for tag in history.tags())]


def shape(drawn: Drawn) -> dict[str, Any]:
    """What a graph adds to a commit's JSON."""
    row = drawn.row
    lines: Sequence[tuple[str, Sequence[Any]]] = [("passing", row.passing), ("ending", row.ending), ("edges", row.edges)]
    return {
        **views.node(drawn.node),
        "lane": row.lane,
        "strand": row.strand,
        "above": row.above,
        "below": row.below,
        **{name: [line._asdict() for line in found] for name, found in lines},
    }
