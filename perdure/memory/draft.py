"""What a commit adds to its parent, and how that becomes objects. No tensors here: computed numbers come as bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from ..config import CheckpointOptions
from ..errors import ObjectCorrupt
from ..stores import codec
from ..stores.base import Buffer, Digest, Object, WriteTxn
from . import checkpoints, commits, events, fastweights, remembering, tokenlog, tree
from .commits import BLOCK, SNAPSHOT, SUMMARY
from .events import Event
from .fastweights import Record, Refusal
from .records import Checkpoint, Commit, Message, StateRefs
from .remembering import NewEpisode

BOUNDARY = "logits"
RECIPE = "recipe"
LAYOUT = "layout"
TRACE = "trace"
REQUEST = "request"
REFUSE = "refuse"
"""The kind of a commit that only remembers what was not worth a record."""


class NewBlock(NamedTuple):
    """A KV block to be referred to. `payload` makes its bytes when the store lacks them (`digest` is known or None)."""

    tokens: int
    lineage: Digest
    meta: Mapping[str, Any]
    payload: Callable[[], Buffer]
    digest: Digest | None = None


class NewSummary(NamedTuple):
    """What a working set keeps of evicted tokens."""

    meta: Mapping[str, Any]
    payload: Buffer


class NewSnapshot(NamedTuple):
    """A snapshot of a state's fixed part, written if it is among those to keep; `mark.digest` is set then."""

    mark: Checkpoint
    lineage: Digest
    meta: Mapping[str, Any]
    payload: Callable[[], Buffer]
    summary: NewSummary | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a commit adds to its parent, or to the parent's first `base_tokens` tokens (then `messages` are all of them).

    `boundary` is (meta, payload) of the logits object, `logits` the BLAKE3 of the float32 logits. `windows` are the
    blocks of sliding layers, None for a model without; `layout` describes the model's layers. `events` are new ones, or
    all of them with `base_tokens`. `trace` tells what the turn recalled, `request` what it was asked with.
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
    base_tokens: int | None = None
    windows: Sequence[NewBlock] | None = None
    snapshots: Sequence[NewSnapshot] = ()
    keep: CheckpointOptions = field(default_factory=CheckpointOptions)
    layout: Mapping[str, Any] | None = None
    events: Sequence[Event] = ()
    episodes: Sequence[NewEpisode] = ()
    archived: int = 0
    trace: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None


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

    def has(self, digest: Digest) -> bool:
        return self._txn.has(digest)

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
        return self.put_bulk(BLOCK, block.meta, block.payload(), block.lineage)

    def put_snapshot(self, snapshot: NewSnapshot) -> Checkpoint:
        kept = snapshot.summary
        refs = () if kept is None else (self._put_large(SUMMARY, kept.meta, kept.payload),)
        digest = self.put_bulk(SNAPSHOT, snapshot.meta, snapshot.payload(), snapshot.lineage, refs)
        return snapshot.mark._replace(digest=digest)

    def put_bulk(
        self, kind: str, meta: Mapping[str, Any], payload: Buffer, lineage: Digest, refs: Sequence[Digest] = ()
    ) -> Digest:
        digest = self._put_large(kind, meta, payload, refs)
        self._txn.link(lineage, digest)
        return digest

    def _put_large(self, kind: str, meta: Mapping[str, Any], payload: Buffer, refs: Sequence[Digest] = ()) -> Digest:
        """Write an object that the journal does not tell of."""
        digest, record = codec.encode(kind, refs, meta, payload)
        if not self._txn.has(digest):
            self._txn.put_record(record)
            self.bytes += len(record)
        return digest


