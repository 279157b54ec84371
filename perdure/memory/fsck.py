"""Examining a store and mending it from its other copies.

Three copies back each other: objects in the database, small objects again in the journals' commit records, and KV in the
token log it was computed from. A child process reads the database first, since a broken page may kill its reader.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ObjectCorrupt, ObjectMissing, SessionBusy, StoreDamaged
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Ref, Store
from ..stores.journal import Damage, Journal, JournalRecord, read_journal
from ..stores.lease import Lease
from ..stores.walk import walk
from . import commits, names, reach, retell, tree
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
    broken = [f"The database is broken: {report.crashed}."] if report.crashed else report.problems
    problems.extend(Problem("database", sentence, repair) for sentence in broken)
    if broken and not repair:
        return FsckReport(report.objects, report.bytes, 0, tuple(problems), ())
    if broken:
        lost.extend(repository.rebuild(broken[0], salvage=not report.crashed))
    archive = _archive(repository.path / "journals")
    corrupt = set() if broken else {bytes.fromhex(text) for text in report.corrupt}
    problems.extend(_objects(repository.store, corrupt, archive, lost, repair=repair))
    heads = _heads(repository.store)
    for name, ref in heads:
        problems.extend(_journal(repository, name, ref, repair=repair))
    return FsckReport(report.objects, report.bytes, len(heads), tuple(problems), tuple(lost))


def heal(store: Store, meta: dict[str, object], payload: bytes, digest: Digest, lineage: Digest) -> bool:
    """Put a recomputed KV block back under its digest; False (and nothing stored) when the bytes are not the same."""
    found, record = codec.encode(BLOCK, (), meta, payload)
    if found != digest:
        return False
    with store.write() as txn:
        txn.put_record(record)
        txn.link(lineage, digest)
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
    """Whether a missing object is a KV block of some branch or tag, which can be computed again."""
    with store.read() as txn:
        for prefix in (names.HEADS, names.TAGS):
            for _, ref in txn.refs(prefix):
                with contextlib.suppress(ObjectMissing, ObjectCorrupt):
                    for commit in commits.history(txn, commits.read(txn, ref.target)):
                        if any(digest == block for _, _, block in commits.block_list(txn, commit)):
                            return True
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
    """Hold a session's journal against its branch, and write it anew from the database where it is damaged or behind."""
    uid = str(ref.meta["uid"])
    records, damage = read_journal(repository.path / "journals" / f"{uid}.journal")
    opened = any(record.body["t"] == "open" for record in records)
    with repository.store.read() as txn:
        behind = retell.untold(txn, ref.target, records) if opened else []
    if opened and not damage and not behind:
        return
    mended = repair and _mend_journal(repository, name, ref, records)
    what = f"is damaged{_where(damage)}" if damage or not opened else "lacks the latest commit"
    yield Problem(f"journal of {name}", f"The journal of session {name!r} {what}.", mended)


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
        with repository.store.read() as txn:
            bodies = [*retell.whole(txn, name, ref), *tail]
        Journal.rewrite(repository.path / "journals", str(ref.meta["uid"]), bodies, first_seq=ref.meta["seq"] + 1)
    finally:
        lease.release()
    return True
