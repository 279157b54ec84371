"""Garbage collection: what no branch, tag or recent reflog entry reaches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..stores.base import Digest, ReadTxn, WriteTxn
from ..stores.journal import Journal, read_journal
from . import names, reach, retelling, sessionlog
from .records import GcReport

if TYPE_CHECKING:
    from .repository import Repository

_DAY_MS = 86_400_000


def collect(repository: Repository, *, dry_run: bool, expire_days: float, compact: bool) -> GcReport:
    """Mark and sweep inside one write transaction, so that no writer can race it. Raises StoreError if marking fails."""
    horizon = time.time_ns() // 1_000_000 - int(expire_days * _DAY_MS)
    with repository.store.write() as txn:
        live = reach.reachable(txn, _roots(txn, horizon))
        dead = [digest for digest in txn.digests() if digest not in live]
        size = sum(txn.size(digest) for digest in dead)
        if not dry_run:
            _sweep(txn, dead, horizon)
    journals = _orphans(repository)
    if not dry_run:
        for uid in journals:
            Journal.remove(repository.path / "journals", uid)
    freed = repository.compact() if compact and not dry_run else 0
    return GcReport(len(dead), size, len(live), len(journals), dry_run, freed)


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
    """Journals of removed sessions that nothing else builds on."""
    directory = repository.path / "journals"
    with repository.store.read() as txn:
        known = {str(ref.meta["uid"]) for _, ref in txn.refs(names.HEADS)}
    return [
        uid
        for uid in Journal.list(directory)
        if uid not in known and uid != sessionlog.STORE_UID and removed(directory, uid) and not is_needed(directory, uid)
    ]


def removed(directory: Path, uid: str) -> bool:
    """Whether a journal says that its session was removed."""
    records, _ = read_journal(directory / f"{uid}.journal")
    return any(record.body["t"] == "removed" for record in records)


def is_needed(directory: Path, uid: str) -> bool:
    """Whether a rebuild needs a removed session's journal: others were forked from it, or a tag names a commit in it."""
    if any(_base(directory, other) == uid for other in Journal.list(directory) if other not in (uid, sessionlog.STORE_UID)):
        return True
    tagged = sessionlog.tags(read_journal(directory / f"{sessionlog.STORE_UID}.journal")[0]).values()
    targets = {body["commit"] for body in tagged}
    return any(record.body.get("commit") in targets for record in read_journal(directory / f"{uid}.journal")[0])


def _base(directory: Path, uid: str) -> str | None:
    records, _ = read_journal(directory / f"{uid}.journal")
    base = retelling.base_of(records)
    return base[0] if base else None
