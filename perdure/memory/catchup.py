"""Making the database agree with the journals, which are the truth.

When a store is opened, and after a repair, the database may lack what journals tell: LMDB fell back to an older state, a
ref vanished with a damaged page, the file is new, or a process died between journal and database.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing, RevisionNotFound, SessionBusy
from ..stores.base import Digest, Ref, Store, WriteTxn
from ..stores.journal import Damage, Journal, JournalRecord, read_journal
from ..stores.lease import Lease
from . import commits, names, sessionlog
from .workingcopy import WorkingCopy

if TYPE_CHECKING:
    from .repository import Repository

MOVES = ("open", "commit", "reset")


class Caught(NamedTuple):
    """Sentences about what was brought back, and about what could not be."""

    notes: list[str]
    lost: list[str]


class Stray(NamedTuple):
    """A journal that no branch belongs to."""

    uid: str
    records: list[JournalRecord]
    damage: list[Damage]

    @property
    def opening(self) -> JournalRecord | None:
        return next((record for record in self.records if record.body["t"] == "open"), None)

    @property
    def removed(self) -> bool:
        return any(record.body["t"] == "removed" for record in self.records)

    @property
    def name(self) -> str:
        return str(self.opening.body["name"]) if self.opening else ""

    @property
    def rank(self) -> tuple[bool, int]:
        """Those that hold more than their opening come first, then the older ones."""
        opening = self.opening
        return len(self.records) < 2, int(opening.body["meta"]["created"]) if opening else 0


def agree(repository: Repository) -> Caught:
    """Bring the database up to the journals, as far as nobody else is at work on them."""
    caught = Caught([], [])
    found = strays(repository.path, repository.store)
    if found:
        _adopt_alone(repository, found, caught)
    for name in _doubtful(repository.path, repository.store):
        _catch_up(repository, name, caught)
    _agree_tags(repository.path, repository.store, caught)
    return caught


def strays(root: Path, store: Store) -> list[Stray]:
    """Journals without a branch whose session was not removed."""
    directory = root / "journals"
    with store.read() as txn:
        known = {str(ref.meta["uid"]) for _, ref in txn.refs(names.HEADS)}
    uids = [uid for uid in Journal.list(directory) if uid not in known and uid != sessionlog.STORE_UID]
    found = [Stray(uid, *read_journal(directory / f"{uid}.journal")) for uid in uids]
    return sorted((stray for stray in found if not stray.removed), key=lambda stray: stray.rank)


def _adopt_alone(repository: Repository, found: list[Stray], caught: Caught) -> None:
    """A live process makes a journal before its branch, so this waits until nobody else has the store open."""
    try:
        with repository.alone():
            adopt(repository.path, repository.store, found, caught)
    except SessionBusy:
        return


def adopt(root: Path, store: Store, found: list[Stray], caught: Caught) -> None:
    """Bring back the sessions of stray journals, all or none; what merely began and was begun again is dropped."""
    superfluous = []
    with store.write() as txn:
        for stray in found:
            _put_objects(txn, stray.records)
        _put_others(txn, root / "journals", {stray.uid for stray in found})
        for stray in found:
            name = _free_name(txn, stray)
            if name is None:
                superfluous.append(stray.uid)
            else:
                _replay(txn, stray, name, caught)
    for uid in superfluous:
        Journal.remove(root / "journals", uid)


def _put_others(txn: WriteTxn, directory: Path, done: set[str]) -> None:
    """Forks need the objects of the journals they were forked from and tags those they name, removed ones among them."""
    for uid in Journal.list(directory):
        if uid not in done:
            _put_objects(txn, read_journal(directory / f"{uid}.journal")[0])


def _put_objects(txn: WriteTxn, records: list[JournalRecord]) -> None:
    for record in records:
        for encoded in record.body.get("records", ()):
            txn.put_record(encoded)


def _free_name(txn: WriteTxn, stray: Stray) -> str | None:
    """The name under which a stray comes back; None when it holds nothing and its name has been taken meanwhile."""
    if stray.opening is None or txn.ref(names.head(stray.name)) is None:
        return stray.name
    return f"{stray.name[:50]}-{stray.uid[:8]}" if len(stray.records) > 1 else None


def _replay(txn: WriteTxn, stray: Stray, name: str, caught: Caught) -> None:
    """Walk a branch through its recorded moves."""
    opening = stray.opening
    if opening is None:
        caught.lost.append(f"Journal {stray.uid}: its opening record is lost, so its session's name is unknown.")
        return
    caught.lost.extend(f"Session {name!r}: journal records {d.first_seq} to {d.last_seq} are damaged." for d in stray.damage)
    at: Digest | None = None
    for seq, body, _ in stray.records:
        if body["t"] not in MOVES:
            continue
        target = body["commit"]
        if not readable(txn, target):
            caught.lost.append(f"Session {name!r}: commit {target.hex()[:10]} cannot be rebuilt.")
            continue
        meta = {**opening.body["meta"], "seq": seq}
        if target != at:
            txn.set_ref(names.head(name), at, target, meta=meta, reason=f"rebuilt: {body['t']}")
        at = target
    if at is not None:
        caught.notes.append(f"Session {name!r} was missing from the database; it was restored from its journal.")


def _doubtful(root: Path, store: Store) -> list[str]:
    """Sessions whose mirror was not settled at what the database has taken in: one of the two is behind."""
    with store.read() as txn:
        heads = list(txn.refs(names.HEADS))
    directory = root / "journals"
    found = []
    for name, ref in heads:
        settled, applied = Journal.settled(directory, str(ref.meta["uid"])), int(ref.meta["seq"])
        if settled not in (applied, applied + 1) and (settled, applied) != (-1, 0):
            found.append(name.removeprefix(names.HEADS))
    return found


def _catch_up(repository: Repository, name: str, caught: Caught) -> None:
    copy = WorkingCopy(repository.store, repository.path, name)
    try:
        copy.acquire()
    except SessionBusy:
        return
    try:
        before, tail = copy.head, copy.tail()
        copy.apply(tail)
        if copy.head != before:
            caught.notes.append(f"The database was behind the journal of session {name!r}; it was brought up to it.")
    except (ObjectMissing, ObjectCorrupt) as error:
        caught.lost.append(f"Session {name!r}: its journal moved to a commit that cannot be read ({error}).")
    finally:
        caught.notes.extend(copy.notes)
        copy.release()


def _agree_tags(root: Path, store: Store, caught: Caught) -> None:
    """The store's own journal decides which tags there are, unless it is damaged itself."""
    directory = root / "journals"
    if _tags_agree(directory, store):
        return
    try:
        with store.write() as txn, Lease(root / "leases" / f"{sessionlog.STORE_UID}.lock"):
            records, damage = read_journal(directory / f"{sessionlog.STORE_UID}.journal")
            told = sessionlog.tags(records)
            present = dict(txn.refs(names.TAGS))
            if damage or not records:
                told = {**told, **_bodies(present)}
                _tell_tags(directory, records, damage, told)
                caught.notes.append("The journal of the tags was damaged; it was written anew from the database.")
            _drop_tags(txn, told, present)
            if not all(readable(txn, body["commit"]) for body in told.values()):
                _put_others(txn, directory, set())
            _set_tags(txn, told, present, caught)
    except SessionBusy:
        return


