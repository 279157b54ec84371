"""Commits as a graph, those of a session and all that was forked from it or others, and what each added to the store."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, ReadTxn
from . import ancestry, commits, names, reach, tree
from .records import Commit, StateRefs

WORKING, SNAPSHOTS, EPISODIC, FAST_WEIGHTS, LOG = "working", "snapshots", "episodic", "fast-weights", "log"
TIERS = (WORKING, SNAPSHOTS, EPISODIC, FAST_WEIGHTS, LOG)

LISTS: Mapping[str, str] = {
    "blocks": WORKING,
    "windows": WORKING,
    "episodes": EPISODIC,
    "episode_kv": EPISODIC,
    "ledger": FAST_WEIGHTS,
    "refused": FAST_WEIGHTS,
    "opened": FAST_WEIGHTS,
    "token_log": LOG,
    "message_table": LOG,
    "events": LOG,
}
OBJECTS = ("boundary", "layout", "trace", "request")


class Node(NamedTuple):
    """A commit, the branches and tags that stand at it, and how many bytes it added, by tier."""

    commit: Commit
    branches: tuple[str, ...]
    tags: tuple[str, ...]
    added: Mapping[str, int]

    @property
    def nbytes(self) -> int:
        return sum(self.added.values())


def family(txn: ReadTxn, name: str) -> dict[str, Digest]:
    """Where a session stands, and where all do that were forked from it, from one of these, and so on."""
    origins = {ref_name.removeprefix(names.HEADS): (ref.meta["from"], ref.target) for ref_name, ref in txn.refs(names.HEADS)}
    forks: dict[str, list[str]] = {}
    for each, (origin, _) in origins.items():
        forks.setdefault(origin, []).append(each)
    found: dict[str, Digest] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in origins and each not in found:
            found[each] = origins[each][1]
            waiting.extend(forks.get(each, ()))
    return found


def heads(txn: ReadTxn) -> dict[str, Digest]:
    """Where every session stands."""
    return {name.removeprefix(names.HEADS): ref.target for name, ref in txn.refs(names.HEADS)}


def ordered(txn: ReadTxn, starts: Iterable[Commit], limit: int | None = None) -> list[Commit]:
    """Commits and all that they go back to, the newest first and none before those that go back to it; `limit` at most.

    Raises ObjectMissing or ObjectCorrupt where one cannot be read.
    """
    found = {commit.digest: commit for commit in islice(ancestry.ancestors(txn, starts), limit)}
    children = Counter(parent for commit in found.values() for parent in commit.parents if parent in found)
    ready = [(-commit.time_ms, digest) for digest, commit in found.items() if not children[digest]]
    heapq.heapify(ready)
    result = []
    while ready:
        commit = found[heapq.heappop(ready)[1]]
        result.append(commit)
        for parent in commit.parents:
            if parent not in found:
                continue
            children[parent] -= 1
            if not children[parent]:
                heapq.heappush(ready, (-found[parent].time_ms, parent))
    return result


def nodes(txn: ReadTxn, listed: Iterable[Commit], heads: Mapping[str, Digest]) -> Iterator[Node]:
    """Some commits with what stands at them. Raises ObjectMissing or ObjectCorrupt."""
    tags = _standing((name.removeprefix(names.TAGS), ref.target) for name, ref in txn.refs(names.TAGS))
    branches = _standing(heads.items())
    known = {commit.digest: commit for commit in listed}
    for digest, commit in known.items():
        parents = [known.get(parent) or commits.read(txn, parent) for parent in commit.parents]
        yield Node(commit, branches.get(digest, ()), tags.get(digest, ()), added(txn, commit, parents))


def _standing(places: Iterable[tuple[str, Digest]]) -> dict[Digest, tuple[str, ...]]:
    """The names that stand at each commit."""
    found: dict[Digest, list[str]] = {}
    for name, digest in sorted(places):
        found.setdefault(digest, []).append(name)
    return {digest: tuple(listed) for digest, listed in found.items()}


def added(txn: ReadTxn, commit: Commit, parents: Sequence[Commit]) -> dict[str, int]:
    """Bytes of the stored objects that a commit refers to and none of its parents does, by tier.

    A list that cannot be read counts for nothing: a damaged store still has a history to look at.
    """
    fresh = dict.fromkeys(TIERS, 0)
    fresh[LOG] += txn.size(commit.digest)
    state = commit.state
    if state is None:
        return fresh
    older = [parent.state for parent in parents if parent.state is not None]
    for field, tier in LISTS.items():
        fresh[tier] += sum(txn.size(digest) for digest in _fresh(txn, state, older, field))
    known = {getattr(each, field) for each in older for field in OBJECTS} | {parent.recipe for parent in parents}
    mine = {commit.recipe, *(getattr(state, field) for field in OBJECTS)} - known
    fresh[LOG] += sum(txn.size(digest) for digest in mine if digest is not None)
    fresh[SNAPSHOTS] += sum(txn.size(digest) for digest in _snapshots(txn, state, older))
    return fresh


def _snapshots(txn: ReadTxn, state: StateRefs, older: Sequence[StateRefs]) -> set[Digest]:
    """The stored snapshots that no parent has; with their summaries where something has left the window."""
    known = {mark.digest for each in older for mark in each.checkpoints}
    new = {mark.digest for mark in state.checkpoints} - known
    if state.events is None or not new:
        return new
    # The snapshots between two evictions share a summary, and that of a parent's last one is as old as any.
    last = {each.checkpoints[-1].digest for each in older if each.checkpoints}
    return reach.with_parts(txn, new) - reach.with_parts(txn, last)


def _fresh(txn: ReadTxn, state: StateRefs, older: Sequence[StateRefs], field: str) -> set[Digest]:
    """The nodes and objects of one of a commit's lists that none of its parents has there."""
    root, roots = getattr(state, field), [getattr(parent, field) for parent in older] or [None]
    if root in roots:
        return set()
    try:
        return set.intersection(*(tree.differing(txn, root, other)[0] for other in roots))
    except (ObjectMissing, ObjectCorrupt):
        return set()
