"""A session's journal written anew from the database, where the journal lost what the database has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Ref, Store
from ..stores.journal import Damage, Journal, JournalRecord, read_journal
from . import commits, names, sessionlog

_CHUNK = 1 << 20


class Condition(NamedTuple):
    """How a journal stands against its branch.

    `worn`: something that the database has is not in it, so it must be told again. `lost`: spans of records that nobody
    has, and `dropped` how many tokens behind them have no place any more. `tail`: the bodies that the database has not
    taken in. `highest`: the greatest number ever given out.
    """

    worn: bool
    lost: tuple[Damage, ...]
    dropped: int
    tail: tuple[Mapping[str, Any], ...]
    highest: int

    @property
    def sentences(self) -> list[str]:
        behind = f", and {self.dropped} tokens behind them have no place any more" if self.dropped else ""
        return [f"journal records {d.first_seq} to {d.last_seq} are damaged in both copies{behind}" for d in self.lost]


def condition(directory: Path, ref: Ref) -> Condition:
    """Hold a session's journal against its branch."""
    records, damage = read_journal(directory / f"{ref.meta['uid']}.journal")
    applied = int(ref.meta["seq"])
    known = any(record.body.get("commit") == ref.target for record in records)
    opened = any(record.body["t"] == "open" for record in records)
    # The record after the last one applied tells the head's own commit; the database has what it said.
    first = applied + 1 if known else applied + 2
    lost = tuple(d._replace(first_seq=max(first, d.first_seq)) for d in damage if d.last_seq >= first)
    highest = max([applied, *(record.seq for record in records), *(d.last_seq for d in damage)])
    short = max([-1, *(record.seq for record in records)]) < applied
    worn = not known or not opened or short or any(d.first_seq < first for d in damage)
    tail, dropped = sessionlog.usable([record for record in records if record.seq > applied], damage)
    return Condition(worn, lost, dropped if lost else 0, _pending([record.body for record in tail]), highest)


def retell(store: Store, root: Path, name: str, ref: Ref, state: Condition) -> None:
    """Write the journal anew: history from the database, then the tail. The caller holds the session's lease.

    What the old journal or the database hold for other sessions' sake (a fork's base, a tagged commit) is kept.
    """
    directory, uid = root / "journals", str(ref.meta["uid"])
    records, _ = read_journal(directory / f"{uid}.journal")
    with store.read() as txn:
        teller = _Teller(txn, archived(records))
        bodies = [*teller.history(name, ref, base_of(records)), *teller.rest(_others(directory, uid))]
    Journal.rewrite(directory, uid, [*bodies, *state.tail], first_seq=state.highest + 1, unsettled=len(state.tail))


def base_of(records: Iterable[JournalRecord]) -> Sequence[Any] | None:
    """[uid, commit] of the journal that a journal was forked from."""
    return next((record.body["base"] for record in records if record.body["t"] == "open"), None)


def archived(records: Iterable[JournalRecord]) -> dict[Digest, bytes]:
    """Every small object that journal records hold, by digest; a turn's messages among them."""
    found: dict[Digest, bytes] = {}
    for record in records:
        for _, content, _ in record.body.get("messages", ()):
            digest, encoded = codec.encode(commits.MESSAGE, (), {}, content.encode())
            found[digest] = encoded
        found.update((codec.digest_of(encoded), encoded) for encoded in record.body.get("records", ()))
    return found


def _pending(tail: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The part of a tail after its last opening: what stands before it has been told again already."""
    last = max((index for index, body in enumerate(tail) if body["t"] == "open"), default=-1)
    rest = tail[last + 1 :]
    return tuple(rest if last < 0 else (body for body in rest if body["t"] != "keep" and not body.get("told")))


def _others(directory: Path, uid: str) -> set[Digest]:
    held: set[Digest] = set()
    for other in Journal.list(directory):
        if other != uid:
            held.update(archived(read_journal(directory / f"{other}.journal")[0]))
    return held


class _Teller:
    """Tells each small object once, from the database or else from the old journal."""

    def __init__(self, txn: ReadTxn, archive: Mapping[Digest, bytes]) -> None:
        self._txn = txn
        self._archive = archive
        self._told: set[Digest] = set()

    def history(self, name: str, ref: Ref, base: Sequence[Any] | None) -> Iterator[dict[str, Any]]:
        """The branch's commits along first parents, oldest first; what was merged in stands before its merge."""
        chain = list(commits.history(self._txn, commits.read(self._txn, ref.target)))
        for index, commit in enumerate(reversed(chain)):
            yield from _keeping(self._small(commit.parents[1:]))
            records = list(self._small([commit.digest]))
            if index == 0:
                yield {**sessionlog.opening(ref.meta, name, commit.digest, None, records), "base": base}
            else:
                yield {"t": "commit", "commit": commit.digest, "covers": 0, "records": records, "told": True}

    def rest(self, elsewhere: set[Digest]) -> Iterator[dict[str, Any]]:
        """Small objects that other refs need and that no other journal holds, and what the old journal alone had."""
        self._told |= elsewhere
        roots = [ref.target for name, ref in self._txn.refs() if not name.startswith(names.CACHE)]
        found = [*self._small(roots), *(record for digest, record in self._archive.items() if digest not in self._told)]
        yield from _keeping(found)

    def _small(self, roots: Iterable[Digest]) -> Iterator[bytes]:
        stack = list(roots)
        while stack:
            digest = stack.pop()
            if digest in self._told:
                continue
            self._told.add(digest)
            item = self._record(digest)
            if item is not None:
                decoded = codec.decode(item, digest)
                yield item
                stack.extend(decoded.refs)

    def _record(self, digest: Digest) -> bytes | None:
        try:
            item = self._txn.get(digest)
        except (ObjectMissing, ObjectCorrupt):
            return self._archive.get(digest)
        if item.kind in commits.BULK:
            return None
        return bytes(codec.encode(item.kind, item.refs, item.meta, item.payload)[1])


def _keeping(records: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Bodies that hold objects for others' sake, none of them much larger than a chunk."""
    batch: list[bytes] = []
    for record in records:
        batch.append(record)
        if sum(map(len, batch)) > _CHUNK:
            yield {"t": "keep", "records": batch}
            batch = []
    if batch:
        yield {"t": "keep", "records": batch}
