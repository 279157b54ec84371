"""Two ledgers compared, and one brought into another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .records import Record, standing


class Conflict(NamedTuple):
    """Two ledgers' last words on the same thing, which differ."""

    ours: Record
    theirs: Record


class Comparison(NamedTuple):
    """Records that only one of two ledgers has, those that both have, and where their last words differ."""

    ours: tuple[Record, ...]
    theirs: tuple[Record, ...]
    both: tuple[Record, ...]
    conflicts: tuple[Conflict, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        """Those of either ledger."""
        return (*self.ours, *self.theirs, *self.both)


def compare(ours: Sequence[Record], theirs: Sequence[Record]) -> Comparison:
    """What sets two ledgers apart. Records are the same where they are the same object."""
    mine, yours = {record.digest for record in ours}, {record.digest for record in theirs}
    last = {record.key: record for record in standing(ours)}
    return Comparison(
        tuple(record for record in ours if record.digest not in yours),
        tuple(record for record in theirs if record.digest not in mine),
        tuple(record for record in ours if record.digest in yours),
        tuple(
            Conflict(last[record.key], record)
            for record in standing(theirs)
            if record.key in last and last[record.key].value.casefold() != record.value.casefold()
        ),
    )


def union(ours: Sequence[Record], theirs: Sequence[Record]) -> list[Record]:
    """All records of both, in the order in which they were written, so that of a conflict the later word holds."""
    known = {record.digest: record for record in (*ours, *theirs)}
    return sorted(known.values(), key=lambda record: (record.time_ms, record.digest))