def write_state(recorder: Recorder, base: Commit | None, draft: Draft, journal: tuple[str, int]) -> StateRefs:
    """Store a draft's lists on top of `base`'s (or alone) and say where they are."""
    old = _Base.of(recorder, base, draft)
    blocks = _entries(recorder, draft.blocks)
    windows = None if draft.windows is None else _entries(recorder, draft.windows)
    written = sum(recorder.size(entry.ref) for entry in [*blocks, *(windows or ())])
    boundary = None
    if draft.boundary is not None:
        boundary = recorder.put(BOUNDARY, draft.boundary[1], meta=draft.boundary[0])
    remembered = remembering.append(recorder, old.episodes, old.episode_kv, draft.episodes)
    return StateRefs(
        token_log=tree.append(recorder, old.token_log, tokenlog.entries(recorder, draft.runs)),
        blocks=tree.append(recorder, old.blocks, blocks),
        message_table=tree.append(recorder, old.messages, commits.message_entries(recorder, list(draft.messages))),
        boundary=boundary,
        logits=draft.logits,
        pending=draft.pending,
        lineage=draft.lineage,
        seed=draft.seed,
        journal=journal,
        kv_bytes=old.kv_bytes + written,
        windows=old.windows if windows is None else tree.append(recorder, old.windows or tree.empty(recorder), windows),
        layout=_layout(recorder, old.layout, draft),
        checkpoints=_checkpoints(recorder, old.checkpoints, draft),
        events=tree.extended(recorder, old.events, events.entries(recorder, draft.events)),
        episodes=remembered.episodes,
        episode_kv=remembered.kv,
        trace=None if draft.trace is None else recorder.put(TRACE, meta=draft.trace),
        archived=draft.archived,
        opened=tree.extended(recorder, old.opened, events.acting(draft.events)),
        ledger=old.ledger,
        refused=old.refused,
        mounts=old.mounts,
        request=None if draft.request is None else recorder.put(REQUEST, meta=draft.request),
        about=old.about,
    )


def _layout(recorder: Recorder, old: Digest | None, draft: Draft) -> Digest | None:
    """The draft's layout object, written only where it differs from the base's: every journal has that already."""
    if draft.layout is None:
        return old
    same = codec.encode(LAYOUT, (), draft.layout)[0] == old
    return old if same else recorder.put(LAYOUT, meta=draft.layout)


class _Base(NamedTuple):
    """What a draft is put on top of: the base's lists, whole or cut."""

    token_log: Digest
    blocks: Digest
    messages: Digest
    windows: Digest | None
    layout: Digest | None
    checkpoints: tuple[Checkpoint, ...]
    kv_bytes: int
    events: Digest | None = None
    episodes: Digest | None = None
    episode_kv: Digest | None = None
    opened: Digest | None = None
    ledger: Digest | None = None
    refused: Digest | None = None
    mounts: tuple[str, ...] = ()
    about: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def of(cls, recorder: Recorder, base: Commit | None, draft: Draft) -> _Base:
        state = None if base is None else base.state
        if state is None or draft.base_tokens == 0:
            nothing = tree.empty(recorder)
            kept = () if state is None else (state.ledger, state.refused, state.mounts, state.about)
            return cls(nothing, nothing, nothing, None, None, (), 0, None, None, None, None, *kept)
        if draft.base_tokens is None:
            return cls(
                state.token_log,
                state.blocks,
                state.message_table,
                state.windows,
                state.layout,
                state.checkpoints,
                state.kv_bytes,
                state.events,
                state.episodes,
                state.episode_kv,
                state.opened,
                state.ledger,
                state.refused,
                state.mounts,
                state.about,
            )
        return cls._cut(recorder, state, draft.base_tokens)

    @classmethod
    def _cut(cls, recorder: Recorder, state: StateRefs, end: int) -> _Base:
        runs = tokenlog.crop(tokenlog.load(recorder, state.token_log), end)
        blocks = _blocks_until(recorder, state.blocks, end)
        windows = [] if state.windows is None else _blocks_until(recorder, state.windows, end)
        return cls(
            tree.build(recorder, tokenlog.entries(recorder, runs)),
            tree.build(recorder, blocks),
            tree.empty(recorder),
            None if state.windows is None else tree.build(recorder, windows),
            state.layout,
            tuple(mark for mark in state.checkpoints if mark.position <= end),
            sum(recorder.size(entry.ref) for entry in [*blocks, *windows]),
            None,
            *remembering.cut(recorder, state.episodes, end),
            None,
            state.ledger,
            state.refused,
            state.mounts,
            state.about,
        )


def _blocks_until(recorder: Recorder, root: Digest, end: int) -> list[tree.Entry]:
    """The entries of the blocks that lie wholly before token `end`."""
    kept, at = [], 0
    for entry in tree.iterate(recorder, root):
        at += entry.value
        if at > end:
            break
        kept.append(entry)
    return kept


def _entries(recorder: Recorder, blocks: Sequence[NewBlock]) -> list[tree.Entry]:
    return [tree.Entry(block.tokens, recorder.put_block(block)) for block in blocks]


