"""A session's journal as its commits tell it: for journals that lack what the database knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Ref
from ..stores.journal import JournalRecord
from . import commits, sessionlog, tree
from .records import Commit

_BLOCKS = "kv-block"


def whole(txn: ReadTxn, name: str, ref: Ref) -> list[dict[str, Any]]:
    """Bodies that tell the whole history of a branch, oldest first, each object once."""
    line = _line(txn, ref.target)
    told: set[Digest] = set()
    first = list(_small(txn, line[0].digest, told))
    return [
        *sessionlog.openings(ref.meta, name, line[0].digest, None, first),
        *(_body(txn, commit, told) for commit in line[1:]),
    ]


def untold(txn: ReadTxn, head: Digest, records: Iterable[JournalRecord]) -> list[dict[str, Any]]:
    """Bodies of the head's latest commits that a journal does not name: its process died between database and journal."""
    named = {record.body["commit"] for record in records if "commit" in record.body}
    missing: list[Commit] = []
    for commit in commits.history(txn, commits.read(txn, head)):
        if commit.digest in named:
            break
        missing.append(commit)
    told: set[Digest] = set()
    return [_body(txn, commit, told) for commit in reversed(missing)]


def _body(txn: ReadTxn, commit: Commit, told: set[Digest]) -> dict[str, Any]:
    covers = commit.state.journal[1] if commit.state else 0
    return {"t": "commit", "commit": commit.digest, "covers": covers, "records": list(_small(txn, commit.digest, told))}


def _line(txn: ReadTxn, head: Digest) -> list[Commit]:
    return list(reversed(list(commits.history(txn, commits.read(txn, head)))))


def _small(txn: ReadTxn, root: Digest, told: set[Digest]) -> Iterator[bytes]:
    """Every readable object below a commit that is not KV and was not told yet; parents are left to their own bodies."""
    stack = [root]
    while stack:
        digest = stack.pop()
        if digest in told:
            continue
        try:
            item = txn.get(digest)
        except (ObjectMissing, ObjectCorrupt):
            continue
        told.add(digest)
        yield codec.encode(item.kind, item.refs, item.meta, item.payload)[1]
        stack.extend(_below(txn, item.kind, item.refs, item.meta))


def _below(txn: ReadTxn, kind: str, refs: Iterable[Digest], meta: Any) -> list[Digest]:
    links = list(refs)
    if kind == commits.KIND:
        return links[: len(links) - meta["parents"]]
    if kind == tree.KIND and not meta["l"]:
        return [ref for ref in links if not _is_block(txn, ref)]
    return links


def _is_block(txn: ReadTxn, digest: Digest) -> bool:
    try:
        return txn.get(digest).kind == _BLOCKS
    except (ObjectMissing, ObjectCorrupt):
        return True
