"""The commits of a store as a graph: each with its row of the drawing, what stands at it, and what it added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import lanes
from .lanes import Row

if TYPE_CHECKING:
    from ..memory.records import Commit, SessionInfo, Tag


class History(Protocol):
    """What is read of a store."""

    def sessions(self) -> list[SessionInfo]: ...

    def tags(self) -> list[Tag]: ...

    def resolve(self, rev: str, session: str | None = None) -> Commit: ...

    def walk(self, starts: Iterable[Commit], limit: int | None = None) -> list[Commit]: ...


class Refs(NamedTuple):
    """The sessions and tags that stand at a commit."""

    sessions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Node(NamedTuple):
    """One commit of a graph; `added` are the bytes of KV and snapshots that it has and its first parent had not."""

    commit: Commit
    row: Row
    refs: Refs
    added: int


def graph(history: History, rev: str | None, limit: int | None = None, widest: int = lanes.WIDEST) -> list[Node]:
    """A revision (None: every session and tag) and all that it goes back to, the newest first and children before parents.

    At most `limit` commits, whose rows tell of the first `widest` lanes. Raises RevisionNotFound and the like.
    """
    sessions, tags = history.sessions(), history.tags()
    starts = [*(info.head for info in sessions), *(tag.commit for tag in tags)] if rev is None else [history.resolve(rev)]
    found = history.walk(starts, limit)
    links = [(commit.digest, commit.parents) for commit in found]
    order = lanes.ordered(links)
    names, known = refs(sessions, tags), {commit.digest: commit for commit in found}
    return [
        Node(found[at], row, names.get(found[at].digest, Refs()), _added(history, found[at], known))
        for at, row in zip(order, lanes.rows((links[at] for at in order), widest), strict=True)
    ]


def refs(sessions: Iterable[SessionInfo], tags: Iterable[Tag]) -> Mapping[bytes, Refs]:
    """What stands where, by the commits' digests."""
    found: dict[bytes, tuple[list[str], list[str]]] = {}
    for info in sessions:
        found.setdefault(info.head.digest, ([], []))[0].append(info.name)
    for tag in tags:
        found.setdefault(tag.commit.digest, ([], []))[1].append(tag.name)
    return {digest: Refs(tuple(names), tuple(marks)) for digest, (names, marks) in found.items()}


def added(commit: Commit, parent: Commit | None) -> int:
    """Bytes of KV and snapshots that a commit has and its parent had not."""
    if commit.state is None:
        return 0
    before = parent.state if parent is not None else None
    held = {mark.digest for mark in before.checkpoints} if before else set()
    fresh = sum(mark.nbytes for mark in commit.state.checkpoints if mark.digest not in held)
    return max(0, commit.state.kv_bytes - (before.kv_bytes if before else 0)) + fresh


def _added(history: History, commit: Commit, known: Mapping[bytes, Commit]) -> int:
    parent = commit.parents[0] if commit.parents else None
    return added(commit, None if parent is None else known.get(parent) or history.resolve(parent.hex()))


def shape(node: Node) -> dict[str, Any]:
    """What a graph adds to a commit's JSON."""
    row = node.row
    lines: Sequence[tuple[str, Sequence[Any]]] = [("passing", row.passing), ("ending", row.ending), ("edges", row.edges)]
    return {
        "refs": {"sessions": list(node.refs.sessions), "tags": list(node.refs.tags)},
        "added_bytes": node.added,
        "lane": row.lane,
        "strand": row.strand,
        "above": row.above,
        "below": row.below,
        **{name: [line._asdict() for line in found] for name, found in lines},
    }
