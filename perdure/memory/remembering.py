"""The list of episodes that a commit remembers: added to, cut, edited.

An entry is [id, end, pinned, digest of the KV] and refers to the episode; `end` is the last token of the conversation that
the episode is of, 0 for a document and for what was merged in from another conversation. A second list refers to the KV,
which is reached without opening them so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from ..stores.base import Buffer, Digest
from . import episodes, tree
from .episodes import Episode


class NewEpisode(NamedTuple):
    """An episode to remember, and (meta, payload) of its KV unless the store has that already or there is none."""

    episode: Episode
    kv: tuple[Mapping[str, Any], Callable[[], Buffer]] | None = None


class Remembered(NamedTuple):
    """The roots of both lists; None where there is nothing."""

    episodes: Digest | None
    kv: Digest | None


class Entry(NamedTuple):
    """One remembered episode of a commit."""

    digest: Digest
    id: str
    end: int
    pinned: bool
    kv: Digest | None


class Writes(tree.Puts, Protocol):
    """What writing episodes needs of a transaction (`draft.Recorder`)."""

    def has(self, digest: Digest) -> bool: ...

    def put_bulk(self, kind: str, meta: Mapping[str, Any], payload: Buffer, lineage: Digest) -> Digest: ...


KV = "kv-block"


def append(txn: Writes, root: Digest | None, kv: Digest | None, new: Sequence[NewEpisode]) -> Remembered:
    """Both lists with new episodes behind them."""
    entries = [_stored(txn, item) for item in new]
    return Remembered(tree.extended(txn, root, _listed(entries)), tree.extended(txn, kv, _kv(entries)))


def cut(txn: tree.Puts, root: Digest | None, end: int) -> Remembered:
    """Both lists without the episodes of what was said after token `end`."""
    return rebuilt(txn, [entry for entry in read(txn, root) if entry.end <= end])


def changed(txn: Writes, root: Digest | None, changes: Mapping[Digest, NewEpisode | None]) -> Remembered:
    """Both lists with some episodes replaced, or removed where the change is None."""
    entries: list[Entry] = []
    for entry in read(txn, root):
        change = changes.get(entry.digest, entry)
        if isinstance(change, NewEpisode):
            # Its place stays: that of one that was merged in is not where it was said.
            entries.append(_stored(txn, change)._replace(end=entry.end))
        elif change is not None:
            entries.append(entry)
    return rebuilt(txn, entries)


def bare(txn: tree.Puts, entry: Entry) -> Entry:
    """The entry of the same episode without its KV, which is encoded again whenever it is recalled."""
    without = replace(episodes.get(txn, entry.digest), kv=None, lineage=b"")
    return entry._replace(digest=episodes.put(txn, without), kv=None)


def rebuilt(txn: tree.Puts, entries: Sequence[Entry]) -> Remembered:
    return Remembered(tree.extended(txn, None, _listed(entries)), tree.extended(txn, None, _kv(entries)))


def read(txn: tree.Gets, root: Digest | None, start: int = 0) -> Iterator[Entry]:
    """The entries of a list of episodes from number `start` on, oldest first."""
    return _read(() if root is None else tree.iterate(txn, root, start))


def beginning(txn: tree.Gets, root: Digest | None, digits: str) -> Iterator[Entry]:
    """Those whose id begins with `digits`."""
    return _read(() if root is None else tree.matching(txn, root, lambda value: bool(value[0].startswith(digits))))


def unseen(txn: tree.Gets, root: Digest | None, seen: set[Digest]) -> Iterator[Entry]:
    """Those in nodes of the list that are not in `seen` yet; see `tree.unseen`."""
    return _read(tree.unseen(txn, root, seen))


def _read(entries: Iterable[tree.Entry]) -> Iterator[Entry]:
    for (name, end, pinned, kv), ref in entries:
        yield Entry(ref, name, end, pinned, kv or None)


def _stored(txn: Writes, new: NewEpisode) -> Entry:
    episode = new.episode
    if new.kv is not None:
        meta, payload = new.kv
        episode = replace(episode, kv=txn.put_bulk(KV, meta, payload(), episode.lineage))
    elif episode.kv is not None and not txn.has(episode.kv):
        # It was another session's, which has been deleted since; recalling this encodes it again.
        episode = replace(episode, kv=None, lineage=b"")
    return Entry(episodes.put(txn, episode), episode.id, episode.end, episode.pinned, episode.kv)


def _listed(entries: Iterable[Entry]) -> list[tree.Entry]:
    return [tree.Entry([entry.id, entry.end, entry.pinned, entry.kv or b""], entry.digest) for entry in entries]


def _kv(entries: Iterable[Entry]) -> list[tree.Entry]:
    return [tree.Entry(0, entry.kv) for entry in entries if entry.kv is not None]