def _checkpoints(recorder: Recorder, older: Sequence[Checkpoint], draft: Draft) -> tuple[Checkpoint, ...]:
    """Write those of the new snapshots that are to be kept, and list them with the older ones to be kept."""
    fresh = {new.mark.position: new for new in draft.snapshots}
    before = [mark for mark in older if mark.position not in fresh]
    kept = checkpoints.retained([*before, *(new.mark for new in fresh.values())], draft.keep)
    return tuple(recorder.put_snapshot(fresh[m.position]) if m.position in fresh else m for m in kept)


def recipe_object(recorder: Recorder, base: Commit, draft: Draft) -> Digest:
    """The draft's recipe object, written only where it differs from the base's: every journal has that already."""
    meta = dict(draft.recipe)
    same = codec.encode(RECIPE, (), meta)[0] == base.recipe
    return base.recipe if same else recorder.put(RECIPE, meta=meta)


def root_commit(
    recorder: Recorder,
    recipe: Mapping[str, str],
    seed: int,
    uid: str,
    author: str,
    about: Mapping[str, Any] = MappingProxyType({}),
    mounts: Sequence[str] = (),
) -> Commit:
    """Write the empty first commit of a session and return it. `about` and `mounts` as in StateRefs."""
    draft = Draft(kind="root", recipe=recipe, seed=seed, base_tokens=0)
    empty = Commit(b"", (), recorder.put(RECIPE, meta=dict(recipe)), "root", "", author, now_ms(), 0, 0, 0, "")
    state = replace(write_state(recorder, None, draft, (uid, 0)), about=dict(about), mounts=tuple(mounts))
    complete = replace(empty, state=state)
    return replace(complete, digest=commits.write(recorder, complete))


def remembering_commit(
    recorder: Recorder,
    base: Commit,
    journal: tuple[str, int],
    new: Sequence[NewEpisode],
    changes: Mapping[Digest, NewEpisode | None],
) -> Commit:
    """A commit on `base` that differs from it in its episodes only; it is not written yet."""
    state = state_of(base)
    found = remembering.Remembered(state.episodes, state.episode_kv)
    if changes:
        found = remembering.changed(recorder, state.episodes, changes)
    found = remembering.append(recorder, found.episodes, found.kv, new)
    return revised(base, "memory", replace(state, episodes=found.episodes, episode_kv=found.kv, journal=journal))


def ledger_commit(
    recorder: Recorder,
    base: Commit,
    journal: tuple[str, int],
    new: Sequence[Record],
    gone: Collection[Digest],
    refused: Sequence[Refusal] = (),
) -> Commit:
    """A commit on `base` that differs from it in its ledger only: without the records `gone`, with new ones behind.

    `refused` are facts that were not worth a record.
    """
    state = state_of(base)
    kept = fastweights.without(recorder, state.ledger, gone) if gone else state.ledger
    ledger = fastweights.append(recorder, kept, new)
    settled = fastweights.settled(recorder, state.refused, refused, {record.key for record in new})
    kind = "teach" if new else REFUSE if refused else "unteach"
    return revised(base, kind, replace(state, ledger=ledger, refused=settled, journal=journal))


def mounting_commit(recorder: Recorder, base: Commit, journal: tuple[str, int], mounts: Sequence[str]) -> Commit:
    """A commit on `base` that differs from it in what it mounts only."""
    return revised(base, "mount", replace(state_of(base), mounts=tuple(mounts), journal=journal))


def describing_commit(recorder: Recorder, base: Commit, journal: tuple[str, int], about: Mapping[str, Any]) -> Commit:
    """A commit on `base` that differs from it in what is said of the session only."""
    return revised(base, "describe", replace(state_of(base), about=dict(about), journal=journal))


def revised(base: Commit, kind: str, state: StateRefs) -> Commit:
    """A commit that follows `base` without any turn; it is not written yet."""
    state = replace(state, trace=None)
    return replace(base, digest=b"", parents=(base.digest,), kind=kind, reason="", time_ms=now_ms(), metrics={}, state=state)


def state_of(commit: Commit) -> StateRefs:
    if commit.state is None:
        raise ObjectCorrupt(f"Commit {commit.short} carries no state.", digest=commit.digest)
    return commit.state


def now_ms() -> int:
    return time.time_ns() // 1_000_000
