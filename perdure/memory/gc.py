"""Garbage collection: what no branch, tag or recent reflog entry reaches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ObjectCorrupt, ObjectMissing, SessionBusy
from ..stores.base import Digest, ReadTxn, WriteTxn
from ..stores.journal import Journal, read_journal
from ..stores.lease import Lease
from . import ancestry, commits, names, reach, recall, sessionlog
from .records import Commit, GcReport

if TYPE_CHECKING:
    from .repository import Repository

_DAY_MS = 86_400_000


def collect(repository: Repository, *, dry_run: bool, expire_days: float, compact: bool) -> GcReport:
    """Mark and sweep inside one write transaction, so that no writer can race it. Raises StoreError if marking fails."""
    horizon = time.time_ns() // 1_000_000 - int(expire_days * _DAY_MS)
    with repository.store.write() as txn:
        roots = _roots(txn, horizon)
        live = reach.reachable(txn, roots) | _snapshots(txn, roots)
        dead = [digest for digest in txn.digests() if digest not in live]
        size = sum(txn.size(digest) for digest in dead)
        if not dry_run:
            _sweep(txn, dead, horizon)
    journals = _orphans(repository)
    if not dry_run:
        for uid in journals:
            Journal.remove(repository.path / "journals", uid)
        _drop_leases(repository)
        recall.sweep(repository.path / recall.FOLDER, repository.held())
    freed = repository.compact() if compact and not dry_run else 0
    return GcReport(len(dead), size, len(live), len(journals), dry_run, freed)


def drop_snapshots(txn: WriteTxn, gone: Iterable[Digest], head: Commit, name: str) -> None:
    """Delete snapshots that the branch `name`, about to stand at `head`, has let go of, and that no other ref stands on."""
    others = [ref.target for other, ref in txn.refs() if other != name]
    wanted = reach.snapshots(txn, head) | {mark.digest for mark in commits.checkpoints(head)} | _snapshots(txn, others)
    for digest in set(gone) - wanted:
        for summary in set(_refs(txn, digest)) - wanted:
            txn.delete(summary)
        txn.delete(digest)


def _refs(txn: ReadTxn, digest: Digest) -> Sequence[Digest]:
    try:
        return txn.get(digest).refs
    except (ObjectMissing, ObjectCorrupt):
        return ()


def _snapshots(txn: ReadTxn, roots: Iterable[Digest]) -> set[Digest]:
    """The snapshots that these commits, or cached prefixes, hold."""
    found: set[Digest] = set()
    for root in roots:
        try:
            item = txn.get(root)
            if item.kind == commits.KIND:
                commit = commits.read(txn, root)
                found.update(reach.snapshots(txn, commit), (mark.digest for mark in commits.checkpoints(commit)))
            else:
                found.update(reach.reachable(txn, [root]))
        except (ObjectMissing, ObjectCorrupt):
            continue
    return found


def _roots(txn: ReadTxn, horizon: int) -> set[Digest]:
    roots = set()
    for name, ref in txn.refs():
        roots.add(ref.target)
        for entry in txn.reflog(name):
            if entry.time_ms >= horizon:
                roots.update(digest for digest in (entry.old, entry.new) if digest is not None and txn.has(digest))
    return roots


def _sweep(txn: WriteTxn, dead: list[Digest], horizon: int) -> None:
    for name, _ in list(txn.refs()):
        txn.trim_reflog(name, horizon)
    for digest in dead:
        txn.delete(digest)


def _orphans(repository: Repository) -> list[str]:
    """Journals of removed sessions, and of such as were never begun, whose commits nothing stands on any more."""
    directory = repository.path / "journals"
    with repository.store.read() as txn:
        known = _known(txn)
        living = _living(txn)
    found = [uid for uid in Journal.list(directory) if uid not in known]
    return [uid for uid in found if _droppable(directory, uid, living)]


def _drop_leases(repository: Repository) -> None:
    """Delete the lock files of sessions that are gone, but of those that somebody is about to make."""
    with repository.store.read() as txn:
        known = _known(txn)
    for path in (repository.path / "leases").glob("*.lock"):
        if path.stem not in known:
            with suppress(SessionBusy), Lease(path) as lease:
                lease.remove()


def _known(txn: ReadTxn) -> set[str]:
    """Whose journals are written: the sessions that are there, and the store."""
    return {sessionlog.STORE_UID, *(str(ref.meta["uid"]) for _, ref in txn.refs(names.HEADS))}


def _living(txn: ReadTxn) -> set[Digest]:
    """Every commit that a branch or a tag goes back to."""
    living: set[Digest] = set()
    heads = [ref.target for prefix in (names.HEADS, names.TAGS) for _, ref in txn.refs(prefix)]
    for _ in ancestry.ancestors(txn, (commits.read(txn, head) for head in heads), living):
        pass
    return living


def _droppable(directory: Path, uid: str, living: set[Digest]) -> bool:
    records, _ = read_journal(directory / f"{uid}.journal")
    gone = any(record.body["t"] == "removed" for record in records)
    return gone and not any(record.body.get("commit") in living for record in records)
