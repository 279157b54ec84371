"""Finding stored KV for a fresh prompt: sessions that begin with the same tokens share blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..config import BLOCK_TOKENS, PREFILL_GRID
from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, ReadTxn
from .tokenlog import Span, lineage


class Shared(NamedTuple):
    """A stored block that a fresh prompt can take over."""

    start: int
    tokens: int
    lineage: Digest
    digest: Digest


class Reused(NamedTuple):
    """`tokens` is how much of the prompt was found: whole grid chunks, never the last token."""

    tokens: int
    bytes: int
    blocks: list[Shared]


def load(txn: ReadTxn, recipe: Digest, tokens: Sequence[int], sink: Callable[[int, int, memoryview], None]) -> Reused:
    """Feed `sink(start, tokens, payload)` with the longest stored prefix, whole prefill chunks only.

    The last token is never reused, so that a forward gives the boundary logits. A damaged block ends the prefix.
    """
    found: list[Shared] = []
    total = 0
    for chunk in _chunks(txn, recipe, tokens):
        try:
            payloads = [txn.get(block.digest).payload for block in chunk]
        except (ObjectMissing, ObjectCorrupt):
            break
        for block, payload in zip(chunk, payloads, strict=True):
            sink(block.start, block.tokens, payload)
            total += len(payload)
        found.extend(chunk)
    return Reused(sum(block.tokens for block in found), total, found)


def _chunks(txn: ReadTxn, recipe: Digest, tokens: Sequence[int]) -> Iterator[list[Shared]]:
    parent = b""
    for start in range(0, (len(tokens) - 1) // PREFILL_GRID * PREFILL_GRID, PREFILL_GRID):
        forward = Span(start, start + PREFILL_GRID)
        chunk = []
        for at in range(start, start + PREFILL_GRID, BLOCK_TOKENS):
            parent = lineage(recipe, parent, tokens[at : at + BLOCK_TOKENS], [forward])
            digest = txn.find(parent)
            if digest is None:
                return
            chunk.append(Shared(at, BLOCK_TOKENS, parent, digest))
        yield chunk
