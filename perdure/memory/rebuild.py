"""Bringing a lost database back from the journals. KV is left out: it is computed again when a session is next opened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from ..config import StoreOptions
from ..errors import ObjectCorrupt, ObjectMissing, RevisionNotFound
from ..stores.base import Digest, Store, WriteTxn
from ..stores.journal import Damage, Journal, JournalRecord, read_journal
from ..stores.lmdb import LmdbStore
from . import commits, names, sessionlog


class Rebuilt(NamedTuple):
    store: Store
    notes: list[str]
    lost: list[str]


class _Story(NamedTuple):
    uid: str
    records: list[JournalRecord]
    damage: list[Damage]


def set_aside(root: Path) -> str:
    """Rename the database's files so that a new one can take their place; returns the new name of data.mdb."""
    stamp = time.strftime("%Y%m%d-%H%M%S") + f"-{time.time_ns() % 1_000_000:06d}"
    kept = f"damaged-{stamp}-data.mdb"
    for name, new in (("data.mdb", kept), ("lock.mdb", f"damaged-{stamp}-lock.mdb")):
        if (root / name).exists():
            (root / name).rename(root / new)
    return kept


def rebuild(root: Path, options: StoreOptions, why: str) -> Rebuilt:
    """Make a new database out of the journals; the broken one is kept beside it. The caller has the store to itself."""
    kept = set_aside(root)
    store = LmdbStore(root, options)
    stories = [_Story(uid, *read_journal(root / "journals" / f"{uid}.journal")) for uid in Journal.list(root / "journals")]
    lost: list[str] = []
    with store.write() as txn:
        for story in stories:
            _put_objects(txn, story)
        for story in stories:
            if story.uid == sessionlog.STORE_UID:
                _replay_tags(txn, story)
            else:
                lost.extend(_replay_session(txn, story))
    sessions = sum(1 for story in stories if story.uid != sessionlog.STORE_UID)
    notes = [f"{why} It was set aside as {kept} and rebuilt from {sessions} journals; KV is computed again when needed."]
    return Rebuilt(store, notes, lost)


def _put_objects(txn: WriteTxn, story: _Story) -> None:
    for record in story.records:
        for encoded in record.body.get("records", ()):
            txn.put_record(encoded)


def _replay_session(txn: WriteTxn, story: _Story) -> list[str]:
    """Walk the branch through its recorded moves; returns sentences about what cannot be brought back."""
    opening = next((r for r in story.records if r.body["t"] == "open"), None)
    if opening is None:
        return [f"Journal {story.uid}: its opening record is lost, so its session's name is unknown."]
    if any(record.body["t"] == "removed" for record in story.records):
        return []
    name = opening.body["name"]
    moves = [(r.seq, r.body["commit"], r.body["t"]) for r in story.records if r.body["t"] in ("open", "commit", "reset")]
    at: Digest | None = None
    lost = [f"Session {name!r}: journal records {d.first_seq} to {d.last_seq} are damaged." for d in story.damage]
    for seq, target, how in moves:
        if not _readable(txn, target):
            lost.append(f"Session {name!r}: commit {target.hex()[:10]} cannot be rebuilt.")
            continue
        meta = {**opening.body["meta"], "seq": seq}
        txn.set_ref(names.head(name), at, target, meta=meta, reason=f"rebuilt: {how}")
        at = target
    return lost


def _replay_tags(txn: WriteTxn, story: _Story) -> None:
    for record in story.records:
        name = names.tag(record.body["name"])
        present = txn.ref(name)
        if present is not None:
            txn.delete_ref(name, present.target)
        if record.body["t"] == "tag" and _readable(txn, record.body["commit"]):
            txn.set_ref(name, None, record.body["commit"], meta={"session": record.body.get("session", "")}, reason="tag")


def _readable(txn: WriteTxn, digest: Digest) -> bool:
    try:
        commit = commits.read(txn, digest)
        commits.runs(txn, commit)
        commits.messages(txn, commit)
        commits.block_list(txn, commit)
    except (ObjectMissing, ObjectCorrupt, RevisionNotFound):
        return False
    return True
