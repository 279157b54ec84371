"""A working copy: one writer's hold on a branch, its journal and its next commit. No tensors here: KV comes as bytes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from ..config import BLOCK_TOKENS, PREFILL_GRID
from ..errors import RefChanged, SessionNotFound, StoreFull
from ..stores import codec
from ..stores.base import Buffer, Digest, Object, Ref, Store, WriteTxn
from ..stores.journal import Journal, read_journal
from ..stores.lease import Lease
from . import commits, names, retelling, sessionlog, tokenlog, tree
from .commits import BLOCK
from .records import Commit, Message, StateRefs

BOUNDARY = "logits"
RECIPE = "recipe"


class NewBlock(NamedTuple):
    """A KV block to be referred to. `payload` makes its bytes when the store lacks them (`digest` is known or None)."""

    tokens: int
    lineage: Digest
    meta: Mapping[str, Any]
    payload: Callable[[], Buffer]
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a commit adds to its parent; with `replaces` it is the whole content instead.

    `boundary` is (meta, payload) of the logits object, `logits` the BLAKE3 of the float32 logits.
    """

    kind: str
    recipe: Mapping[str, str]
    runs: Sequence[tokenlog.Run] = ()
    blocks: Sequence[NewBlock] = ()
    messages: Sequence[Message] = ()
    boundary: tuple[Mapping[str, Any], bytes] | None = None
    logits: Digest = b""
    pending: tuple[int, ...] = ()
    lineage: Digest = b""
    seed: int = 0
    reason: str = ""
    author: str = ""
    title: str = ""
    answers: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    replaces: bool = False


class Committed(NamedTuple):
    commit: Commit
    bytes_written: int


class Recorder:
    """A write transaction that remembers the small objects written through it, for the journal, and counts bytes."""

    def __init__(self, txn: WriteTxn) -> None:
        self._txn = txn
        self.records: dict[Digest, bytes] = {}
        self.bytes = 0

    def get(self, digest: Digest) -> Object:
        return self._txn.get(digest)

    def put(
        self, kind: str, payload: Buffer = b"", *, refs: Sequence[Digest] = (), meta: Mapping[str, Any] | None = None
    ) -> Digest:
        digest, record = codec.encode(kind, refs, meta or {}, payload)
        if digest not in self.records:
            self.bytes += 0 if self._txn.has(digest) else len(record)
            self.records[digest] = bytes(record)
            self._txn.put_record(record)
        return digest

    def size(self, digest: Digest) -> int:
        return self._txn.size(digest)

    def put_block(self, block: NewBlock) -> Digest:
        if block.digest is not None and self._txn.has(block.digest):
            return block.digest
        digest, record = codec.encode(BLOCK, (), block.meta, block.payload())
        if not self._txn.has(digest):
            self._txn.put_record(record)
            self.bytes += len(record)
        self._txn.link(block.lineage, digest)
        return digest


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
        records, damage = read_journal(self._directory / "journals" / f"{self.uid}.journal")
        return sessionlog.tail(records, self._ref.meta["seq"], damage)

    def begin_turn(self, messages: Sequence[Message], feed: Sequence[int], keep: int, sampling: Mapping[str, Any]) -> None:
        """Make the user's messages durable before any work starts."""
        body = {
            "t": "turn",
            "messages": [[m.role, m.content, m.time_ms] for m in messages],
            "feed": tokenlog.pack(feed),
            "keep": keep,
            "sampling": dict(sampling),
            "parent": self.head.digest,
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
        covers = self._log.next_seq - 1
        with self._store.write() as txn:
            recorder = Recorder(txn)
            digest = self._write(recorder, draft, covers)
            self._move(txn, digest, covers, draft.kind)
            written = commits.read(txn, digest)
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

    def mark_removed(self) -> None:
        """Say in the journal that the session is gone, so that no rebuild brings it back."""
        self._log.append({"t": "removed"})

    def reset(self, target: Commit, reason: str = "reset") -> None:
        """Move the branch to another commit: into the journal first, then into the database."""
        seq = self._log.append({"t": "reset", "commit": target.digest})
        with self._store.write() as txn:
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
        self._journal = Journal.open(self._directory / "journals", self.uid, group_commit_ms=self._group_commit_ms)
        with self._store.read() as txn:
            self.head = commits.read(txn, self._ref.target)
        return self.head.digest != before

    def _mend(self) -> None:
        """Tell the journal again from the database where it lost what the database has."""
        state = retelling.condition(self._directory / "journals", self._ref)
        self.notes.extend(f"Session {self.name!r}: {sentence}; what they held is lost." for sentence in state.sentences)
        if state.worn:
            retelling.retell(self._store, self._directory, self.name, self._ref, state)
            self.notes.append(f"The journal of session {self.name!r} was incomplete; it was written anew from the database.")

    def _read_ref(self) -> Ref:
        with self._store.read() as txn:
            ref = txn.ref(names.head(self.name))
        if ref is None:
            raise SessionNotFound(f"There is no session {self.name!r}. `perdure ls` lists them.")
        return ref

    def _move(self, txn: WriteTxn, digest: Digest, seq: int, reason: str) -> None:
        meta = {**self._ref.meta, "seq": seq, "updated": now_ms()}
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
            recipe=_recipe(recorder, base, draft),
            kind=draft.kind,
            reason=draft.reason,
            author=draft.author,
            time_ms=now_ms(),
            tokens=sum(len(run.tokens) for run in draft.runs) + (0 if draft.replaces else base.tokens),
            messages=len(draft.messages) + (0 if draft.replaces else base.messages),
            turn=base.turn + draft.answers,
            title=draft.title or base.title,
            metrics=draft.metrics,
            state=state,
        )
        return commits.write(recorder, fresh)