def _tags_agree(directory: Path, store: Store) -> bool:
    records, damage = read_journal(directory / f"{sessionlog.STORE_UID}.journal")
    told = {names.tag(name): body["commit"] for name, body in sessionlog.tags(records).items()}
    with store.read() as txn:
        return not damage and told == {name: ref.target for name, ref in txn.refs(names.TAGS)}


def _bodies(present: Mapping[str, Ref]) -> dict[str, dict[str, Any]]:
    return {
        name.removeprefix(names.TAGS): {
            "t": "tag",
            "name": name.removeprefix(names.TAGS),
            "commit": ref.target,
            "session": ref.meta.get("session", ""),
        }
        for name, ref in present.items()
    }


def _tell_tags(
    directory: Path, records: list[JournalRecord], damage: list[Damage], bodies: Mapping[str, Mapping[str, Any]]
) -> None:
    first = 1 + max([-1, *(record.seq for record in records), *(d.last_seq for d in damage)])
    told = list(bodies.values())
    Journal.rewrite(directory, sessionlog.STORE_UID, told, first_seq=first, unsettled=len(told))


def _drop_tags(txn: WriteTxn, told: Mapping[str, Mapping[str, Any]], present: Mapping[str, Ref]) -> None:
    for name, ref in present.items():
        if name.removeprefix(names.TAGS) not in told:
            txn.delete_ref(name, ref.target)


def _set_tags(txn: WriteTxn, told: Mapping[str, Mapping[str, Any]], present: Mapping[str, Ref], caught: Caught) -> None:
    for name, body in told.items():
        ref = present.get(names.tag(name))
        if ref is not None and ref.target == body["commit"]:
            continue
        if not readable(txn, body["commit"]):
            caught.lost.append(f"Tag {name!r}: its commit {body['commit'].hex()[:10]} cannot be read.")
            continue
        if ref is not None:
            txn.delete_ref(names.tag(name), ref.target)
        txn.set_ref(names.tag(name), None, body["commit"], meta={"session": body.get("session", "")}, reason="tag")
        caught.notes.append(f"Tag {name!r} was missing from the database; it was restored from the journal.")


def readable(txn: WriteTxn, digest: Digest) -> bool:
    """Whether all of a commit but its KV can be read."""
    try:
        commits.require(txn, commits.read(txn, digest))
    except (ObjectMissing, ObjectCorrupt, RevisionNotFound):
        return False
    return True
