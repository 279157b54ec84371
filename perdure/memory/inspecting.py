"""What a session's memory holds, tier by tier, read from the store alone: no model and no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, Object, ReadTxn
from . import commits, episodes, remembering
from .events import EVICT, RECALL, Event
from .native import itemsize
from .records import Commit, LayerKind

BINS = 16
"""Parts of the evicted past that a summary's entries are counted in."""


class Working(NamedTuple):
    """The working tier. `tokens` were absorbed in all; those from `oldest` on are still exact, `window` of them.

    Before them stand `sinks` of the first tokens and `summary` others, in each layer and KV head; attention reads
    `entries` in all, whose keys and values, with what other layers keep, have `nbytes` bytes. `evictions` and `recalls`
    count what happened so far.
    """

    tokens: int
    oldest: int
    window: int
    sinks: int
    summary: int
    entries: int
    evictions: int
    recalls: int
    nbytes: int


class Bin(NamedTuple):
    """How many entries, over all layers and KV heads, a summary keeps of tokens [start, end)."""

    start: int
    end: int
    entries: int


class Summary(NamedTuple):
    """The summary tier, as the snapshot after `position` tokens keeps it. `digest` None: nothing is stored.

    `entries` are those of each layer and KV head, sinks left out; `distinct` tokens have one somewhere, and `folded` others
    went into a memory of fixed size. `folds` counts the evictions that made it, `nbytes` is its size, sinks included.
    """

    backend: str
    position: int
    entries: int
    distinct: int
    folded: int
    folds: int
    nbytes: int
    digest: Digest | None
    histogram: tuple[Bin, ...]


class Snapped(NamedTuple):
    """A summary as it is stored, and the token after which it was taken."""

    position: int
    stored: Object


class Episodic(NamedTuple):
    """The episodic tier. `nbytes` is the size of the stored KV; the times are of what was said first and last (0: none)."""

    memories: int
    pinned: int
    tokens: int
    nbytes: int
    roles: Mapping[str, int]
    oldest_ms: int
    newest_ms: int


class Bounded(NamedTuple):
    """The tiers of a commit that have a bounded size."""

    working: Working
    summary: Summary


class Memory(NamedTuple):
    """All tiers of one commit."""

    working: Working
    episodic: Episodic
    summary: Summary


EMPTY = Summary("none", 0, 0, 0, 0, 0, 0, None, ())


def working(commit: Commit, events: Sequence[Event], layers: Iterable[LayerKind]) -> Working:
    """The working tier after a commit's last token."""
    oldest = kept = sinks = 0
    evictions = [event.detail for event in events if event.kind == EVICT]
    for detail in evictions:
        kept = min(kept + detail["upto"] - oldest, detail["sinks"] + detail["entries"])
        oldest, sinks = detail["upto"], detail["sinks"]
    window = commit.tokens - oldest
    entries = kept + window
    nbytes = sum(layer.nbytes(entries if layer.window is None else commit.tokens) for layer in layers)
    recalls = sum(event.kind == RECALL for event in events)
    first = min(sinks, kept)
    return Working(commit.tokens, oldest, window, first, kept - first, entries, len(evictions), recalls, nbytes)


def summary(txn: ReadTxn, commit: Commit, events: Sequence[Event], tier: Working) -> Summary:
    """The summary tier in the newest snapshot of a commit that has one and is still stored."""
    found = newest(txn, commit)
    return EMPTY if found is None else _summary(found.position, found.stored, backend(events, tier), tier)


def backend(events: Sequence[Event], tier: Working) -> str:
    """What summarised the tokens that left the window last; "none" where none did, or nothing is kept of them."""
    evictions = [event.detail for event in events if event.kind == EVICT]
    return str(evictions[-1].get("backend", "heavy-hitters" if tier.summary else "none")) if evictions else "none"


