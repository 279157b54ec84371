"""What can be reached from a commit. KV payloads are never read for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, ReadTxn
from . import commits, tree
from .records import Commit


def reachable(txn: ReadTxn, roots: Iterable[Digest]) -> set[Digest]:
    """All objects that the roots refer to, themselves included. Raises ObjectMissing or ObjectCorrupt: fail closed."""
    seen: set[Digest] = set()
    stack = list(roots)
    while stack:
        digest = stack.pop()
        if digest in seen:
            continue
        seen.add(digest)
        item = txn.get(digest)
        if item.kind == tree.KIND and not item.meta["l"]:
            seen.update(item.refs)
        elif item.kind == commits.KIND or item.refs:
            stack.extend(ref for ref in item.refs if ref not in seen)
    return seen


def snapshots(txn: ReadTxn, commit: Commit) -> set[Digest]:
    """The snapshots that a commit holds and the store still has, with what they refer to."""
    return with_parts(txn, (mark.digest for mark in commits.checkpoints(commit)))


def with_parts(txn: ReadTxn, digests: Iterable[Digest]) -> set[Digest]:
    """Those of the objects that the store has, with what they refer to."""
    found: set[Digest] = set()
    for digest in digests:
        try:
            item = txn.get(digest)
        except (ObjectMissing, ObjectCorrupt):
            found.update([digest] if txn.has(digest) else [])
            continue
        found.update([digest, *(ref for ref in item.refs if txn.has(ref))])
    return found


def missing(txn: ReadTxn, roots: Iterable[Digest]) -> Iterator[tuple[Digest, str]]:
    """(digest, what it was needed for) of everything reachable that is absent or unreadable; goes on past holes."""
    seen: set[Digest] = set()
    stack = [(root, "a ref") for root in roots]
    while stack:
        digest, why = stack.pop()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            item = txn.get(digest)
        except (ObjectMissing, ObjectCorrupt):
            yield digest, why
            continue
        leaf = item.kind == tree.KIND and not item.meta["l"]
        for ref in item.refs:
            if leaf and ref not in seen:
                seen.add(ref)
                if not txn.has(ref):
                    yield ref, "a list entry"
            elif not leaf:
                stack.append((ref, f"a {item.kind}"))
