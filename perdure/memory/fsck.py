"""Examining a store and mending it from its other copies.

Three copies back each other: objects in the database, small objects again in the journals' commit records, and KV in the
token log it was computed from. A child process reads the database first, since a broken page may kill its reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ObjectCorrupt, ObjectMissing, SessionBusy, StoreDamaged
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Ref, Store
from ..stores.journal import Damage, Journal, JournalRecord, read_journal
from ..stores.lease import Lease
from ..stores.walk import walk
from . import commits, names, reach, sessionlog, tree
from .records import Commit, FsckReport, Problem
from .workingcopy import BLOCK

if TYPE_CHECKING:
    from .repository import Repository


def require_sound(root: Path) -> None:
    """Have a child walk the database after an unclean end. Raises StoreDamaged when its structure is broken."""
    if not (root / "data.mdb").exists():
        return
    report = walk(root, deep=False)
    if report.crashed:
        raise StoreDamaged(f"The database in {root} is broken: {report.crashed}.")


def check(repository: Repository, *, repair: bool, progress: Callable[[int, int], None] | None = None) -> FsckReport:
    """Examine everything; with `repair` mend what another copy can mend. Never touches a session that is being written."""
    problems: list[Problem] = []
    lost: list[str] = []
    report = walk(repository.path, deep=True, progress=progress)
    if report.crashed:
        problems.append(Problem("database", f"The database is broken: {report.crashed}.", repair))
        if not repair:
            return FsckReport(report.objects, report.bytes, 0, tuple(problems), ())
        lost.extend(repository.rebuild(f"The database was broken: {report.crashed}."))
    archive = _archive(repository.path / "journals")
    corrupt = set() if report.crashed else {bytes.fromhex(text) for text in report.corrupt}
    problems.extend(_objects(repository.store, corrupt, archive, lost, repair=repair))
    journals = 0
    for name, ref in _heads(repository.store):
        journals += 1
        problems.extend(_journal(repository, name, ref, repair=repair))
    return FsckReport(report.objects, report.bytes, journals, tuple(problems), tuple(lost))


def heal(store: Store, meta: dict[str, object], payload: bytes, digest: Digest) -> bool:
    """Put a recomputed KV block back under its digest; False (and nothing stored) when the bytes are not the same."""
    found, record = codec.encode(BLOCK, (), meta, payload)
    if found != digest:
        return False
    with store.write() as txn:
        txn.put_record(record)
    return True


def verify_objects(txn: ReadTxn, head: Commit, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Re-hash (BLAKE3) everything that a commit refers to."""
    problems = [
        Problem(f"object {digest.hex()[:12]}", f"Object {digest.hex()[:12]}, needed by {why}, is missing or damaged.", False)
        for digest, why in reach.missing(txn, [head.digest])
    ]
    bad = {problem.subject for problem in problems}
    digests = sorted(_present(txn, head.digest))
    for done, digest in enumerate(digests, 1):
        subject = f"object {digest.hex()[:12]}"
        if subject not in bad and not _intact(txn, digest):
            problems.append(Problem(subject, f"Object {digest.hex()[:12]} does not match its digest.", False))
        if progress is not None:
            progress(done, len(digests))
    return problems


def _present(txn: ReadTxn, root: Digest) -> set[Digest]:
    seen: set[Digest] = set()
    stack = [root]
    while stack:
        digest = stack.pop()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            item = txn.get(digest)
        except (ObjectMissing, ObjectCorrupt):
            continue
        if item.kind == tree.KIND and not item.meta["l"]:
            seen.update(item.refs)
        else:
            stack.extend(item.refs)
    return seen


def _intact(txn: ReadTxn, digest: Digest) -> bool:
    try:
        item = txn.get(digest)
    except (ObjectMissing, ObjectCorrupt):
        return False
    return codec.encode(item.kind, item.refs, item.meta, item.payload)[0] == digest


def _archive(directory: Path) -> dict[Digest, bytes]:
    """Every small object that the journals hold, by digest."""
    found = {}
    for uid in Journal.list(directory):
        for record in read_journal(directory / f"{uid}.journal")[0]:
            for encoded in record.body.get("records", ()):
                found[codec.digest_of(encoded)] = encoded
    return found


