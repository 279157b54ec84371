"""Append-only lists as Merkle trees: a turn on a million-token session writes O(new + log n) nodes.

An entry is a small msgpack-able value and the digest of one object. Leaves hold up to FANOUT entries, inner nodes up to
FANOUT children; all nodes but the last of each level are full, so equal lists have equal roots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol

import msgpack

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Buffer, Digest, Object
from .memo import Memo

KIND = "list"
FANOUT = 32


class Gets(Protocol):
    """What reading a structure needs of a transaction."""

    def get(self, digest: Digest) -> Object: ...


class Puts(Gets, Protocol):
    """What writing a structure needs of a transaction."""

    def put(
        self, kind: str, payload: Buffer = b"", *, refs: Sequence[Digest] = (), meta: Mapping[str, Any] | None = None
    ) -> Digest: ...


class Entry(NamedTuple):
    value: Any
    ref: Digest


class _Node(NamedTuple):
    level: int
    counts: list[int]
    children: list[Digest]
    values: list[Any]


class _Links(NamedTuple):
    level: int
    children: Sequence[Digest]


_KNOWN: Memo[Digest, _Links] = Memo(4096)


def empty(txn: Puts) -> Digest:
    """The root of the list without entries."""
    return _put_leaf(txn, [])


def count(txn: Gets, root: Digest) -> int:
    """How many entries a list has."""
    return sum(_load(txn, root).counts)


def append(txn: Puts, root: Digest, entries: Sequence[Entry]) -> Digest:
    """The root of the list with `entries` behind it. Only the right edge of the tree is written anew."""
    if not entries:
        return root
    spine = [_load(txn, root)]
    while spine[-1].level:
        spine.append(_load(txn, spine[-1].children[-1]))
    leaf = spine.pop()
    kept = [Entry(value, ref) for value, ref in zip(leaf.values, leaf.children, strict=True)]
    nodes = _leaves(txn, [*kept, *entries])
    while spine:
        parent = spine.pop()
        older = list(zip(parent.children[:-1], parent.counts[:-1], strict=True))
        nodes = _inner(txn, parent.level, [*older, *nodes])
    level = _load(txn, root).level
    while len(nodes) > 1:
        level += 1
        nodes = _inner(txn, level, nodes)
    return nodes[0][0]


def build(txn: Puts, entries: Sequence[Entry]) -> Digest:
    """The root of a list of `entries`."""
    return append(txn, empty(txn), entries)


def extended(txn: Puts, root: Digest | None, entries: Sequence[Entry]) -> Digest | None:
    """`append` for a list that most sessions have nothing in, and then have no root of."""
    return append(txn, root or empty(txn), entries) if entries else root


def iterate(txn: Gets, root: Digest, start: int = 0) -> Iterator[Entry]:
    """All entries from number `start` on. Raises ObjectMissing or ObjectCorrupt where a node cannot be read."""
    for leaf, first in _leaves_from(txn, root, start):
        yield from map(Entry, leaf.values[first:], leaf.children[first:])


def matching(txn: Gets, root: Digest, wanted: Callable[[Any], bool]) -> Iterator[Entry]:
    """Those entries whose value is `wanted`; the others cost little."""
    for leaf, _ in _leaves_from(txn, root, 0):
        yield from (Entry(value, ref) for value, ref in zip(leaf.values, leaf.children, strict=True) if wanted(value))


def _leaves_from(txn: Gets, root: Digest, start: int) -> Iterator[tuple[_Node, int]]:
    """The leaves that hold the entries from number `start` on, and where in them those begin."""
    node = _load(txn, root)
    if not node.level:
        yield node, start
        return
    for child, size in zip(node.children, node.counts, strict=True):
        if start < size:
            yield from _leaves_from(txn, child, start)
        start = max(0, start - size)


def differing(txn: Gets, a: Digest | None, b: Digest | None) -> tuple[set[Digest], set[Digest]]:
    """Nodes and objects of one list that another lacks, and the other way round. What both share is not read.

    Raises ObjectMissing or ObjectCorrupt.
    """
    mine: set[Digest] = set()
    others: set[Digest] = set()
    _part(txn, a, b, mine, others)
    return mine - others, others - mine


def _part(txn: Gets, a: Digest | None, b: Digest | None, mine: set[Digest], others: set[Digest]) -> None:
    if a == b:
        return
    left, right = None if a is None else _links(txn, a), None if b is None else _links(txn, b)
    level = max(-1 if node is None else node.level for node in (left, right))
    below = _children(a, left, level, mine), _children(b, right, level, others)
    if level:
        for x, y in zip_longest(*below):
            if x != y:
                _part(txn, x, y, mine, others)
    else:
        mine.update(below[0])
        others.update(below[1])


def _children(digest: Digest | None, node: _Links | None, level: int, seen: set[Digest]) -> Sequence[Digest]:
    """What stands below a node, or the node itself where the other list is the taller one: its first child is its equal."""
    if digest is None or node is None:
        return []
    if node.level < level:
        return [digest]
    seen.add(digest)
    return node.children


def common(txn: Gets, a: Digest, b: Digest) -> int:
    """How many entries, from the first on, two lists have of the same objects. What both share is not read."""
    if a == b:
        return count(txn, a)
    left, right = _load(txn, a), _load(txn, b)
    if left.level > right.level:
        return common(txn, left.children[0], b)
    if left.level < right.level:
        return common(txn, a, right.children[0])
    pairs = list(zip(left.children, right.children, strict=False))
    same = next((number for number, (x, y) in enumerate(pairs) if x != y), len(pairs))
    if not left.level:
        return same
    return sum(left.counts[:same]) + (common(txn, *pairs[same]) if same < len(pairs) else 0)


def nodes(txn: Gets, root: Digest) -> Iterator[Digest]:
    """Digests of all nodes of a list, the root first."""
    yield root
    node = _load(txn, root)
    if node.level:
        for child in node.children:
            yield from nodes(txn, child)


def unseen(txn: Gets, root: Digest | None, seen: set[Digest]) -> Iterator[Entry]:
    """The entries of those nodes of a list that are not in `seen`, which they join. What cannot be read is passed over.

    Lists that grew from each other share most nodes: with one `seen` for all of them each is read once.
    """
    if root is None or root in seen:
        return
    seen.add(root)
    try:
        node = _load(txn, root)
    except (ObjectMissing, ObjectCorrupt):
        return
    if not node.level:
        yield from map(Entry, node.values, node.children)
    else:
        for child in node.children:
            yield from unseen(txn, child, seen)


def _leaves(txn: Puts, entries: Sequence[Entry]) -> list[tuple[Digest, int]]:
    groups = [entries[i : i + FANOUT] for i in range(0, len(entries), FANOUT)]
    return [(_put_leaf(txn, group), len(group)) for group in groups]


def _inner(txn: Puts, level: int, children: Sequence[tuple[Digest, int]]) -> list[tuple[Digest, int]]:
    groups = [children[i : i + FANOUT] for i in range(0, len(children), FANOUT)]
    return [(_put_inner(txn, level, group), sum(n for _, n in group)) for group in groups]


def _put_leaf(txn: Puts, entries: Sequence[Entry]) -> Digest:
    payload = msgpack.packb([entry.value for entry in entries])
    return txn.put(KIND, payload, refs=[entry.ref for entry in entries], meta={"l": 0})


def _put_inner(txn: Puts, level: int, children: Sequence[tuple[Digest, int]]) -> Digest:
    payload = msgpack.packb([n for _, n in children])
    return txn.put(KIND, payload, refs=[digest for digest, _ in children], meta={"l": level})


def _load(txn: Gets, digest: Digest) -> _Node:
    node = txn.get(digest)
    payload = _payload(node)
    level = node.meta["l"]
    children = list(node.refs)
    if level:
        return _Node(level, payload, children, [])
    return _Node(0, [len(children)], children, payload)


def _links(txn: Gets, digest: Digest) -> _Links:
    """What a node refers to, for lists that are compared one after the other, each with what it grew from."""

    def read() -> _Links:
        node = txn.get(digest)
        if node.kind != KIND:
            raise ObjectCorrupt(f"Object {digest.hex()[:12]} is not a list node.", digest=digest)
        return _Links(node.meta["l"], node.refs)

    return _KNOWN.of(digest, read)


def _payload(node: Object) -> list[Any]:
    payload = msgpack.unpackb(node.payload) if node.kind == KIND else None
    if not isinstance(payload, list) or len(payload) != len(node.refs):
        raise ObjectCorrupt(f"Object {node.digest.hex()[:12]} is not a list node.", digest=node.digest)
    return payload
