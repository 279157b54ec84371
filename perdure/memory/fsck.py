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
from ..stores.journal import Journal, read_journal
from ..stores.lease import Lease
from ..stores.lmdb import LmdbStore
from ..stores.walk import WalkReport, walk
from . import catchup, commits, names, reach, retelling, tree
from .records import Commit, FsckReport, Problem

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
    """Examine everything; with `repair` mend what another copy can mend. Never touches a session that is being written.

    `progress` is told bytes of objects read, and those of the database, all of which need not be objects.
    """
    problems: list[Problem] = []
    lost: list[str] = []
    report = _walked(repository, progress or (lambda done, total: None))
    if report.crashed:
        problems.append(Problem("database", f"The database is broken: {report.crashed}.", repair))
        if not repair:
            return FsckReport(report.objects, report.bytes, 0, tuple(problems), ())
        lost.extend(repository.rebuild(f"The database was broken: {report.crashed}."))
    elif report.problems:
        problems.extend(Problem("index", sentence, repair) for sentence in report.problems)
        if not repair:
            return FsckReport(report.objects, report.bytes, 0, tuple(problems), ())
        repository.drop_damaged()
    archive = _archive(repository.path / "journals")
    corrupt = set() if report.crashed else {bytes.fromhex(text) for text in report.corrupt}
    problems.extend(_all_objects(repository.store, corrupt, archive, lost, repair=repair))
    heads = _heads(repository.store)
    for name, ref in heads:
        problems.extend(_journal(repository, name, ref, lost, repair=repair))
    problems.extend(_disagreements(repository, lost, repair=repair))
    return FsckReport(report.objects, report.bytes, len(heads), tuple(problems), tuple(dict.fromkeys(lost)))


def _walked(repository: Repository, progress: Callable[[int, int], None]) -> WalkReport:
    disk = repository.store.bytes_on_disk()
    report = walk(repository.path, deep=True, progress=lambda _, size: progress(min(size, disk), disk))
    progress(disk, disk)
    return report


def heal(store: Store, kind: str, meta: dict[str, object], payload: bytes, digest: Digest, lineage: Digest) -> bool:
    """Put a recomputed block or snapshot back under its digest; False, with nothing stored, when its bytes differ."""
    found, record = codec.encode(kind, (), meta, payload)
    if found != digest:
        return False
    with store.write() as txn:
        txn.put_record(record)
        txn.link(lineage, digest)
    return True


