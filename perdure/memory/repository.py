"""The repository: sessions, their commits and everything git would let you do with them. Needs no model and no torch."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ..config import StoreOptions
from ..errors import (
    InvalidInput,
    ObjectCorrupt,
    ObjectMissing,
    RefChanged,
    RevisionNotFound,
    SessionExists,
    SessionNotFound,
    StoreDamaged,
    StoreUnreadable,
)
from ..stores.base import Digest, ReadTxn, Ref, RefLogEntry
from ..stores.journal import Journal
from ..stores.lease import Lease, StoreLock
from ..stores.lmdb import LmdbStore
from ..stores.presence import Presence
from ..stores.tables import TableWrite
from . import bundle, catchup, commits, fsck, gc, names, prefix, rebuild, revisions, sessionlog, tokenlog, workingcopy
from .commits import BLOCK
from .recipe import Recipe
from .records import Commit, Diff, FsckReport, GcReport, Message, Problem, SessionInfo, Tag
from .workingcopy import RECIPE, Scratch, WorkingCopy

Progress = Callable[[int, int], None]

_PATIENCE_MS = 10_000
"""How long opening waits for another process that has the store to itself for a moment."""


class Restored(NamedTuple):
    """What a restore read, and the blocks (start, tokens, digest) that could not be trusted."""

    bytes: int
    damaged: list[tuple[int, int, Digest]]


class Repository:
    """One store directory::

        data.mdb, lock.mdb    objects, lineage index, refs, reflogs (LMDB); lock is the store's own
        journals/             one append-only file per session, and its mirror
        leases/, running/     who writes which session, who has the store open

    Safe to use from several threads and processes. `notes` are sentences about what opening it had to mend.
    """

    def __init__(
        self,
        path: Path,
        store: LmdbStore,
        lock: StoreLock,
        presence: Presence | None,
        notes: list[str],
        options: StoreOptions,
    ) -> None:
        self.path = path
        self._options = options
        self.store = store
        self.notes = notes
        self._lock = lock
        self._presence = presence

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True, options: StoreOptions | None = None) -> Repository:
        """Open a store directory, made if `create` allows.

        A broken database is set aside and rebuilt from the journals. Raises StoreUnreadable, StoreVersion, SessionBusy when
        it is broken and others have it open, StoreDamaged when it is broken and there is no journal.
        """
        root = _directory(Path(path), create)
        chosen = options or StoreOptions()
        lock = StoreLock(root / "lock")
        lock.acquire(shared=True, wait_ms=_PATIENCE_MS)
        presence = None
        try:
            presence = Presence(root / "running")
            with ExitStack() as alone:
                store, notes = _open_store(root, chosen, lock, alone, unclean=presence.unclean)
                repository = cls(root, store, lock, presence, notes, chosen)
                repository._catch_up_or_rebuild()
        except BaseException as error:
            if presence is not None:
                presence.close()
            lock.release()
            if isinstance(error, PermissionError):
                raise StoreUnreadable(
                    f"Cannot write to the store {root}: permission denied. Choose another --store."
                ) from error
            raise
        return repository

    def close(self) -> None:
        """Give the store back. Idempotent."""
        if self._presence is not None:
            self.store.close()
            self._presence.close()
            self._lock.release()
            self._presence = None

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # reading

    def sessions(self) -> list[SessionInfo]:
        """All sessions, ordered by name. One whose head cannot be read is left to `fsck` to report."""
        with self.store.read() as txn:
            found = [_session_or_none(txn, name, ref) for name, ref in txn.refs(names.HEADS)]
        return [info for info in found if info is not None]

    def exists(self, name: str) -> bool:
        with self.store.read() as txn:
            return txn.ref(names.head(name)) is not None

    def info(self, name: str) -> SessionInfo:
        """One session. Raises SessionNotFound."""
        with self.store.read() as txn:
            return _session(txn, name, _head_ref(txn, name))

    def resolve(self, rev: str, session: str | None = None) -> Commit:
        """The commit a revision names; see `memory.revisions` for the grammar."""
        with self.store.read() as txn:
            if session is not None:
                _head_ref(txn, session)
            return revisions.resolve(txn, rev, session)

    def log(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]:
        """The commit and its ancestors along first parents, newest first."""
        with self.store.read() as txn:
            start = revisions.resolve(txn, rev, session)
            return [commit for _, commit in zip(range(limit or 1 << 62), commits.history(txn, start), strict=False)]

    def reflog(self, name: str) -> list[RefLogEntry]:
        """Where the session's branch has stood, oldest first."""
        with self.store.read() as txn:
            _head_ref(txn, name)
            return list(txn.reflog(names.head(name)))

    def messages(self, rev: str, session: str | None = None) -> list[Message]:
        """The conversation at a revision."""
        with self.store.read() as txn:
            return commits.messages(txn, revisions.resolve(txn, rev, session))

    def messages_of(self, commit: Commit) -> list[Message]:
        """The conversation at a commit."""
        with self.store.read() as txn:
            return commits.messages(txn, commit)

    def tokens(self, rev: str, session: str | None = None) -> list[int]:
        """The tokens that the state at a revision has absorbed."""
        return tokenlog.tokens(self.runs(self.resolve(rev, session)))

    def runs(self, commit: Commit) -> list[tokenlog.Run]:
        """A commit's token log with the forwards that made it."""
        with self.store.read() as txn:
            return commits.runs(txn, commit)

    def recipe(self, commit: Commit) -> Recipe:
        """The recipe under which a commit's state was computed."""
        with self.store.read() as txn:
            return Recipe.from_meta(txn.get(commit.recipe).meta)

    def blocks(self, commit: Commit) -> list[tuple[int, int, Digest]]:
        """(start, tokens, digest) of a commit's KV blocks."""
        with self.store.read() as txn:
            return commits.block_list(txn, commit)

    def boundary(self, commit: Commit) -> tuple[Mapping[str, object], bytes] | None:
        """(meta, payload) of the stored boundary logits; None where there are none or they are damaged."""
        if commit.state is None or commit.state.boundary is None:
            return None
        try:
            with self.store.read() as txn:
                item = txn.get(commit.state.boundary)
                return dict(item.meta), bytes(item.payload)
        except (ObjectMissing, ObjectCorrupt):
            return None

    def restore(self, commit: Commit, sink: Callable[[int, int, memoryview], None]) -> Restored:
        """Hand every KV block of a commit to `sink(start, tokens, payload)`, checksums verified; report the damaged."""
        total = 0
        damaged = []
        with self.store.read() as txn:
            for start, n, digest in commits.block_list(txn, commit):
                try:
                    item = txn.get(digest)
                except (ObjectMissing, ObjectCorrupt):
                    damaged.append((start, n, digest))
                    continue
                sink(start, n, item.payload)
                total += len(item.payload)
        return Restored(total, damaged)

    def reuse(self, recipe: Digest, tokens: list[int], sink: Callable[[int, int, memoryview], None]) -> prefix.Reused:
        """Hand the stored KV blocks of the longest shared prefix of a fresh prompt to `sink`."""
        with self.store.read() as txn:
            return prefix.load(txn, recipe, tokens, sink)

    def heal(self, meta: Mapping[str, object], payload: bytes, digest: Digest, lineage: Digest) -> bool:
        """Put a recomputed KV block back under its digest and its lineage; False when the bytes are not the same."""
        return fsck.heal(self.store, dict(meta), payload, digest, lineage)

    # sessions

    def create(
        self, name: str, recipe: Recipe, *, model: str = "", seed: int | None = None, author: str = ""
    ) -> SessionInfo:
        """A new, empty session. Raises InvalidName or SessionExists."""
        names.checked(name)
        uid = secrets.token_hex(8)
        with self.store.write() as txn:
            if txn.ref(names.head(name)) is not None:
                raise _taken(name)
            recorder = workingcopy.Recorder(txn)
            chosen = secrets.randbits(62) if seed is None else seed
            root = workingcopy.root_commit(recorder, recipe.to_meta(), chosen, uid, author)
            meta = _ref_meta(uid, None, model)
            self._start_journal(meta, name, root.digest, None, list(recorder.records.values()))
            txn.set_ref(names.head(name), None, root.digest, meta=meta, reason="create")
        return self.info(name)

    def fork(self, src: str, new: str, at: str | None = None) -> SessionInfo:
        """A new session that stands at `at` (default: the head) of `src`: one durable transaction, no KV copied."""
        names.checked(new)
        with self.store.read() as txn:
            parent = _head_ref(txn, src)
            target = revisions.resolve(txn, at or "HEAD", src)
            if txn.ref(names.head(new)) is not None:
                raise _taken(new)
        uid = secrets.token_hex(8)
        meta = _ref_meta(uid, src, str(parent.meta["model"]))
        self._start_journal(meta, new, target.digest, (str(parent.meta["uid"]), target.digest), [])
        try:
            with self.store.write() as txn:
                txn.set_ref(names.head(new), None, target.digest, meta=meta, reason=f"fork of {src}")
        except RefChanged as error:
            Journal.remove(self.path / "journals", uid)
            raise _taken(new) from error
        return self.info(new)

    def working_copy(self, name: str) -> WorkingCopy:
        """A writer's hold on a session; takes the lease only when told to."""
        return WorkingCopy(self.store, self.path, name, group_commit_ms=self._options.group_commit_ms)

    def scratch(self, recipe: Recipe) -> Scratch:
        """What an ephemeral session writes to: no branch, no journal, only shareable KV blocks that gc may drop."""
        return Scratch(self.store, recipe.to_meta())

    def reset(self, name: str, rev: str) -> SessionInfo:
        """Move a session's branch to a revision. The reflog remembers where it was. Raises SessionBusy."""
        target = self.resolve(rev, name)
        copy = self.working_copy(name)
        copy.acquire()
        try:
            copy.apply(copy.tail())
            copy.reset(target, f"reset to {rev}")
        finally:
            copy.release()
        return self.info(name)

    def remove(self, name: str) -> None:
        """Delete a session: its branch and reflog. What nothing else refers to, its journal included, goes with gc.

        The branch goes first: a journal without one comes back when a process dies in between, a branch whose journal
        says that it was removed would go on and be lost with the database.
        """
        copy = self.working_copy(name)
        copy.acquire()
        try:
            with self.store.write() as txn:
                txn.delete_ref(names.head(name), copy.head.digest)
            copy.mark_removed()
        finally:
            copy.release()

    def tag(self, name: str, rev: str, session: str | None = None) -> Tag:
        """Name a commit for good (gc keeps it). Raises SessionExists when the name is taken by another commit."""
        names.checked(name, "tag")
        target = self.resolve(rev, session)
        with self.store.write() as txn:
            if txn.ref(names.head(name)) is not None:
                raise SessionExists(f"{name!r} is the name of a session; choose another for the tag.")
            present = txn.ref(names.tag(name))
            if present is not None and present.target != target.digest:
                raise SessionExists(f"Tag {name!r} points elsewhere already; delete it first with `perdure tag --delete`.")
            if present is None:
                self._log_tag({"t": "tag", "name": name, "commit": target.digest, "session": session or ""})
                txn.set_ref(names.tag(name), None, target.digest, meta={"session": session or ""}, reason="tag")
        return Tag(name, target, session or "")

    def untag(self, name: str) -> None:
        """Delete a tag. Raises RevisionNotFound."""
        with self.store.write() as txn:
            ref = txn.ref(names.tag(name))
            if ref is None:
                raise RevisionNotFound(f"There is no tag {name!r}. `perdure tag` lists them.")
            self._log_tag({"t": "untag", "name": name})
            txn.delete_ref(names.tag(name), ref.target)

    def tags(self) -> list[Tag]:
        with self.store.read() as txn:
            return [
                Tag(name.removeprefix(names.TAGS), commits.read(txn, ref.target), str(ref.meta.get("session", "")))
                for name, ref in txn.refs(names.TAGS)
            ]

    def diff(self, a: str, b: str) -> Diff:
        """Compare two revisions: where they part, and what each has alone."""
        with self.store.read() as txn:
            base, head = revisions.resolve(txn, a), revisions.resolve(txn, b)
            return _diff(txn, base, head)

    # moving and keeping

    def export(self, session: str, file: Path | str, progress: Progress | None = None) -> int:
        """Write a session (or any revision) into a bundle file, whole or not at all; returns its bytes."""
        with self.store.read() as txn:
            target = revisions.resolve(txn, session)
            ref = txn.ref(names.head(session))
            model = str(ref.meta["model"]) if ref else ""
            return bundle.write(txn, target, Path(file), session if ref else target.short, model, progress)

    def import_bundle(self, file: Path | str, name: str | None = None, progress: Progress | None = None) -> SessionInfo:
        """Bring a bundle's session in. Everything is checked before anything is stored. Raises MalformedBundle."""
        with bundle.opened(Path(file)) as source:
            chosen = names.checked(name or source.name)
            if self.exists(chosen):
                raise _taken(chosen)
            uid = secrets.token_hex(8)
            with self.store.write() as txn:
                small = source.store(txn, progress)
                commits.read(txn, source.head)
                meta = _ref_meta(uid, None, source.manifest.model)
                self._start_journal(meta, chosen, source.head, None, small)
                txn.set_ref(names.head(chosen), None, source.head, meta=meta, reason="import")
        return self.info(chosen)

    def verify(self, name: str, progress: Progress | None = None) -> list[Problem]:
        """Re-hash every object that a session's head and history refer to."""
        with self.store.read() as txn:
            return fsck.verify_objects(txn, self.resolve(name), progress)

    def fsck(self, *, repair: bool = False, progress: Progress | None = None) -> FsckReport:
        """Examine the whole store in a child process, and with `repair` mend it from its other copies."""
        return fsck.check(self, repair=repair, progress=progress)

    def gc(self, *, dry_run: bool = False, expire_days: float = 30.0, compact: bool = False) -> GcReport:
        """Drop objects that no branch, tag or recent reflog entry reaches. Cannot race a writer: it is one itself."""
        if expire_days < 0:
            raise InvalidInput(f"expire_days is {expire_days}; give 0 or more.")
        return gc.collect(self, dry_run=dry_run, expire_days=expire_days, compact=compact)

    def stats(self) -> dict[str, int]:
        """Counts and bytes of what the store holds."""
        kinds: dict[str, int] = {"sessions": 0, "objects": 0, "object_bytes": 0}
        with self.store.read() as txn:
            kinds["sessions"] = sum(1 for _ in txn.refs(names.HEADS))
            for digest in txn.digests():
                size = txn.size(digest)
                kinds["objects"] += 1
                kinds["object_bytes"] += size
        kinds["disk_bytes"] = self.store.bytes_on_disk()
        kinds["journal_bytes"] = sum(path.stat().st_size for path in (self.path / "journals").iterdir())
        return kinds

    def compact(self) -> int:
        """Give freed pages back to the file system by a compacting copy; returns the bytes that the file shrank.

        Raises SessionBusy while another process has the store open.
        """
        before = self.store.bytes_on_disk()
        with self._lock.exclusive():
            self.store.compact()
        return before - self.store.bytes_on_disk()

    def catch_up(self) -> catchup.Caught:
        """Bring the database up to the journals; `notes` say what was missing."""
        caught = catchup.agree(self)
        self.notes.extend([*caught.notes, *caught.lost])
        return caught

    def _catch_up_or_rebuild(self) -> None:
        """What is broken may only show when it is written to."""
        try:
            try:
                self.catch_up()
            except StoreDamaged as error:
                self.rebuild(str(error))
        except BaseException:
            self.store.close()
            raise

    def drop_damaged(self) -> None:
        """Remove refs, log entries and links that cannot be read; the journals bring the refs back."""
        with self.store.write() as txn:
            if isinstance(txn, TableWrite):
                txn.drop_damaged()
        self.catch_up()

    def alone(self) -> AbstractContextManager[StoreLock]:
        """Keeps other processes out for the length of the context. Raises SessionBusy when there are any."""
        return self._lock.exclusive()

    def rebuild(self, why: str) -> list[str]:
        """Set the database aside and make a new one from the journals; returns what is lost."""
        with self.alone():
            with self.store.replacing():
                kept = rebuild.set_aside(self.path)
            self.notes.append(rebuild.note(self.path, why, kept))
            return self.catch_up().lost

    def _start_journal(
        self,
        meta: Mapping[str, object],
        name: str,
        commit: Digest,
        base: tuple[str, Digest] | None,
        records: list[bytes],
    ) -> None:
        first, *more = sessionlog.openings(meta, name, commit, base, records)
        with Journal.create(self.path / "journals", str(meta["uid"]), first) as journal:
            for body in more:
                journal.append(body)

    def _log_tag(self, body: Mapping[str, object]) -> None:
        directory = self.path / "journals"
        with Lease(self.path / "leases" / f"{sessionlog.STORE_UID}.lock"):
            if sessionlog.STORE_UID in Journal.list(directory):
                journal = Journal.open(directory, sessionlog.STORE_UID)
                journal.append(body)
            else:
                journal = Journal.create(directory, sessionlog.STORE_UID, body)
            journal.close()