def _objects(
    store: Store, corrupt: set[Digest], archive: dict[Digest, bytes], lost: list[str], *, repair: bool
) -> Iterator[Problem]:
    with store.read() as txn:
        roots = [ref.target for _, ref in txn.refs()]
        wanted = {digest for digest, _ in reach.missing(txn, roots)}
    for digest in sorted(corrupt | wanted):
        short = digest.hex()[:12]
        what = "is damaged" if digest in corrupt else "is missing"
        if digest in archive:
            yield Problem(f"object {short}", f"Object {short} {what}; a journal holds its copy.", repair)
            if repair:
                _put(store, archive[digest])
        elif digest in corrupt:
            yield Problem(f"object {short}", f"Object {short} {what}; if it is KV it is computed again when needed.", repair)
            if repair:
                _drop(store, digest)
        elif _is_leaf(store, digest):
            yield Problem(f"object {short}", f"KV block {short} {what}; it is computed again when needed.", repair)
        else:
            yield Problem(f"object {short}", f"Object {short} {what} and no journal holds a copy.", False)
            lost.append(f"Object {short}.")


def _is_leaf(store: Store, digest: Digest) -> bool:
    """Whether a missing object is a KV block of some branch (anything else has a copy in a journal)."""
    with store.read() as txn:
        for _, ref in txn.refs():
            try:
                head = commits.read(txn, ref.target)
                if any(
                    digest == block
                    for commit in commits.history(txn, head)
                    for _, _, block in commits.block_list(txn, commit)
                ):
                    return True
            except (ObjectMissing, ObjectCorrupt):
                continue
    return False


def _put(store: Store, record: bytes) -> None:
    with store.write() as txn:
        txn.put_record(record)


def _drop(store: Store, digest: Digest) -> None:
    with store.write() as txn:
        txn.delete(digest)


def _heads(store: Store) -> list[tuple[str, Ref]]:
    with store.read() as txn:
        return [(name.removeprefix(names.HEADS), ref) for name, ref in txn.refs(names.HEADS)]


def _journal(repository: Repository, name: str, ref: Ref, *, repair: bool) -> Iterator[Problem]:
    """Hold a session's journal against its branch, and write it anew from the database where it is damaged."""
    uid = str(ref.meta["uid"])
    directory = repository.path / "journals"
    records, damage = read_journal(directory / f"{uid}.journal")
    seqs = {record.seq for record in records}
    whole = (uid in Journal.list(directory) and not damage and 0 in seqs) or _rewritten(records)
    if whole and not damage:
        return
    mended = repair and _mend_journal(repository, name, ref, records)
    where = _where(damage)
    yield Problem(f"journal of {name}", f"The journal of session {name!r} is damaged{where}.", mended)


def _rewritten(records: list[JournalRecord]) -> bool:
    return bool(records) and records[0].body["t"] == "open"


def _where(damage: list[Damage]) -> str:
    return "" if not damage else " (" + ", ".join(f"records {d.first_seq}-{d.last_seq}" for d in damage) + ")"


def _mend_journal(repository: Repository, name: str, ref: Ref, records: list[JournalRecord]) -> bool:
    """Write a journal anew: the commits from the database, then the records that the database has not taken in."""
    lease = Lease(repository.path / "leases" / f"{ref.meta['uid']}.lock")
    try:
        lease.acquire()
    except SessionBusy:
        return False
    try:
        tail = [record.body for record in records if record.seq > ref.meta["seq"] and record.body["t"] != "open"]
        bodies = [*_retold(repository.store, name, ref), *tail]
        Journal.rewrite(repository.path / "journals", str(ref.meta["uid"]), bodies, first_seq=ref.meta["seq"] + 1)
    finally:
        lease.release()
    return True


def _retold(store: Store, name: str, ref: Ref) -> list[dict[str, object]]:
    """A session's journal as its commits tell it, oldest first, each object once."""
    bodies: list[dict[str, object]] = []
    told: set[Digest] = set()
    with store.read() as txn:
        for commit in reversed(list(commits.history(txn, commits.read(txn, ref.target)))):
            records = list(_small(txn, commit.digest, told))
            if not bodies:
                bodies.append(sessionlog.opening(ref.meta, name, commit.digest, None, records))
            else:
                bodies.append({"t": "commit", "commit": commit.digest, "covers": 0, "records": records})
    return bodies


def _small(txn: ReadTxn, root: Digest, told: set[Digest]) -> Iterator[bytes]:
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
        if item.kind == BLOCK:
            continue
        yield bytes(codec.encode(item.kind, item.refs, item.meta, item.payload)[1])
        stack.extend(item.refs)