def verify_objects(txn: ReadTxn, head: Commit, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Re-hash (BLAKE3) everything that a commit refers to, and those of its snapshots that were not let go of."""
    problems = [
        Problem(f"object {digest.hex()[:12]}", f"Object {digest.hex()[:12]}, needed by {why}, is missing or damaged.", False)
        for digest, why in reach.missing(txn, [head.digest])
    ]
    bad = {problem.subject for problem in problems}
    digests = sorted(_present(txn, head.digest) | reach.snapshots(txn, head))
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
    found: dict[Digest, bytes] = {}
    for uid in Journal.list(directory):
        found.update(retelling.archived(read_journal(directory / f"{uid}.journal")[0]))
    return found


def _all_objects(
    store: LmdbStore, corrupt: set[Digest], archive: dict[Digest, bytes], lost: list[str], *, repair: bool
) -> list[Problem]:
    """Examined until nothing more is put back, since an object that returns may refer to others that are missing."""
    found: dict[str, Problem] = {}
    fresh = {problem.subject: problem for problem in _objects(store, corrupt, archive, lost, repair=repair)}
    while fresh.keys() - found.keys():
        found = {**fresh, **found}
        if repair:
            fresh = {problem.subject: problem for problem in _objects(store, set(), archive, lost, repair=True)}
    return list(found.values())


def _objects(
    store: LmdbStore, corrupt: set[Digest], archive: dict[Digest, bytes], lost: list[str], *, repair: bool
) -> Iterator[Problem]:
    yield from _cache(store, corrupt, repair=repair)
    with store.read() as txn:
        wanted = {digest for digest, _ in reach.missing(txn, _roots(txn))}
        computed = _computed(txn)
    for digest in sorted(corrupt | wanted):
        what = f"Object {digest.hex()[:12]} {'is damaged' if digest in corrupt else 'is missing'}"
        subject = f"object {digest.hex()[:12]}"
        if digest in archive:
            yield Problem(subject, f"{what}; a journal holds its copy.", repair)
            if repair:
                with store.write() as txn:
                    txn.put_record(archive[digest])
        elif digest in computed or digest not in wanted:
            why = "it is computed state, which is computed again when needed" if digest in computed else "nothing needs it"
            yield Problem(subject, f"{what}; {why}.", repair)
            if repair and digest in corrupt:
                with store.write() as txn:
                    txn.delete(digest)
        else:
            sentence = f"{what} and no journal holds a copy: {_holders(store, digest)}."
            yield Problem(subject, sentence, False)
            lost.append(sentence)


def _roots(txn: ReadTxn) -> list[Digest]:
    return [ref.target for name, ref in txn.refs() if not name.startswith(names.CACHE)]


def _computed(txn: ReadTxn) -> set[Digest]:
    """Every KV block, snapshot and summary that some branch or tag refers to, present or not."""
    found: set[Digest] = set()
    seen: set[Digest] = set()
    for commit in _commits(txn):
        for root in _block_lists(commit):
            found.update(entry.ref for entry in tree.unseen(txn, root, seen))
        marks = {mark.digest for mark in commits.checkpoints(commit)} - found
        found |= marks | reach.with_parts(txn, marks)
    return found


def _commits(txn: ReadTxn) -> Iterator[Commit]:
    """The commits that branches and tags go back to, each once; a history ends where it cannot be read."""
    seen: set[Digest] = set()
    waiting = _roots(txn)
    while waiting:
        digest = waiting.pop()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            commit = commits.read(txn, digest)
        except (ObjectMissing, ObjectCorrupt):
            continue
        yield commit
        waiting.extend(commit.parents)


def _block_lists(commit: Commit) -> tuple[Digest | None, ...]:
    """The lists of the KV that a commit refers to: of its tokens, of sliding layers, of what it remembers."""
    state = commit.state
    return () if state is None else (state.blocks, state.windows, state.episode_kv)


def _holders(store: LmdbStore, digest: Digest) -> str:
    """What a lost object was, in a reader's terms."""
    found: list[str] = []
    with store.read() as txn:
        for name, ref in txn.refs(names.HEADS):
            try:
                found.extend(_places(txn, commits.read(txn, ref.target), digest, name.removeprefix(names.HEADS)))
            except (ObjectMissing, ObjectCorrupt):
                found.append(f"session {name.removeprefix(names.HEADS)!r}")
    return ", ".join(found) or "part of an older commit"


def _places(txn: ReadTxn, commit: Commit, digest: Digest, name: str) -> Iterator[str]:
    if commit.state is None:
        return
    for number, entry in enumerate(tree.iterate(txn, commit.state.message_table), 1):
        if entry.ref == digest:
            yield f"message {number} ({entry.value[0]}) of session {name!r}"
    for (_, start, n), ref in tree.iterate(txn, commit.state.token_log):
        if ref == digest:
            yield f"tokens {start} to {start + n - 1} of session {name!r}"


def _cache(store: LmdbStore, corrupt: set[Digest], *, repair: bool) -> Iterator[Problem]:
    """Shared prefixes are only kept for speed: a damaged one is let go."""
    with store.read() as txn:
        refs = list(txn.refs(names.CACHE))
        bad = [(name, ref) for name, ref in refs if ref.target in corrupt or any(reach.missing(txn, [ref.target]))]
    for name, ref in bad:
        yield Problem(name, f"The stored prefix {name} is damaged; it is computed again when needed.", repair)
        if repair:
            with store.write() as txn:
                txn.delete_ref(name, ref.target)


def _heads(store: LmdbStore) -> list[tuple[str, Ref]]:
    with store.read() as txn:
        return [(name.removeprefix(names.HEADS), ref) for name, ref in txn.refs(names.HEADS)]


def _journal(repository: Repository, name: str, ref: Ref, lost: list[str], *, repair: bool) -> Iterator[Problem]:
    """Hold a session's journal against its branch, and write it anew from the database where it is damaged."""
    state = retelling.condition(repository.path / "journals", ref)
    sentences = [f"Session {name!r}: {sentence}." for sentence in state.sentences]
    lost.extend(sentences)
    if state.worn or sentences:
        mended = repair and _retell(repository, name, ref)
        what = " ".join(sentences) or "The database has what it lacks."
        yield Problem(f"journal of {name}", f"The journal of session {name!r} is damaged. {what}", mended)


def _retell(repository: Repository, name: str, ref: Ref) -> bool:
    lease = Lease(repository.path / "leases" / f"{ref.meta['uid']}.lock")
    try:
        lease.acquire()
    except SessionBusy:
        return False
    try:
        state = retelling.condition(repository.path / "journals", ref)
        retelling.retell(repository.store, repository.path, name, ref, state)
    finally:
        lease.release()
    return True


def _disagreements(repository: Repository, lost: list[str], *, repair: bool) -> Iterator[Problem]:
    """What journals tell and the database does not."""
    if repair:
        caught = repository.catch_up()
        lost.extend(caught.lost)
        yield from (Problem("journals", note, True) for note in caught.notes)
        return
    for stray in catchup.strays(repository.path, repository.store):
        yield Problem(f"journal {stray.uid}", f"Journal {stray.uid} ({stray.name}) belongs to no session.", False)
