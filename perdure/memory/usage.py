"""How many bytes the sessions of a store hold, tier by tier: as each counts its own, and as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, ReadTxn
from . import commits
from .records import Commit

TIERS = ("working", "snapshots", "episodic", "fast-weights")


class Held(NamedTuple):
    """Bytes of a tier, once for each session that holds them, and once for all."""

    logical: int
    unique: int


def usage(txn: ReadTxn, heads: Iterable[Digest]) -> Mapping[str, Held]:
    """What these commits hold, by tier: KV of the conversations, snapshots with their summaries, KV of memories, records.

    Commits and lists that cannot be read count for nothing: they were deleted since, or `fsck` will tell.
    """
    lists: dict[str, dict[Digest, int]] = {tier: {} for tier in TIERS}
    objects: dict[str, dict[Digest, int]] = {tier: {} for tier in TIERS}
    logical = dict.fromkeys(TIERS, 0)
    for head in _readable(txn, heads):
        for tier, roots in _roots(head).items():
            logical[tier] += sum(_weight(txn, root, lists[tier], objects[tier]) for root in roots if root is not None)
        for mark in commits.checkpoints(head):
            if txn.has(mark.digest):
                objects["snapshots"][mark.digest] = mark.nbytes
                logical["snapshots"] += mark.nbytes
    return {tier: Held(logical[tier], sum(objects[tier].values())) for tier in TIERS}


def _readable(txn: ReadTxn, digests: Iterable[Digest]) -> Iterator[Commit]:
    for digest in digests:
        try:
            commit = commits.read(txn, digest)
        except (ObjectMissing, ObjectCorrupt):
            continue
        yield commit


def _roots(head: Commit) -> dict[str, tuple[Digest | None, ...]]:
    state = head.state
    if state is None:
        return {}
    return {"working": (state.blocks, state.windows), "episodic": (state.episode_kv,), "fast-weights": (state.ledger,)}


def _weight(txn: ReadTxn, root: Digest, lists: dict[Digest, int], objects: dict[Digest, int]) -> int:
    """Bytes of a list's objects; each node that lists share is read once, each object is noted with its size."""
    if root not in lists:
        try:
            node = txn.get(root)
        except (ObjectMissing, ObjectCorrupt):
            lists[root] = 0
            return 0
        if node.meta["l"]:
            lists[root] = sum(_weight(txn, child, lists, objects) for child in node.refs)
        else:
            sizes = {ref: txn.size(ref) for ref in node.refs}
            objects.update(sizes)
            lists[root] = sum(sizes[ref] for ref in node.refs)
    return lists[root]
