"""Facts that were not worth a record, listed beside the ledger so that nobody writes them again in vain.

An entry is [key, writer] and refers to the refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...errors import ObjectCorrupt
from ...stores.base import Digest
from .. import tree

if TYPE_CHECKING:
    from ..facts import Fact

KIND = "refusal"

_META: dict[str, type] = {
    "key": str,
    "value": str,
    "statement": str,
    "explicit": bool,
    "writer": str,
    "weights": str,
    "why": str,
    "time_ms": int,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fact that `writer` wrote for the model whose weights have the digest `weights`, and that was not kept.

    `key`, `value` and `statement` are as in a record. `explicit`: it was asked to be remembered.
    """

    key: str
    value: str
    statement: str
    explicit: bool
    writer: str
    weights: str
    why: str
    time_ms: int = 0

    def holds(self, fact: Fact, explicit: bool) -> bool:
        """Whether it speaks of this fact; one that was not asked to be remembered is judged again when it is."""
        same = self.key == fact.key and self.value.casefold() == fact.value.casefold()
        return (same or self.statement == fact.statement) and (self.explicit or not explicit)


def settled(txn: tree.Puts, root: Digest | None, new: Sequence[Refusal] = (), taught: Collection[str] = ()) -> Digest | None:
    """The list with new refusals, each in the place of its writer's last one of that key, and none of the keys `taught`."""
    gone = {(each.key, each.writer) for each in new}
    old = [] if root is None else list(tree.iterate(txn, root))
    kept = [each for each in old if tuple(each.value) not in gone and each.value[0] not in taught]
    fresh = [tree.Entry([each.key, each.writer], _put(txn, each)) for each in new]
    if len(kept) == len(old):
        return tree.extended(txn, root, fresh)
    return tree.extended(txn, None, [*kept, *fresh])


def refusals(txn: tree.Gets, root: Digest | None) -> Iterator[Refusal]:
    """The list's refusals. Raises ObjectMissing or ObjectCorrupt."""
    for entry in () if root is None else tree.iterate(txn, root):
        yield _get(txn, entry.ref)


def _put(txn: tree.Puts, refusal: Refusal) -> Digest:
    return txn.put(KIND, meta={each.name: getattr(refusal, each.name) for each in fields(refusal)})


def _get(txn: tree.Gets, digest: Digest) -> Refusal:
    found = txn.get(digest)
    meta: dict[str, Any] = dict(found.meta)
    if found.kind != KIND or {name: type(value) for name, value in meta.items()} != _META:
        raise ObjectCorrupt(f"Object {digest.hex()[:12]} is not a refusal.", digest=digest)
    return Refusal(**meta)
