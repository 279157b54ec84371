"""Where fast-weight records are from, and what of that is still in a store: no model is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from ..memory.fastweights import Record, Said
    from ..stores.base import Digest


class Keeps(Protocol):
    """What is read of a store."""

    def uids(self) -> dict[str, str]: ...

    def stored(self, digests: Iterable[Digest]) -> set[Digest]: ...


class Origins(NamedTuple):
    """What there is of where some records are from: the names of all sessions by their uids, and the commits."""

    sessions: Mapping[str, str]
    commits: Collection[Digest]

    def lost(self, record: Record) -> bool:
        """Whether the commit that taught it is not in the store."""
        return bool(record.origin) and record.origin not in self.commits

    def deleted(self, record: Record, said: Said) -> bool:
        """Whether one of its sources, the session or the commit, is not in the store."""
        return said.session not in self.sessions or self.lost(record)

    def orphaned(self, record: Record) -> bool:
        """Whether this is so of any of its sources."""
        return any(self.deleted(record, said) for said in record.sources)


def origins(history: Keeps, records: Iterable[Record]) -> Origins:
    """What there is of where these records are from."""
    return Origins(history.uids(), history.stored({record.origin for record in records if record.origin}))
