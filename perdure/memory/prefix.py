"""Finding stored state for a fresh prompt: sessions that begin with the same tokens share what was computed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ..config import BLOCK_TOKENS, PREFILL_GRID
from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, Object, ReadTxn
from .tokenlog import SNAPSHOTS, WINDOWS, Span, derived, lineage, steps


class Shared(NamedTuple):
    """A stored block that a fresh prompt can take over."""

    start: int
    tokens: int
    lineage: Digest
    digest: Digest


class Reused(NamedTuple):
    """`tokens` is how much of the prompt was found: whole grid chunks, never the last token.

    `blocks` and `windows` are what is stored of those tokens, `snapshot` the state after them where a family needs one.
    """

    tokens: int
    bytes: int
    blocks: list[Shared]
    windows: list[Shared]
    snapshot: Digest | None


class Taker(Protocol):
    """Who wants to go on from a stored beginning, and takes it in."""

    steps: bool
    """Whether prompts are absorbed one token at a time."""
    windows: bool
    fixed: bool

    def floor(self, tokens: int) -> int:
        """The first token whose window block is read after so many tokens."""

    def block(self, start: int, tokens: int, payload: memoryview) -> None: ...

    def window(self, start: int, tokens: int, payload: memoryview) -> None: ...

    def snapshot(self, meta: Mapping[str, Any], payload: memoryview) -> None: ...


NOTHING = Reused(0, 0, [], [], None)


def load(txn: ReadTxn, recipe: Digest, tokens: Sequence[int], taker: Taker, begin: Callable[[int], None]) -> Reused:
    """Hand the longest stored prefix to `taker`, whole prefill chunks only, after `begin(tokens)` has made room for it.

    The last token is never reused, so that a forward gives the boundary logits. Damage ends the prefix before it.
    """
    chain = list(_intact(txn, _chain(txn, recipe, tokens, one_by_one=taker.steps)))
    for end in range(len(chain) * BLOCK_TOKENS // PREFILL_GRID * PREFILL_GRID, 0, -PREFILL_GRID):
        found = _complete(txn, chain[: end // BLOCK_TOKENS], end, taker)
        if found is not None:
            begin(end)
            return _take(found, end, taker)
    return NOTHING


class _Found(NamedTuple):
    """`windows` without an object are of tokens that no later forward reads."""

    blocks: list[tuple[Shared, Object]]
    windows: list[tuple[Shared, Object | None]]
    snapshot: Object | None


def _complete(txn: ReadTxn, blocks: list[tuple[Shared, Object]], end: int, taker: Taker) -> _Found | None:
    """All that is needed to go on after `end` tokens, or None where something is not there."""
    snapshot = _read(txn, txn.find(derived(blocks[-1][0].lineage, SNAPSHOTS))) if taker.fixed else None
    if taker.fixed and snapshot is None:
        return None
    windows: list[tuple[Shared, Object | None]] = []
    for block, _ in blocks if taker.windows else ():
        name = derived(block.lineage, WINDOWS)
        digest = txn.find(name)
        needed = block.start + block.tokens > taker.floor(end)
        item = _read(txn, digest) if needed else None
        if digest is None or (needed and item is None):
            return None
        windows.append((Shared(block.start, block.tokens, name, digest), item))
    return _Found(blocks, windows, snapshot)


def _take(found: _Found, end: int, taker: Taker) -> Reused:
    total = 0
    for block, item in found.blocks:
        taker.block(block.start, block.tokens, item.payload)
        total += len(item.payload)
    for block, old in found.windows:
        if old is not None:
            taker.window(block.start, block.tokens, old.payload)
            total += len(old.payload)
    if found.snapshot is not None:
        taker.snapshot(found.snapshot.meta, found.snapshot.payload)
        total += len(found.snapshot.payload)
    digest = found.snapshot.digest if found.snapshot else None
    return Reused(end, total, [block for block, _ in found.blocks], [block for block, _ in found.windows], digest)


def _read(txn: ReadTxn, digest: Digest | None) -> Object | None:
    try:
        return None if digest is None else txn.get(digest)
    except (ObjectMissing, ObjectCorrupt):
        return None


def _intact(txn: ReadTxn, blocks: Iterator[Shared]) -> Iterator[tuple[Shared, Object]]:
    for block in blocks:
        item = _read(txn, block.digest)
        if item is None:
            return
        yield block, item


def _chain(txn: ReadTxn, recipe: Digest, tokens: Sequence[int], *, one_by_one: bool) -> Iterator[Shared]:
    parent = b""
    for at in range(0, (len(tokens) - 1) // PREFILL_GRID * PREFILL_GRID, BLOCK_TOKENS):
        chunk = at // PREFILL_GRID * PREFILL_GRID
        forwards = list(steps(at, at + BLOCK_TOKENS)) if one_by_one else [Span(chunk, chunk + PREFILL_GRID)]
        parent = lineage(recipe, parent, tokens[at : at + BLOCK_TOKENS], forwards)
        digest = txn.find(parent)
        if digest is None:
            return
        yield Shared(at, BLOCK_TOKENS, parent, digest)
