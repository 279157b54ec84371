"""Bringing a lost database back from the journals. KV is left out: it is computed again when a session is next opened."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from ..config import StoreOptions
from ..errors import ObjectCorrupt, ObjectMissing, RevisionNotFound
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Store, WriteTxn
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


def rebuild(root: Path, options: StoreOptions, why: str, *, salvage: bool = False) -> Rebuilt:
    """Make a new database out of the journals; the broken one is kept beside it. The caller has the store to itself.

    With `salvage` the old database can be read, and its sound objects are taken over.
    """
    kept = set_aside(root)
    store = LmdbStore(root, options)
    if salvage:
        _salvage(root / kept, store, options)
    stories = [_Story(uid, *read_journal(root / "journals" / f"{uid}.journal")) for uid in Journal.list(root / "journals")]
    lost: list[str] = []
    with store.write() as txn:
        for story in stories:
            _put_objects(txn, story)
        for story in stories:
            if story.uid == sessionlog.STORE_UID:
                lost.extend(_replay_tags(txn, story))
            else:
                lost.extend(_replay_session(txn, story))
    sessions = sum(1 for story in stories if story.uid != sessionlog.STORE_UID)
    notes = [f"{why} It was set aside as {kept} and rebuilt from {sessions} journals; KV is computed again when needed."]
    return Rebuilt(store, notes, lost)


def _salvage(old: Path, store: Store, options: StoreOptions) -> None:
    """Copy every object and link that verifies out of a database file."""
    with tempfile.TemporaryDirectory(dir=old.parent, prefix=".salvage-") as folder:
        (Path(folder) / "data.mdb").hardlink_to(old)
        source = LmdbStore(Path(folder), options, read_only=True)
        try:
            with source.read() as txn, store.write() as into:
                for digest in txn.digests():
                    _copy_object(txn, into, digest)
                for lineage, digest in txn.lineages():
                    if into.has(digest):
                        into.link(lineage, digest)
        finally:
            source.close()


def _copy_object(txn: ReadTxn, into: WriteTxn, digest: Digest) -> None:
    with contextlib.suppress(ObjectCorrupt, ObjectMissing):
        item = txn.get(digest)
        found, record = codec.encode(item.kind, item.refs, item.meta, item.payload)
        if found == digest:
            into.put_record(record)


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


def _replay_tags(txn: WriteTxn, story: _Story) -> list[str]:
    lost = []
    for record in story.records:
        name = names.tag(record.body["name"])
        present = txn.ref(name)
        if present is not None:
            txn.delete_ref(name, present.target)
        if record.body["t"] != "tag":
            continue
        if _readable(txn, record.body["commit"]):
            txn.set_ref(name, None, record.body["commit"], meta={"session": record.body["session"]}, reason="tag")
        else:
            lost.append(f"Tag {record.body['name']!r}: its commit {record.body['commit'].hex()[:10]} cannot be rebuilt.")
    return lost


def _readable(txn: WriteTxn, digest: Digest) -> bool:
    try:
        commit = commits.read(txn, digest)
        commits.runs(txn, commit)
        commits.messages(txn, commit)
        commits.block_list(txn, commit)
    except (ObjectMissing, ObjectCorrupt, RevisionNotFound):
        return False
    return True