def summarised(txn: ReadTxn, commit: Commit) -> NDArray[np.int32]:
    """The tokens that a commit's summary has entries of, in rising order; those folded into a memory of fixed size too."""
    found = newest(txn, commit)
    if found is None:
        return np.empty(0, np.int32)
    spans = found.stored.meta.get("memory", {}).get("spans", ())
    folded = [np.arange(start, end, dtype=np.int32) for start, end in spans]
    kept = [each.ravel() for name, each in tensors(found.stored) if name.startswith("tokens.")]
    return np.unique(np.concatenate([*kept, *folded])) if kept or folded else np.empty(0, np.int32)


def newest(txn: ReadTxn, commit: Commit) -> Snapped | None:
    """The summary of a commit's newest snapshot that has one and is still stored."""
    for mark in reversed(commits.checkpoints(commit)):
        try:
            refs = txn.get(mark.digest).refs
            stored = txn.get(refs[0]) if refs else None
        except (ObjectMissing, ObjectCorrupt):
            continue
        if stored is not None:
            return Snapped(mark.position, stored)
    return None


def episodic(txn: ReadTxn, commit: Commit) -> Episodic:
    """The episodic tier of a commit."""
    entries = list(remembering.read(txn, commit.state.episodes if commit.state else None))
    found = [episodes.get(txn, entry.digest) for entry in entries]
    times = [episode.time_ms for episode in found]
    return Episodic(
        memories=len(found),
        pinned=sum(entry.pinned for entry in entries),
        tokens=sum(len(episode.tokens) for episode in found),
        nbytes=sum(txn.size(kv) for kv in {entry.kv for entry in entries if entry.kv is not None} if txn.has(kv)),
        roles=dict(sorted(Counter(episode.role for episode in found).items())),
        oldest_ms=min(times, default=0),
        newest_ms=max(times, default=0),
    )


def _summary(position: int, stored: Object, name: str, tier: Working) -> Summary:
    tokens = [each for name, each in tensors(stored) if name.startswith("tokens.")]
    kept = np.concatenate([each.ravel() for each in tokens]) if tokens else np.empty(0, np.int32)
    others = kept[kept >= tier.sinks]
    entries = max((each.shape[-1] for each in tokens), default=0) - tier.sinks
    return Summary(
        backend=name,
        position=position,
        entries=max(0, entries),
        distinct=len(np.unique(others)),
        folded=sum(end - start for start, end in stored.meta.get("memory", {}).get("spans", ())),
        folds=stored.meta["folds"],
        nbytes=len(stored.payload),
        digest=stored.digest,
        histogram=tuple(_bins(others, tier.oldest)),
    )


def bins(end: int) -> list[tuple[int, int]]:
    """The parts of [0, end) that entries are counted in."""
    width = max(1, -(-end // BINS))
    return [(start, min(start + width, end)) for start in range(0, end, width)]


def _bins(tokens: NDArray[np.int32], end: int) -> Iterator[Bin]:
    """How many of the tokens lie in each part of [0, end)."""
    for start, stop in bins(end) if tokens.size else ():
        yield Bin(start, stop, int(((tokens >= start) & (tokens < stop)).sum()))


def tensors(stored: Object) -> Iterator[tuple[str, NDArray[Any]]]:
    """The int32 and float32 tensors of a summary by name; of others only the sizes matter here."""
    at, payload = 0, memoryview(stored.payload)
    for name, dtype, shape in stored.meta["tensors"]:
        count = int(np.prod(shape, dtype=np.int64))
        size = count * itemsize(dtype)
        if at + size > len(payload):
            what = f"Summary {stored.digest.hex()[:12]} is shorter than its header says."
            raise ObjectCorrupt(what, digest=stored.digest)
        if dtype in ("int32", "float32"):
            yield (
                name,
                np.frombuffer(payload, dtype=np.dtype(dtype).newbyteorder("<"), count=count, offset=at).reshape(shape),
            )
        at += size