def _directory(path: Path, create: bool) -> Path:
    root = path.expanduser().absolute()
    if not root.exists() and not create:
        raise StoreUnreadable(f"There is no store at {root}. Start a chat there, or choose another --store.")
    try:
        for part in (root, root / "journals", root / "leases"):
            part.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreUnreadable(f"{root} is not a directory. Choose another --store.") from error
    except OSError as error:
        raise StoreUnreadable(f"Cannot use {root} as a store: {error.strerror}. Choose another --store.") from error
    return root


def _open_store(
    root: Path, options: StoreOptions, lock: StoreLock, alone: ExitStack, *, unclean: bool
) -> tuple[LmdbStore, list[str]]:
    """The database; one that is broken or gone is replaced by an empty one if there are journals to fill it from.

    Then `alone` keeps others out until it is filled.
    """
    if not (root / "data.mdb").exists() and rebuild.has_journals(root):
        alone.enter_context(lock.exclusive())
        return LmdbStore(root, options), ["The database was gone; it is rebuilt from the journals."]
    try:
        if unclean:
            fsck.require_sound(root)
        store = LmdbStore(root, options)
        _require_refs(store)
    except (StoreDamaged, StoreUnreadable) as error:
        if not rebuild.has_journals(root) or not os.access(root / "data.mdb", os.R_OK | os.W_OK):
            raise
        alone.enter_context(lock.exclusive())
        note = rebuild.note(root, str(error), rebuild.set_aside(root))
        return LmdbStore(root, options), [note]
    return store, []


