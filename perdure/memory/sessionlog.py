"""What a session's journal says: its records' bodies, and what an unfinished tail of them means.

The journal is the truth of a session: every message, streamed token and ref move stands in it before it is acknowledged.
A `commit` record carries the commit and every small object written with it, so that a lost database is rebuilt from
journals alone; only KV is left to be computed again.

    {"t": "open", "name", "meta": the ref's meta, "base": [uid, commit] | None, "commit", "records": [record, ...]}
    {"t": "turn", "messages": [[role, content, time], ...], "feed": u32 bytes, "keep": n, "sampling": {...}, "parent",
     "recall": {...}, "opening": {...},          what the turn puts back and which fast weights it opens, if any
     "request": {...}}                           the tools that it offers, and what its caller wants kept, if any
    {"t": "tok", "id": n}
    {"t": "drop"}                                the turn was withdrawn: its caller was told that it failed
    {"t": "commit", "commit": digest, "covers": seq, "records": [record, ...]}
    {"t": "reset", "commit": digest}
    {"t": "removed"}
    {"t": "keep", "records": [record, ...]}      objects that other journals, or an import, build on

A journal that was written anew from the database begins with "open" again, its commits marked "told".

The store's own journal (uid "store") holds {"t": "tag", "name", "commit", "session"} and {"t": "untag", "name"}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..stores.base import Digest
from ..stores.journal import Damage, JournalRecord
from .tokenlog import unpack

STORE_UID = "store"

GROUP_BYTES = 8 << 20
"""Small objects of one record; an import may bring more than a journal frame can hold."""


class UnfinishedTurn(NamedTuple):
    """A turn that was journaled and never committed: what to feed, and the tokens that had been streamed."""

    messages: tuple[tuple[str, str, int], ...]
    feed: tuple[int, ...]
    keep: int
    sampling: Mapping[str, Any]
    tokens: tuple[int, ...]
    first_seq: int
    parent: Digest
    recall: Mapping[str, Any] | None = None
    opening: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None


class Tail(NamedTuple):
    """What a journal says beyond the sequence number that the database has taken in.

    `target` is where the branch must stand before the unfinished turn is replayed (None: where it is); `records` are
    encoded objects that the database may lack. Of a turn with a damaged record only what stands before it is taken.
    """

    turn: UnfinishedTurn | None
    target: Digest | None
    records: tuple[bytes, ...]
    last_seq: int
    removed: bool


def opening(
    meta: Mapping[str, object], name: str, commit: Digest, base: tuple[str, Digest] | None, records: Sequence[bytes]
) -> dict[str, Any]:
    """The body of a journal's first record."""
    return {
        "t": "open",
        "name": name,
        "meta": dict(meta),
        "base": list(base) if base else None,
        "commit": commit,
        "records": list(records),
    }


def openings(
    meta: Mapping[str, object], name: str, commit: Digest, base: tuple[str, Digest] | None, records: Sequence[bytes]
) -> list[dict[str, Any]]:
    """The bodies of a new journal's first records: one, or more where the objects are too many for a frame."""
    first, *more = _groups(records)
    return [opening(meta, name, commit, base, first), *({"t": "keep", "records": group} for group in more)]


def _groups(records: Sequence[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for record in records:
        if group and size + len(record) > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(record)
        size += len(record)
    yield group


def usable(records: Iterable[JournalRecord], damage: Sequence[Damage] = ()) -> tuple[list[JournalRecord], int]:
    """The records without tokens whose place is not known, and how many those are.

    `damage` are the spans that cannot be read: of an answer with a hole only what stands before the hole can be used.
    """
    kept: list[JournalRecord] = []
    last, open_turn, dropped = -1, False, 0
    for record in records:
        if any(last < span.last_seq < record.seq for span in damage):
            open_turn = False
        last = record.seq
        if record.body["t"] == "tok" and not open_turn:
            dropped += 1
            continue
        if record.body["t"] != "tok":
            open_turn = record.body["t"] == "turn"
        kept.append(record)
    return kept, dropped


def tail(records: Iterable[JournalRecord], applied: int, damage: Sequence[Damage] = ()) -> Tail:
    """Read the records numbered above `applied`; `damage` are the spans that cannot be read."""
    turn: UnfinishedTurn | None = None
    target: Digest | None = None
    objects: list[bytes] = []
    streamed: list[int] = []
    removed = False
    beyond = [record for record in records if record.seq > applied]
    last = max([applied, *(record.seq for record in beyond)])
    for seq, body, _ in usable(beyond, damage)[0]:
        kind = body["t"]
        if kind == "turn":
            turn, streamed = _begun(body, seq), []
        elif kind == "tok" and turn is not None:
            streamed.append(body["id"])
        elif kind in ("commit", "open"):
            turn, target = None, body["commit"]
            objects.extend(body["records"])
        elif kind == "keep":
            objects.extend(body["records"])
        elif kind == "reset":
            turn, target = None, body["commit"]
        elif kind == "drop":
            turn = None
        elif kind == "removed":
            removed = True
    turn = turn and turn._replace(tokens=tuple(streamed))
    return Tail(turn, target, tuple(objects), last, removed)


def tags(records: Iterable[JournalRecord]) -> dict[str, Mapping[str, Any]]:
    """The tags that the store's own journal leaves standing, by name."""
    standing: dict[str, Mapping[str, Any]] = {}
    for _, body, _ in records:
        standing.pop(body["name"], None)
        if body["t"] == "tag":
            standing[body["name"]] = body
    return standing


def _begun(body: Mapping[str, Any], seq: int) -> UnfinishedTurn:
    messages = tuple((role, content, time_ms) for role, content, time_ms in body["messages"])
    feed, recall = unpack(body["feed"]), body.get("recall")
    begun = (messages, feed, body["keep"], body["sampling"], (), seq, body["parent"])
    return UnfinishedTurn(*begun, recall, body.get("opening"), body.get("request"))