class Scratch:
    """Stands in for a WorkingCopy where nothing is to be kept: turns are not journaled and no branch moves.

    A commit stores only whole prefill chunks, found again by lineage, under one of SLOTS rotating `cache/` refs that
    keep gc from dropping them at once; the commit that comes back names nothing in the store.
    """

    SLOTS = 64
    name = None

    def __init__(self, store: Store, recipe: Mapping[str, str]) -> None:
        self._store = store
        self.notes: list[str] = []
        state = StateRefs(b"", b"", b"", None, b"", (), b"", 0, ("", 0), 0)
        self.head = Commit(b"", (), b"", "root", "", "", now_ms(), 0, 0, 0, "", state=state)
        self._recipe = recipe

    def acquire(self) -> bool:
        return False

    def release(self) -> None: ...

    def tail(self) -> sessionlog.Tail:
        return sessionlog.Tail(None, None, (), 0, False)

    def apply(self, tail: sessionlog.Tail) -> None: ...

    def begin_turn(
        self, messages: Sequence[Message], feed: Sequence[int], keep: int, sampling: Mapping[str, Any]
    ) -> None: ...

    def token(self, token: int) -> None: ...

    def drop_turn(self) -> None: ...

    def commit(self, draft: Draft) -> Committed:
        whole = list(_whole_chunks(draft.blocks)) if self.head.tokens == 0 else []
        written = 0
        if any(block.digest is None for block in whole):
            with self._store.write() as txn:
                recorder = Recorder(txn)
                root = tree.build(recorder, [tree.Entry(b.tokens, recorder.put_block(b)) for b in whole])
                _rotate(txn, whole[-1].lineage, root)
                written = recorder.bytes
        state = replace(self.head.state, lineage=draft.lineage) if self.head.state else None
        tokens = self.head.tokens + sum(len(run.tokens) for run in draft.runs)
        turn, messages = self.head.turn + draft.answers, self.head.messages + len(draft.messages)
        self.head = replace(self.head, tokens=tokens, turn=turn, messages=messages, state=state)
        return Committed(self.head, written)


def _whole_chunks(blocks: Sequence[NewBlock]) -> Iterator[NewBlock]:
    """The leading blocks of a fresh prompt that make up whole prefill chunks."""
    per_chunk = PREFILL_GRID // BLOCK_TOKENS
    whole = list(takewhile(lambda block: block.tokens == BLOCK_TOKENS, blocks))
    yield from whole[: len(whole) // per_chunk * per_chunk]


def _rotate(txn: WriteTxn, lineage: Digest, root: Digest) -> None:
    name = f"{names.CACHE}{lineage[0] % Scratch.SLOTS:02d}"
    present = txn.ref(name)
    if present is None or present.target != root:
        txn.set_ref(name, present.target if present else None, root, meta={}, reason="cache")
        txn.trim_reflog(name, now_ms() + 1)


def write_state(recorder: Recorder, base: Commit | None, draft: Draft, journal: tuple[str, int]) -> StateRefs:
    """Store a draft's lists on top of `base`'s (or alone) and say where they are."""
    old = None if base is None or draft.replaces else base.state
    nothing = tree.empty(recorder) if old is None else b""
    blocks = [tree.Entry(block.tokens, recorder.put_block(block)) for block in draft.blocks]
    kv_bytes = (old.kv_bytes if old else 0) + sum(recorder.size(entry.ref) for entry in blocks)
    boundary = None
    if draft.boundary is not None:
        boundary = recorder.put(BOUNDARY, draft.boundary[1], meta=draft.boundary[0])
    return StateRefs(
        token_log=tree.append(recorder, old.token_log if old else nothing, tokenlog.entries(recorder, draft.runs)),
        blocks=tree.append(recorder, old.blocks if old else nothing, blocks),
        message_table=tree.append(
            recorder,
            old.message_table if old else nothing,
            commits.message_entries(recorder, list(draft.messages)),
        ),
        boundary=boundary,
        logits=draft.logits,
        pending=draft.pending,
        lineage=draft.lineage,
        seed=draft.seed,
        journal=journal,
        kv_bytes=kv_bytes,
    )


def _recipe(recorder: Recorder, base: Commit, draft: Draft) -> Digest:
    """The draft's recipe object, written only where it differs from the base's: every journal has that already."""
    meta = dict(draft.recipe)
    same = codec.encode(RECIPE, (), meta)[0] == base.recipe
    return base.recipe if same else recorder.put(RECIPE, meta=meta)


def root_commit(recorder: Recorder, recipe: Mapping[str, str], seed: int, uid: str, author: str) -> Commit:
    """Write the empty first commit of a session and return it."""
    draft = Draft(kind="root", recipe=recipe, seed=seed, replaces=True)
    empty = Commit(b"", (), recorder.put(RECIPE, meta=dict(recipe)), "root", "", author, now_ms(), 0, 0, 0, "")
    complete = replace(empty, state=write_state(recorder, None, draft, (uid, 0)))
    return replace(complete, digest=commits.write(recorder, complete))


def target_seq(tail: sessionlog.Tail) -> int:
    """The last record that a moved branch has taken in while a turn is still open."""
    return tail.turn.first_seq - 1 if tail.turn else tail.last_seq


def now_ms() -> int:
    return time.time_ns() // 1_000_000
