"""Reading a store: sessions, revisions, their contents, and the computed numbers that a restore needs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing, SessionNotFound
from ..stores.base import Digest, ReadTxn, Ref, RefLogEntry, Store
from . import (
    ancestry,
    commits,
    episodes,
    fastweights,
    graph,
    inspecting,
    names,
    native,
    prefix,
    remembering,
    revisions,
    tokenlog,
)
from .episodes import Episode
from .events import Event
from .fastweights import Held, Record, Refusal
from .heads import Heads, heads
from .inspecting import Bounded
from .memo import Latest
from .native import Native
from .recipe import Recipe
from .records import Checkpoint, Commit, Diff, LayerKind, Message, SessionInfo, Tag


class Restored(NamedTuple):
    """What a restore read, and the blocks (start, tokens, digest) that could not be trusted."""

    bytes: int
    damaged: list[tuple[int, int, Digest]]


class StoredSnapshot(NamedTuple):
    """A snapshot as it is stored, with (meta, payload) of the summary that belongs to it."""

    meta: Mapping[str, Any]
    payload: bytes
    summary: tuple[Mapping[str, Any], bytes] | None

    @property
    def nbytes(self) -> int:
        return len(self.payload) + (0 if self.summary is None else len(self.summary[1]))


class Reader:
    """What can be asked of a store without changing it. Safe to use from several threads."""

    store: Store
    salt: bytes = b""

    def __init__(self) -> None:
        self._heads: Latest[Mapping[str, Digest]] = Latest()
        self._sessions: Latest[Sequence[SessionInfo]] = Latest()

    def origin(self, recipe: Recipe) -> Digest:
        """What the lineage ids of states begin with that a recipe computes for this store."""
        return tokenlog.salted(recipe.digest, self.salt)

    def sessions(self) -> list[SessionInfo]:
        """All sessions, ordered by name. One whose head cannot be read is left to `fsck` to report."""
        return list(self._sessions.of(self.store.version(), self._listed))

    def _listed(self) -> list[SessionInfo]:
        with self.store.read() as txn:
            found = [_session_or_none(txn, name, ref) for name, ref in txn.refs(names.HEADS)]
        return [info for info in found if info is not None]

    def uids(self) -> dict[str, str]:
        """The names of all sessions by their uids, of those too whose head cannot be read."""
        with self.store.read() as txn:
            return {str(ref.meta["uid"]): name.removeprefix(names.HEADS) for name, ref in txn.refs(names.HEADS)}

    def exists(self, name: str) -> bool:
        with self.store.read() as txn:
            return txn.ref(names.head(name)) is not None

    def info(self, name: str) -> SessionInfo:
        """One session. Raises SessionNotFound."""
        with self.store.read() as txn:
            return _session(txn, name, head_ref(txn, name))

    def resolve(self, rev: str, session: str | None = None) -> Commit:
        """The commit a revision names; see `memory.revisions` for the grammar."""
        with self.store.read() as txn:
            if session is not None:
                head_ref(txn, session)
            return revisions.resolve(txn, rev, session)

    def log(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]:
        """The commit and its ancestors along first parents, newest first."""
        with self.store.read() as txn:
            start = revisions.resolve(txn, rev, session)
            return [commit for _, commit in zip(range(limit or 1 << 62), commits.history(txn, start), strict=False)]

    def ancestry(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]:
        """The commit and all that it goes back to, what was merged into it among that, newest first."""
        with self.store.read() as txn:
            start = revisions.resolve(txn, rev, session)
            return list(itertools.islice(ancestry.ancestors(txn, [start]), limit))

    def leads_to(self, earlier: Commit, later: Commit) -> bool:
        """Whether a commit is another one, or that goes back to it."""
        with self.store.read() as txn:
            return ancestry.leads_to(txn, earlier.digest, later)

    def heads(self) -> Mapping[str, Digest]:
        """Where every session stands."""
        return self._heads.of(self.store.version(), self._standing)

    def _standing(self) -> Mapping[str, Digest]:
        with self.store.read() as txn:
            return MappingProxyType(graph.heads(txn))

    def reflog(self, name: str) -> list[RefLogEntry]:
        """Where the session's branch has stood, oldest first."""
        with self.store.read() as txn:
            head_ref(txn, name)
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

    def blocks(self, commit: Commit, *, windows: bool = False) -> list[tuple[int, int, Digest]]:
        """(start, tokens, digest) of a commit's KV blocks, or of those of its sliding layers."""
        with self.store.read() as txn:
            return commits.window_list(txn, commit) if windows else commits.block_list(txn, commit)

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

    def restore(
        self,
        commit: Commit,
        sink: Callable[[int, int, memoryview], None],
        *,
        windows: bool = False,
        start: int = 0,
        end: int | None = None,
    ) -> Restored:
        """Hand the KV blocks of a commit that touch tokens [start, end) to `sink(start, tokens, payload)`, verified.

        `windows` takes the blocks of sliding layers. What is damaged or missing is reported, not raised.
        """
        total = 0
        damaged = []
        last = commit.tokens if end is None else end
        with self.store.read() as txn:
            places = commits.window_list(txn, commit) if windows else commits.block_list(txn, commit)
            for at, n, digest in places:
                if at >= last or at + n <= start:
                    continue
                try:
                    item = txn.get(digest)
                except (ObjectMissing, ObjectCorrupt):
                    damaged.append((at, n, digest))
                    continue
                sink(at, n, item.payload)
                total += len(item.payload)
        return Restored(total, damaged)

    def snapshot(self, digest: Digest) -> StoredSnapshot | None:
        """A stored snapshot; None where it is damaged or no longer there."""
        try:
            with self.store.read() as txn:
                item = txn.get(digest)
                kept = txn.get(item.refs[0]) if item.refs else None
                summary = None if kept is None else (dict(kept.meta), bytes(kept.payload))
                return StoredSnapshot(dict(item.meta), bytes(item.payload), summary)
        except (ObjectMissing, ObjectCorrupt):
            return None

    def summary_parts(self, digest: Digest) -> tuple[Mapping[str, Any], bytes]:
        """(meta, payload) of what a merge added to a summary. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            item = txn.get(digest)
            return dict(item.meta), bytes(item.payload)

    def events(self, commit: Commit) -> list[Event]:
        """What happened to a commit's working set between its forwards."""
        with self.store.read() as txn:
            return commits.events(txn, commit)

    def remembered(self, commit: Commit, start: int = 0) -> list[remembering.Entry]:
        """What a commit remembers, from number `start` on, oldest first, without opening the episodes."""
        with self.store.read() as txn:
            return list(remembering.read(txn, commit.state.episodes if commit.state else None, start))

    def beginning(self, commit: Commit, digits: str) -> list[remembering.Entry]:
        """What a commit remembers under ids that begin with `digits`."""
        with self.store.read() as txn:
            return list(remembering.beginning(txn, commit.state.episodes if commit.state else None, digits.lower()))

    def held(self) -> set[Digest]:
        """The episodes that the head of some session remembers; sessions and entries that cannot be read are left out."""
        seen: set[Digest] = set()
        with self.store.read() as txn:
            infos = [_session_or_none(txn, name, ref) for name, ref in txn.refs(names.HEADS)]
            roots = {info.head.state.episodes for info in infos if info is not None and info.head.state is not None}
            return {entry.digest for root in roots for entry in remembering.unseen(txn, root, seen)}

    def episodes(self, digests: Iterable[Digest]) -> list[Episode]:
        """Episodes by their objects' digests. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            return [episodes.get(txn, digest) for digest in digests]

    def records(self, digests: Iterable[Digest]) -> list[Record]:
        """Fast-weight records by their objects' digests. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            return [fastweights.get(txn, digest) for digest in digests]

    def ledger(self, commit: Commit) -> list[Held]:
        """The fast-weight records of a commit, oldest first, without opening them."""
        with self.store.read() as txn:
            return list(fastweights.read(txn, commit.state.ledger if commit.state else None))

    def natives(self, commit: Commit) -> list[Native]:
        """The fast weights that a commit's model has by nature. Raises ObjectCorrupt."""
        with self.store.read() as txn:
            return native.natives(txn, commit)

    def stored(self, digests: Iterable[Digest]) -> set[Digest]:
        """Those of some objects that the store has."""
        with self.store.read() as txn:
            return {digest for digest in digests if txn.has(digest)}

    def refusals(self, commit: Commit) -> list[Refusal]:
        """The facts that were not worth a record of a commit's ledger."""
        with self.store.read() as txn:
            return list(fastweights.refusals(txn, commit.state.refused if commit.state else None))

    def payload(self, digest: Digest | None) -> tuple[Mapping[str, Any], bytes] | None:
        """(meta, payload) of a stored object; None where it is damaged or not there."""
        try:
            with self.store.read() as txn:
                item = None if digest is None else txn.get(digest)
                return None if item is None else (dict(item.meta), bytes(item.payload))
        except (ObjectMissing, ObjectCorrupt):
            return None

    def holes(self, commit: Commit) -> bool:
        """Whether a KV block of a commit is not there, read or unread; whether its bytes are sound is not looked at."""
        with self.store.read() as txn:
            places = [*commits.block_list(txn, commit), *commits.window_list(txn, commit)]
            return not all(txn.has(digest) for _, _, digest in places)

    def lost(self, entries: Iterable[remembering.Entry]) -> list[remembering.Entry]:
        """Those remembered episodes whose KV is not there."""
        with self.store.read() as txn:
            return [entry for entry in entries if entry.kv is not None and not txn.has(entry.kv)]

    def find(self, lineage: Digest) -> Digest | None:
        """The object that was computed under a lineage id, if the store has it."""
        with self.store.read() as txn:
            digest = txn.find(lineage)
            return digest if digest is not None and txn.has(digest) else None

    def trace(self, commit: Commit) -> Mapping[str, Any] | None:
        """What the commit's turn recalled, and why; None where it recalled nothing."""
        found = self.payload(commit.state.trace if commit.state else None)
        return None if found is None else found[0]

    def request(self, commit: Commit) -> Mapping[str, Any]:
        """What the last turn before the commit was asked with; empty where nothing is known of it."""
        found = self.payload(commit.state.request if commit.state else None)
        return {} if found is None else found[0]

    def layers(self, commit: Commit) -> list[LayerKind]:
        """What the layers of the commit's model keep; nothing for a session that is still empty."""
        with self.store.read() as txn:
            return layers_of(txn, commit)

    def inspect(self, commit: Commit) -> inspecting.Memory:
        """What each tier of memory holds at a commit. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            working, summary = _bounded(txn, commit)
            return inspecting.Memory(working, inspecting.episodic(txn, commit), summary)

    def bounded(self, commit: Commit) -> Bounded:
        """The same without the episodes, of which there may be many."""
        with self.store.read() as txn:
            return _bounded(txn, commit)

    def summary_heads(self, commit: Commit) -> Heads:
        """What a commit's summary keeps, by layers and heads. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            return heads(txn, commit, commits.events(txn, commit), layers_of(txn, commit))

    def present(self, commit: Commit) -> list[Checkpoint]:
        """Those of the commit's snapshots that the store still has, oldest first."""
        with self.store.read() as txn:
            return [mark for mark in commits.checkpoints(commit) if txn.has(mark.digest)]

    def reuse(self, recipe: Digest, tokens: list[int], taker: prefix.Taker, begin: Callable[[int], None]) -> prefix.Reused:
        """Hand what is stored of the longest shared prefix of a fresh prompt to `taker`."""
        with self.store.read() as txn:
            return prefix.load(txn, recipe, tokens, taker, begin)

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


