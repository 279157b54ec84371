"""The ledger: the ordered list of records that a commit holds.

An entry is [id, key, bytes of its tensors] and refers to the record. A record is never changed: a better one for the same
key is appended, and the older one is shown as superseded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from ...stores.base import Digest
from .. import tree
from .records import Record, put


class Held(NamedTuple):
    """One record of a ledger, as the list knows it."""

    digest: Digest
    id: str
    key: str
    nbytes: int


def target(session: str, mounts: Sequence[str], exists: Callable[[str], bool], into: str | None) -> str:
    """The branch whose ledger takes what a session teaches: the one named, the first it mounts that is there, or itself."""
    return into or next((name for name in mounts if exists(name)), session)


def append(txn: tree.Puts, root: Digest | None, new: Sequence[Record]) -> Digest | None:
    """The ledger with new records behind it."""
    entries = [tree.Entry([record.id, record.key, record.nbytes], record.digest or put(txn, record)) for record in new]
    return tree.extended(txn, root, entries)


def read(txn: tree.Gets, root: Digest | None) -> Iterator[Held]:
    """The records of a ledger, oldest first, without opening them."""
    for (name, key, nbytes), ref in () if root is None else tree.iterate(txn, root):
        yield Held(ref, name, key, nbytes)


def without(txn: tree.Puts, root: Digest | None, gone: Collection[Digest]) -> Digest | None:
    """The ledger as if some records had never been in it."""
    kept = [held for held in read(txn, root) if held.digest not in gone]
    return tree.extended(txn, None, [tree.Entry([held.id, held.key, held.nbytes], held.digest) for held in kept])