def _require_refs(store: LmdbStore) -> None:
    """Raises StoreDamaged, the store closed, when a ref cannot be read."""
    try:
        with store.read() as txn:
            for _ in txn.refs():
                pass
    except BaseException:
        store.close()
        raise


def _head_ref(txn: ReadTxn, name: str) -> Ref:
    ref = txn.ref(names.head(name))
    if ref is None:
        raise SessionNotFound(f"There is no session {name[:80]!r}. `perdure ls` lists them.")
    return ref


def _taken(name: str) -> SessionExists:
    return SessionExists(f"A session called {name!r} exists already; choose another name or remove it first.")


def _ref_meta(uid: str, forked_from: str | None, model: str) -> dict[str, object]:
    now = workingcopy.now_ms()
    return {"uid": uid, "seq": 0, "created": now, "updated": now, "from": forked_from, "model": model}


def _session(txn: ReadTxn, name: str, ref: Ref) -> SessionInfo:
    head = commits.read(txn, ref.target)
    kv_bytes = head.state.kv_bytes if head.state else 0
    meta = ref.meta
    return SessionInfo(name, meta["uid"], head, meta["model"], meta["created"], meta["updated"], kv_bytes, meta["from"])


def _session_or_none(txn: ReadTxn, name: str, ref: Ref) -> SessionInfo | None:
    try:
        return _session(txn, name.removeprefix(names.HEADS), ref)
    except (ObjectMissing, ObjectCorrupt):
        return None


def _diff(txn: ReadTxn, base: Commit, head: Commit) -> Diff:
    a, b = tokenlog.tokens(commits.runs(txn, base)), tokenlog.tokens(commits.runs(txn, head))
    common_tokens = _common(a, b)
    x, y = commits.messages(txn, base), commits.messages(txn, head)
    common_messages = _common([(m.role, m.content) for m in x], [(m.role, m.content) for m in y])
    known = {commit.digest for commit in commits.history(txn, base)}
    ancestor = next((commit for commit in commits.history(txn, head) if commit.digest in known), None)
    p, q = ({digest for _, _, digest in commits.block_list(txn, side)} for side in (base, head))
    return Diff(
        base,
        head,
        ancestor,
        common_tokens,
        common_messages,
        tuple(x[common_messages:]),
        tuple(y[common_messages:]),
        len(p & q),
        len(p),
        len(q),
    )


def _common(a: list[object] | list[int] | list[tuple[str, str]], b: list[object] | list[int] | list[tuple[str, str]]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


__all__ = ["BLOCK", "RECIPE", "Progress", "Repository", "Restored"]
