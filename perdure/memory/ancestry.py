"""What a commit goes back to along all of its parents: a merge has two, and the first is the one it goes on from."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from ..stores.base import Digest, ReadTxn
from . import commits
from .records import Commit


def ancestors(txn: ReadTxn, starts: Iterable[Commit], known: set[Digest] | None = None) -> Iterator[Commit]:
    """Commits and all that they go back to, each once, the newest first; none that is in `known`, which the others join.

    Raises ObjectMissing or ObjectCorrupt where one cannot be read.
    """
    seen = set() if known is None else known
    waiting: list[tuple[int, Digest, Commit]] = []
    for start in starts:
        _enter(waiting, seen, start)
    while waiting:
        _, _, commit = heapq.heappop(waiting)
        yield commit
        for parent in commit.parents:
            if parent not in seen:
                _enter(waiting, seen, commits.read(txn, parent))


def _enter(waiting: list[tuple[int, Digest, Commit]], seen: set[Digest], commit: Commit) -> None:
    if commit.digest not in seen:
        seen.add(commit.digest)
        heapq.heappush(waiting, (-commit.time_ms, commit.digest, commit))


def common(txn: ReadTxn, a: Commit, b: Commit) -> Commit | None:
    """The last commit that both go back to, one of them if the other goes back to it; None where there is none.

    Of several that do not go back to each other, as after two merges crosswise, the newest.
    """
    known: set[Digest] = set()
    for _ in ancestors(txn, [a], known):
        pass
    both = [commit for commit in ancestors(txn, [b]) if commit.digest in known]
    passed = {parent for commit in both for parent in commit.parents}
    return next((commit for commit in both if commit.digest not in passed), None)


def leads_to(txn: ReadTxn, earlier: Digest, later: Commit) -> bool:
    """Whether a commit is another one, or that goes back to it."""
    return any(commit.digest == earlier for commit in ancestors(txn, [later]))
