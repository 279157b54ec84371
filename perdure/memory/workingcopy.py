"""A working copy: one writer's hold on a branch, its journal and its next commit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RefChanged, SessionNotFound, StoreFull
from ..stores.base import Digest, Ref, Store, WriteTxn
from ..stores.journal import Journal, JournalRecord, Seal, read_journal, read_since
from ..stores.lease import Lease
from . import commits, gc, names, retelling, sessionlog, tokenlog, tree
from .draft import (
    Committed,
    Draft,
    NewBlock,
    Recorder,
    describing_commit,
    ledger_commit,
    mounting_commit,
    now_ms,
    recipe_object,
    remembering_commit,
    write_state,
)
from .fastweights import Record, Refusal
from .merging import Plan, merge_commit
from .records import Commit, Message
from .remembering import NewEpisode

WAITING = 32
"""Snapshots let go of that may wait to be deleted."""


class WorkingCopy:
    """One writer's hold on the branch `name`.

    `acquire` takes the lease (SessionBusy if another holds it) and re-reads head and journal; `release` gives it back.
    Everything that changes the session needs the lease. `head` is the commit this copy believes the branch to be at.
    """

    def __init__(self, store: Store, directory: Path, name: str, *, group_commit_ms: int = 50) -> None:
        self._store = store
        self._directory = directory
        self._group_commit_ms = group_commit_ms
        self._journal: Journal | None = None
        self.name = name
        self.notes: list[str] = []
        self._ref = self._read_ref()
        self._lease = Lease(directory / "leases" / f"{self.uid}.lock")
        with store.read() as txn:
            self.head = commits.read(txn, self._ref.target)

    @property
    def uid(self) -> str:
        return str(self._ref.meta["uid"])

    @property
    def held(self) -> bool:
        return self._journal is not None

    @property
    def journal_bytes(self) -> int:
        return self._journal.bytes_written if self._journal else 0

    def acquire(self) -> bool:
        """Take the lease; True when the branch had moved since this copy last looked (`head` is new then)."""
        if self.held:
            return False
        self._lease.acquire()
        try:
            return self._enter()
        except BaseException:
            self._lease.release()
            raise

    def release(self) -> None:
        """Give the lease back. Idempotent."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            self._lease.release()

    def tail(self) -> sessionlog.Tail:
        """What the journal holds beyond the branch: an unfinished turn, a move that did not reach the database."""
        since = self._since_seal()
        if since is not None:
            return sessionlog.tail(since, self._ref.meta["seq"])
        records, damage = read_journal(self._journal_file)
        return sessionlog.tail(records, self._ref.meta["seq"], damage)

    def begin_turn(
        self,
        messages: Sequence[Message],
        feed: Sequence[int],
        keep: int,
        sampling: Mapping[str, Any],
        recall: Mapping[str, Any] | None = None,
        opening: Mapping[str, Any] | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the user's messages durable before any work starts.

        `recall` is what the turn puts back, `opening` which fast weights it opens, `request` what its caller asks with.
        """
        body = {
            "t": "turn",
            "messages": [[m.role, m.content, m.time_ms] for m in messages],
            "feed": tokenlog.pack(feed),
            "keep": keep,
            "sampling": dict(sampling),
            "parent": self.head.digest,
            **({} if recall is None else {"recall": dict(recall)}),
            **({} if opening is None else {"opening": dict(opening)}),
            **({} if request is None else {"request": dict(request)}),
        }
        self._log.append(body)

    def token(self, token: int) -> None:
        """Write one sampled token before the client sees it; on the disk's surface at most group_commit_ms later."""
        self._log.append({"t": "tok", "id": token}, durable=False)

    def drop_turn(self) -> None:
        """Withdraw the turn that was begun: its caller is told that it failed."""
        self._log.append({"t": "drop"})

    def commit(self, draft: Draft) -> Committed:
        """Write the objects, the commit and the branch's move in one durable transaction, then close the turn's journal.

        Raises RefChanged when the branch is not at `head`, StoreFull with nothing changed.
        """
        covers, seal = self._log.next_seq - 1, self._log.seal()
        with self._store.write() as txn:
            recorder = Recorder(txn)
            written = commits.read(txn, self._write(recorder, draft, covers))
            dropped = self._thin(txn, written, draft.keep.budget_bytes)
            self._move(txn, written.digest, covers, draft.kind, dropped=dropped, seal=list(seal))
            self._drop_ahead(txn)
        return Committed(written, recorder.bytes + self._tell(written, covers, list(recorder.records.values())))

    def ahead(self, blocks: Sequence[NewBlock]) -> list[Digest]:
        """Write blocks before the commit that refers to them, so that a long turn need not hold them in memory.

        A ref of the cache keeps them until then; a turn that never commits leaves it to the next writer to drop.
        """
        name = names.ahead(self.uid)
        with self._store.write() as txn:
            recorder = Recorder(txn)
            digests = [recorder.put_block(block) for block in blocks]
            present = txn.ref(name)
            before = None if present is None else present.target
            root = tree.extended(recorder, before, [tree.Entry(0, digest) for digest in digests])
            if root is not None:
                txn.set_ref(name, before, root, meta={}, reason="ahead")
                txn.trim_reflog(name, now_ms() + 1)
        return digests

    def _drop_ahead(self, txn: WriteTxn) -> None:
        present = txn.ref(names.ahead(self.uid))
        if present is not None:
            txn.delete_ref(names.ahead(self.uid), present.target)

    def remember(
        self, new: Sequence[NewEpisode], changes: Mapping[Digest, NewEpisode | None], *, title: str, author: str
    ) -> Committed:
        """Commit a change of what is remembered and of nothing else: new episodes, others replaced or (None) removed.

        Raises as `commit` does.
        """
        return self._revise(
            lambda recorder, journal: remembering_commit(recorder, self.head, journal, new, changes), title, author
        )

    def teach(
        self,
        new: Sequence[Record],
        gone: Collection[Digest] = (),
        refused: Sequence[Refusal] = (),
        *,
        title: str,
        author: str,
    ) -> Committed:
        """Commit a change of the ledger and of nothing else: new records, others (by digest) removed, facts refused.

        Raises as `commit` does.
        """
        return self._revise(
            lambda recorder, journal: ledger_commit(recorder, self.head, journal, new, gone, refused), title, author
        )

    def mount(self, mounts: Sequence[str], *, title: str, author: str) -> Committed:
        """Commit which other branches' ledgers count here. Raises as `commit` does."""
        return self._revise(lambda recorder, journal: mounting_commit(recorder, self.head, journal, mounts), title, author)

    def describe(self, about: Mapping[str, Any], *, title: str, author: str) -> Committed:
        """Commit what is said of the session itself. Raises as `commit` does."""
        return self._revise(lambda recorder, journal: describing_commit(recorder, self.head, journal, about), title, author)

    def merge(self, plan: Plan, *, title: str, author: str) -> Committed:
        """Commit what two branches come to, this one and another. Raises as `commit` does, or RevisionNotFound."""
        return self._revise(lambda recorder, journal: merge_commit(recorder, plan, journal), title, author)

    def _revise(self, build: Callable[[Recorder, tuple[str, int]], Commit], title: str, author: str) -> Committed:
        """Commit what `build` makes of the head: a change that is no turn."""
        covers, seal = self._log.next_seq - 1, self._log.seal()
        with self._store.write() as txn:
            recorder = Recorder(txn)
            named = replace(build(recorder, (self.uid, covers)), title=title, author=author)
            written = commits.read(txn, commits.write(recorder, named))
            self._move(txn, written.digest, covers, named.kind, seal=list(seal))
        return Committed(written, recorder.bytes + self._tell(written, covers, list(recorder.records.values())))

    def _tell(self, written: Commit, covers: int, records: list[bytes]) -> int:
        """Put a commit that the database holds into the journal too; returns the bytes that took.

        A full disk does not undo the commit: the journal is mended from the database when the session is next entered.
        """
        before = self._log.bytes_written
        self.head = written
        with contextlib.suppress(StoreFull):
            self._log.append({"t": "commit", "commit": written.digest, "covers": covers, "records": records}, durable=False)
            self._log.settle()
        return self._log.bytes_written - before

    def require_at(self, expected: Digest | None) -> None:
        """Raises RefChanged where the branch is not at the `expected` commit; None: wherever it is."""
        if expected is not None and self.head.digest != expected:
            raise RefChanged(f"Session {self.name!r} is at {self.head.short} by now; look at it again and repeat this.")

    def mark_removed(self) -> None:
        """Say in the journal that the session is gone, so that no rebuild brings it back."""
        self._log.append({"t": "removed"})

    def reset(self, target: Commit, reason: str = "reset") -> None:
        """Move the branch to another commit: into the journal first, then into the database. Raises RevisionNotFound."""
        log = self._log
        with self._store.write() as txn:
            commits.require_kept(txn, target)
            seq = log.append({"t": "reset", "commit": target.digest})
            self._move(txn, target.digest, seq, reason)
        self._settle(target)

    def apply(self, tail: sessionlog.Tail) -> None:
        """Bring the database up to a journal's tail (all but its unfinished turn).

        Raises ObjectMissing or ObjectCorrupt, with nothing changed, when what the journal moved to is not to be had.
        """
        if tail.target is None or tail.target == self.head.digest:
            return
        with self._store.write() as txn:
            for record in tail.records:
                txn.put_record(record)
            target = commits.read(txn, tail.target)
            commits.require(txn, target)
            seq = tail.last_seq if tail.turn is None else target_seq(tail)
            self._move(txn, tail.target, seq, "recover")
        self.head = target

    @property
    def _log(self) -> Journal:
        if self._journal is None:
            self.acquire()
        journal = self._journal
        if journal is None:
            raise SessionNotFound(f"Session {self.name!r} has no journal.")
        return journal

    def _enter(self) -> bool:
        before = self.head.digest
        self._ref = self._read_ref()
        self._mend()
        self._journal = Journal.open(
            self._directory / "journals", self.uid, group_commit_ms=self._group_commit_ms, seal=self._seal
        )
        with self._store.read() as txn:
            self.head = commits.read(txn, self._ref.target)
            left = txn.ref(names.ahead(self.uid)) is not None
        if left:
            with self._store.write() as txn:
                self._drop_ahead(txn)
        return self.head.digest != before

    def _mend(self) -> None:
        """Tell the journal again from the database where it lost what the database has."""
        if any(record.body.get("commit") == self._ref.target for record in self._since_seal() or ()):
            return
        state = retelling.condition(self._directory / "journals", self._ref)
        self.notes.extend(f"Session {self.name!r}: {sentence}; what they held is lost." for sentence in state.sentences)
        if state.worn:
            retelling.retell(self._store, self._directory, self.name, self._ref, state)
            self.notes.append(f"The journal of session {self.name!r} was incomplete; it was written anew from the database.")

    @property
    def _journal_file(self) -> Path:
        return self._directory / "journals" / f"{self.uid}.journal"

    @property
    def _seal(self) -> Seal | None:
        stored = self._ref.meta.get("seal")
        return None if stored is None else Seal(*stored)

    def _since_seal(self) -> list[JournalRecord] | None:
        return None if self._seal is None else read_since(self._journal_file, self._seal)

    def _read_ref(self) -> Ref:
        with self._store.read() as txn:
            ref = txn.ref(names.head(self.name))
        if ref is None:
            raise SessionNotFound(f"There is no session {self.name!r}. `perdure ls` lists them.")
        return ref

    def _thin(self, txn: WriteTxn, written: Commit, budget: int) -> list[Digest]:
        """Snapshots that the branch has let go of. They are deleted many at once, since others may still want them."""
        kept = {mark.digest for mark in commits.checkpoints(written)}
        gone = [mark.digest for mark in commits.checkpoints(self.head) if mark.digest not in kept]
        waiting = [digest for digest in [*self._ref.meta.get("dropped", ()), *gone] if txn.has(digest)]
        if sum(txn.size(digest) for digest in waiting) <= budget // 4 and len(waiting) <= WAITING:
            return waiting
        gc.drop_snapshots(txn, waiting, written, names.head(self.name))
        return []

    def _move(self, txn: WriteTxn, digest: Digest, seq: int, reason: str, **changes: Any) -> None:
        meta = {**self._ref.meta, "seq": seq, "updated": now_ms(), **changes}
        try:
            txn.set_ref(names.head(self.name), self.head.digest, digest, meta=meta, reason=reason)
        except RefChanged as error:
            raise RefChanged(
                f"Session {self.name!r} was moved or removed by another process. Open it again and repeat the turn."
            ) from error
        self._ref = Ref(digest, meta)

    def _settle(self, head: Commit) -> None:
        self.head = head
        self._log.settle()

    def _write(self, recorder: Recorder, draft: Draft, covers: int) -> Digest:
        state = write_state(recorder, self.head, draft, (self.uid, covers))
        base = self.head
        fresh = Commit(
            digest=b"",
            parents=(base.digest,),
            recipe=recipe_object(recorder, base, draft),
            kind=draft.kind,
            reason=draft.reason,
            author=draft.author,
            time_ms=now_ms(),
            tokens=sum(len(run.tokens) for run in draft.runs)
            + (base.tokens if draft.base_tokens is None else draft.base_tokens),
            messages=len(draft.messages) + (base.messages if draft.base_tokens is None else 0),
            turn=base.turn + draft.answers,
            title=draft.title or base.title,
            metrics=draft.metrics,
            state=state,
        )
        return commits.write(recorder, fresh)


def target_seq(tail: sessionlog.Tail) -> int:
    """The last record that a moved branch has taken in while a turn is still open."""
    return tail.turn.first_seq - 1 if tail.turn else tail.last_seq