def head_ref(txn: ReadTxn, name: str) -> Ref:
    ref = txn.ref(names.head(name))
    if ref is None:
        raise SessionNotFound(f"There is no session {name[:80]!r}. `perdure ls` lists them.")
    return ref


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


def _bounded(txn: ReadTxn, commit: Commit) -> Bounded:
    happened = commits.events(txn, commit)
    working = inspecting.working(commit, happened, layers_of(txn, commit))
    return Bounded(working, inspecting.summary(txn, commit, happened, working))


def layers_of(txn: ReadTxn, commit: Commit) -> list[LayerKind]:
    """What the layers of the commit's model keep; nothing for a session that is still empty."""
    if commit.state is None or commit.state.layout is None:
        return []
    return [LayerKind(*row) for row in txn.get(commit.state.layout).meta["layers"]]


def _diff(txn: ReadTxn, base: Commit, head: Commit) -> Diff:
    a, b = tokenlog.tokens(commits.runs(txn, base)), tokenlog.tokens(commits.runs(txn, head))
    common_tokens = _common(a, b)
    x, y = commits.messages(txn, base), commits.messages(txn, head)
    common_messages = _common([(m.role, m.content) for m in x], [(m.role, m.content) for m in y])
    ancestor = ancestry.common(txn, base, head)
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
