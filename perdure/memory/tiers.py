"""What sets two commits apart in each tier of memory: entries that one has and the other has not, or has otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ..stores.base import Digest, ReadTxn
from . import commits, fastweights, inspecting, remembering
from .fastweights import Held
from .inspecting import Summary, Working
from .records import Commit, LayerKind
from .remembering import Entry

T = TypeVar("T", Entry, Held)

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


class Change(NamedTuple):
    """One memory or record (by its id) and the object that it is to each side; None: that side has none."""

    id: str
    base: Digest | None
    head: Digest | None

    @property
    def how(self) -> str:
        """What the head did to it: "added", "removed" or "changed"."""
        return ADDED if self.base is None else REMOVED if self.head is None else CHANGED


class Changes(NamedTuple):
    """All changes of a tier, in the order of the sides, and how many entries are the same in both."""

    changes: tuple[Change, ...]
    same: int

    def count(self, how: str) -> int:
        return sum(each.how == how for each in self.changes)


class Tiers(NamedTuple):
    """Two commits, tier by tier; pairs are of the base and of the head. `windows` counts the blocks of sliding layers."""

    working: tuple[Working, Working]
    summaries: tuple[Summary, Summary]
    windows: tuple[int, int, int]
    episodes: Changes
    records: Changes
    mounts: tuple[tuple[str, ...], tuple[str, ...]]


def compared(txn: ReadTxn, base: Commit, head: Commit, layers: Sequence[Sequence[LayerKind]]) -> Tiers:
    """What sets `head` apart from `base`. Raises ObjectMissing or ObjectCorrupt."""
    sides = (base, head)
    happened = [commits.events(txn, side) for side in sides]
    working = [inspecting.working(*each) for each in zip(sides, happened, layers, strict=True)]
    summaries = [inspecting.summary(txn, *each) for each in zip(sides, happened, working, strict=True)]
    old, new = ({digest for _, _, digest in commits.window_list(txn, side)} for side in sides)
    states = [side.state for side in sides]
    entries = [list(remembering.read(txn, state.episodes if state else None)) for state in states]
    ledgers = [list(fastweights.read(txn, state.ledger if state else None)) for state in states]
    mounts = [state.mounts if state else () for state in states]
    return Tiers(
        (working[0], working[1]),
        (summaries[0], summaries[1]),
        (len(old & new), len(old), len(new)),
        changes(entries[0], entries[1]),
        changes(ledgers[0], ledgers[1]),
        (mounts[0], mounts[1]),
    )


def changes(base: Sequence[T], head: Sequence[T]) -> Changes:
    """What became of the entries of one list in another. One that is there twice, and equal, counts once."""
    old, new = _by_id(base), _by_id(head)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    found = tuple(Change(name, old.get(name), new.get(name)) for name in names)
    return Changes(found, len(old.keys() | new.keys()) - len(names))


def _by_id(entries: Iterable[Entry | Held]) -> Mapping[str, Digest]:
    return {entry.id: entry.digest for entry in entries}
