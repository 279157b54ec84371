"""Rows of an index and the ids they are known by, with the sets of ids that a search may return."""

from __future__ import annotations

import weakref

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

GONE = np.iinfo(np.int64).min
"""Stands for the id of a row that was removed."""

_TAIL = 4096


class Selector:
    """The ids that a search may return: ascending int64, without repetitions. Make one for a branch and keep it."""

    def __init__(self, ids: Ids) -> None:
        self.ids = np.ascontiguousarray(ids, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)


class Slots:
    """Numbers rows 0, 1, ... as they are added and finds them by id. The number of a removed row is not used again."""

    def __init__(self, ids: Ids | None = None) -> None:
        self._ids = np.array([] if ids is None else ids, dtype=np.int64)
        self._used = len(self._ids)
        self._alive = int(np.count_nonzero(self._ids != GONE))
        self._tail: dict[int, int] = {}
        self._masks: weakref.WeakKeyDictionary[Selector, Mask] = weakref.WeakKeyDictionary()
        self._sort()

    def __len__(self) -> int:
        """Rows that were not removed."""
        return self._alive

    @property
    def ids(self) -> Ids:
        """The id of every row, GONE for removed ones: a view that the next `add` may replace."""
        return self._ids[: self._used]

    @property
    def removed(self) -> int:
        return self._used - self._alive

    @property
    def sparse(self) -> bool:
        """Whether most rows were removed: whoever keeps something for each row should number the others anew."""
        return self.removed > max(_TAIL, self._alive)

    def find(self, ids: Ids) -> Ids:
        """The row of each id, -1 where there is none."""
        at = np.minimum(np.searchsorted(self._sorted, ids), max(0, len(self._sorted) - 1))
        found = np.where(self._sorted[at] == ids, self._rows[at], -1) if len(self._sorted) else np.full(len(ids), -1)
        found[found >= 0] = np.where(self._ids[found[found >= 0]] == GONE, -1, found[found >= 0])
        if self._tail:
            missing = np.flatnonzero(found < 0)
            found[missing] = [self._tail.get(number, -1) for number in np.asarray(ids)[missing].tolist()]
        return found

    def add(self, ids: Ids) -> Ids:
        """Rows for ids that are not there yet."""
        rows = np.arange(self._used, self._used + len(ids))
        if rows.size and rows[-1] >= len(self._ids):
            self._ids = np.resize(self._ids, max(1024, len(self._ids) * 3 // 2, self._used + len(ids)))
        self._ids[rows] = ids
        self._used += len(ids)
        self._alive += len(ids)
        self._tail.update(zip(ids.tolist(), rows.tolist(), strict=True))
        if len(self._tail) > max(_TAIL, len(self._sorted) // 8):
            self._sort()
        return rows

    def remove(self, ids: Ids) -> Ids:
        """Forget these ids; returns the rows that they had."""
        rows = np.unique(self.find(ids))
        rows = rows[rows >= 0]
        for number in self._ids[rows].tolist():
            self._tail.pop(number, None)
        self._ids[rows] = GONE
        self._alive -= len(rows)
        return rows

    def mask(self, selector: Selector) -> Mask:
        """For each row whether the selector has it. Remembered for as long as the selector lives."""
        known = self._masks.get(selector)
        if known is None or len(known) != self._used:
            known = np.zeros(self._used, dtype=np.bool_)
            known[self._rows[_held(self._sorted, selector.ids)]] = True
            late = np.sort(np.fromiter(self._tail, dtype=np.int64, count=len(self._tail)))
            known[[self._tail[number] for number in late[_held(late, selector.ids)].tolist()]] = True
            self._masks[selector] = known
        return known

    def _sort(self) -> None:
        order = np.argsort(self.ids, kind="stable")
        order = order[np.count_nonzero(self.ids == GONE) :]
        self._sorted, self._rows = self.ids[order], order
        self._tail.clear()


def _held(known: Ids, wanted: Ids) -> Ids:
    """Where in `known` the values are that `wanted` has too; both ascending. The shorter is looked up in the longer."""
    if not len(known) or not len(wanted):
        return np.empty(0, dtype=np.int64)
    if len(known) < len(wanted):
        at = np.minimum(np.searchsorted(wanted, known), len(wanted) - 1)
        return np.flatnonzero(wanted[at] == known)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.asarray(at[known[at] == wanted], dtype=np.int64)
