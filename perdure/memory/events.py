"""What happened to a session between forwards: evictions, summaries joined, recalls and their end, fast weights opened.

The token log says which tokens a session absorbed and through which forwards; the events say what else decided the bits.
Both together replay a session exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack

from ..errors import ObjectCorrupt
from ..stores.base import Digest
from .tree import Entry, Gets, Puts, iterate

KIND = "event"
TRACK = "track"
EVICT = "evict"
RECALL = "recall"
WITHDRAW = "withdraw"
OPEN = "open"
CLOSE = "close"
JOIN = "join"
KINDS = frozenset({TRACK, EVICT, RECALL, WITHDRAW, OPEN, CLOSE, JOIN})
ENDINGS = {RECALL: WITHDRAW, OPEN: CLOSE}
"""What begins within a turn, and how it ends with the turn."""
CLOSING = frozenset(ENDINGS.values())
LASTING = CLOSING | {JOIN}
"""What happens between two turns, and so belongs to a session that ends with the first of them."""
BOUNDING = frozenset({TRACK, EVICT})
"""What makes a state more than the KV of every token, so that only a snapshot brings it back."""


class Event(NamedTuple):
    """Something that happened after `position` tokens of the log and before the next forward.

    "track": from here on, whenever the window holds `window` tokens or more, the attention mass of its `block` oldest is
    counted, of every `stride`-th query.
    "evict": tokens before `upto` left the window; `sinks` of the first and `entries` others are kept, and all keys were
    moved down by `shift` slots then. "recall": chunks were pasted, each [episode's object, tokens, additive score].
    "withdraw": they were taken out again. "open": from here on the fast weights `records` act, objects named by their
    digests, in this order; "close": they act no longer. "join": a merge added `summary`, an object with parts of another
    conversation's summary, over `tokens` tokens.
    """

    position: int
    kind: str
    detail: Mapping[str, Any]


def entries(txn: Puts, events: Iterable[Event]) -> list[Entry]:
    """Store events as objects."""
    return [Entry([event.position, event.kind], _put(txn, event)) for event in events]


def _put(txn: Puts, event: Event) -> Digest:
    refs = (event.detail["summary"],) if event.kind == JOIN else ()
    return txn.put(KIND, refs=refs, meta=dict(event.detail))


def acting(events: Iterable[Event]) -> list[Entry]:
    """The fast-weight records that these events opened, as entries of the list that keeps them."""
    return [Entry(0, digest) for event in events if event.kind == OPEN for digest in event.detail["records"]]


def load(txn: Gets, root: Digest | None) -> list[Event]:
    """The events under a root, in the order in which they happened."""
    return [] if root is None else list(_read(txn, root))


def _read(txn: Gets, root: Digest) -> Iterator[Event]:
    last = 0
    for (position, kind), ref in iterate(txn, root):
        item = txn.get(ref)
        if position < last or item.kind != KIND or kind not in KINDS:
            raise ObjectCorrupt(f"Event {ref.hex()[:12]} does not fit its place in the log.", digest=ref)
        last = position
        yield Event(position, kind, dict(item.meta))


def crop(events: Iterable[Event], end: int) -> list[Event]:
    """The events of the first `end` tokens: what a session that stopped there would have, with nothing left in force."""
    kept = [event for event in events if event.position < end or (event.position == end and event.kind in LASTING)]
    return [*kept, *(Event(end, ENDINGS[event.kind], {}) for event in in_force(kept))]


def in_force(events: Iterable[Event]) -> list[Event]:
    """What has begun and not ended."""
    begun: dict[str, Event] = {}
    for event in events:
        if event.kind in ENDINGS:
            begun[ENDINGS[event.kind]] = event
        begun.pop(event.kind, None)
    return list(begun.values())


def settled(events: Sequence[Event], position: int) -> int:
    """How many events had happened when a turn ended at a position."""
    return sum(event.position < position or (event.position == position and event.kind in CLOSING) for event in events)


def shifts(events: Iterable[Event], end: int) -> list[int]:
    """By how much the keys of a block of tokens that ends at `end` were moved since the block was stored, in order."""
    return [
        -event.detail["shift"] for event in events if event.kind == EVICT and event.detail["shift"] and event.position >= end
    ]


def bounded_from(events: Iterable[Event]) -> int | None:
    """After how many tokens a state first held more than the KV of every token, so that it needs snapshots; or None."""
    return next((event.position for event in events if event.kind in BOUNDING), None)


def salt(events: Sequence[Event], start: int, end: int) -> bytes:
    """What a block of tokens [start, end) owes to events; empty for a session that never evicted or recalled."""
    mine = [[e.position, e.kind, sorted(e.detail.items())] for e in events if start <= e.position < end]
    return msgpack.packb(mine) if mine else b""


def begun_before(events: Sequence[Event], end: int) -> int:
    """Where the first of what was in force for a forward from token `end` on had begun; `end` where nothing was."""
    return min((event.position for event in in_force(event for event in events if event.position <= end)), default=end)
