"""The repository: sessions, their commits and everything git would let you do with them. Needs no model and no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from ..config import StoreOptions
from ..errors import InvalidInput, StoreDamaged, StoreUnreadable
from ..stores.base import Digest
from ..stores.lease import StoreLock
from ..stores.lmdb import LmdbStore
from ..stores.presence import Presence
from ..stores.tables import TableWrite
from . import branching, bundle, catchup, commits, fsck, gc, names, opening, rebuild, revisions, sessionlog, tagging, usage
from .recipe import Recipe
from .records import Commit, FsckReport, GcReport, Problem, SessionInfo, Tag
from .scratch import Scratch
from .viewing import Viewer
from .workingcopy import WorkingCopy

Progress = Callable[[int, int], None]

_PATIENCE_MS = 10_000
"""How long opening waits for another process that has the store to itself for a moment."""


class Repository(Viewer):
    """One store directory::

        data.mdb, lock.mdb    objects, lineage index, refs, reflogs (LMDB); lock is the store's own
        journals/             one append-only file per session, and its mirror
        leases/, running/     who writes which session, who has the store open
        salt                  what its lineage ids hold beside the recipe, in a tenant's store

    Safe to use from several threads and processes. `notes` are sentences about what opening it had to mend. No session is
    made beyond `most_sessions`.
    """

    def __init__(
        self,
        path: Path,
        store: LmdbStore,
        lock: StoreLock,
        presence: Presence | None,
        notes: list[str],
        options: StoreOptions,
        salt: bytes = b"",
    ) -> None:
        super().__init__()
        self.path = path
        self.salt = salt
        self._options = options
        self.store: LmdbStore = store
        self.notes = notes
        self._lock = lock
        self._presence = presence
        self.most_sessions: Callable[[], int | None] = lambda: None

    @classmethod
    def open(
        cls, path: Path | str, *, create: bool = True, options: StoreOptions | None = None, salted: bool = False
    ) -> Repository:
        """Open a store directory, made if `create` allows; `salted` gives it a salt where it has none.

        A broken database is set aside and rebuilt from the journals. Raises StoreUnreadable, StoreVersion, SessionBusy when
        it is broken and others have it open, StoreDamaged when it is broken and there is no journal.
        """
        root = opening.directory(Path(path), create)
        chosen = options or StoreOptions()
        lock = StoreLock(root / "lock")
        lock.acquire(shared=True, wait_ms=_PATIENCE_MS)
        presence = None
        try:
            presence = Presence(root / "running")
            salt = opening.salt(root, make=salted)
            with ExitStack() as alone:
                store, notes = opening.open_store(root, chosen, lock, alone, unclean=presence.unclean)
                repository = cls(root, store, lock, presence, notes, chosen, salt)
                repository._catch_up_or_rebuild()
            opening.sweep(root, lock)
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

    def heal(
        self, meta: Mapping[str, object], payload: bytes, digest: Digest, lineage: Digest, kind: str = commits.BLOCK
    ) -> bool:
        """Put a recomputed object back under its digest and its lineage; False when the bytes are not the same."""
        return fsck.heal(self.store, kind, dict(meta), payload, digest, lineage)

    # sessions

    def create(
        self,
        name: str,
        recipe: Recipe,
        *,
        model: str = "",
        seed: int | None = None,
        author: str = "",
        about: Mapping[str, Any] = MappingProxyType({}),
        mounts: Sequence[str] = (),
    ) -> SessionInfo:
        """A new, empty session; `about` and `mounts` as in StateRefs. Raises InvalidName or SessionExists."""
        branching.create(self, name, recipe, model=model, seed=seed, author=author, about=about, mounts=mounts)
        return self.info(name)

    def fork(self, src: str, new: str, at: str | None = None) -> SessionInfo:
        """A new session that stands at `at` (default: the head) of `src`: one durable transaction, no KV copied."""
        branching.fork(self, src, new, at)
        return self.info(new)

    def working_copy(self, name: str) -> WorkingCopy:
        """A writer's hold on a session; takes the lease only when told to."""
        return WorkingCopy(self.store, self.path, name, group_commit_ms=self._options.group_commit_ms)

    def unfinished(self, name: str) -> sessionlog.UnfinishedTurn | None:
        """The turn of a session that is not committed: being answered now, or left by a process that died."""
        return self.working_copy(name).tail().turn

    def scratch(self, recipe: Recipe) -> Scratch:
        """What an ephemeral session writes to: no branch, no journal, only shareable KV blocks that gc may drop."""
        return Scratch(self.store, recipe.to_meta())

    def reset(self, name: str, rev: str, *, expected: Digest | None = None) -> SessionInfo:
        """Move a session's branch to a revision. The reflog remembers where it was.

        Raises SessionBusy, and RefChanged where the branch is not at the `expected` commit.
        """
        target = self.resolve(rev, name)
        copy = self.working_copy(name)
        copy.acquire()
        try:
            copy.apply(copy.tail())
            copy.require_at(expected)
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
        return tagging.tag(self, name, rev, session)

    def untag(self, name: str) -> None:
        """Delete a tag. Raises RevisionNotFound."""
        tagging.untag(self, name)

    # moving and keeping

    def export(self, session: str, file: Path | str, progress: Progress | None = None) -> int:
        """Write a session (or any revision) into a bundle file, whole or not at all; returns its bytes."""
        with self.store.read() as txn:
            target = revisions.resolve(txn, session)
            ref = txn.ref(names.head(session))
            model = str(ref.meta["model"]) if ref else ""
            return bundle.write(txn, target, Path(file), session if ref else target.short, model, progress)

    def import_bundle(
        self,
        file: Path | str,
        name: str | None = None,
        progress: Progress | None = None,
        accept: Callable[[Commit, Recipe], None] | None = None,
    ) -> SessionInfo:
        """Bring a bundle's session in. Everything is checked before anything is stored.

        `accept` may raise, given the bundle's head and the recipe of that. Raises MalformedBundle or SessionExists.
        """
        return self.info(branching.unpack(self, Path(file), name, progress, accept))

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
        return kinds | {f"{kind}_bytes": size for kind, size in self.disk().items()}

    def disk(self) -> dict[str, int]:
        """Bytes of the files: "disk", the database, and "journal"."""
        journals = 0
        for path in (self.path / "journals").iterdir():
            # A session may be deleted meanwhile.
            with suppress(FileNotFoundError):
                journals += path.stat().st_size
        return {"disk": self.store.bytes_on_disk(), "journal": journals}

    def usage(self, heads: Iterable[Digest] | None = None) -> Mapping[str, usage.Held]:
        """What the sessions, or some commits, hold, tier by tier; what cannot be read is left out."""
        with self.store.read() as txn:
            return usage.usage(txn, [ref.target for _, ref in txn.refs(names.HEADS)] if heads is None else heads)

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


__all__ = ["Progress", "Repository"]
