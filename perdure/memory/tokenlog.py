"""The token log: which tokens a session absorbed, and through which forward passes.

KV bits depend on how tokens were cut into forwards, so the log keeps *runs*: a prefill run was fed on the canonical grid
(chunks end at multiples of PREFILL_GRID), a decode run one token at a time. Replaying the runs gives the same bits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from blake3 import blake3

from ..config import BLOCK_TOKENS, PREFILL_GRID
from ..errors import ObjectCorrupt
from ..stores.base import Digest
from .tree import Entry, Gets, Puts, iterate

KIND = "token-run"
PREFILL = "prefill"
DECODE = "decode"
RUN_TOKENS = 8 * PREFILL_GRID


class Run(NamedTuple):
    """Tokens [start, start + len(tokens)) and how they were fed: "prefill" or "decode"."""

    how: str
    start: int
    tokens: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.tokens)


class Span(NamedTuple):
    """One forward pass over tokens [start, end)."""

    start: int
    end: int


def grid(start: int, end: int) -> Iterator[Span]:
    """The forwards of a prefill of [start, end): cut at multiples of PREFILL_GRID."""
    while start < end:
        stop = min(end, (start // PREFILL_GRID + 1) * PREFILL_GRID)
        yield Span(start, stop)
        start = stop


def steps(start: int, end: int) -> Iterator[Span]:
    """The forwards that feed tokens [start, end) one by one."""
    return (Span(p, p + 1) for p in range(start, end))


def spans(runs: Iterable[Run]) -> Iterator[Span]:
    """The forwards of a token log, in order."""
    for run in runs:
        yield from grid(run.start, run.end) if run.how == PREFILL else steps(run.start, run.end)


def tokens(runs: Iterable[Run]) -> list[int]:
    """All tokens of a log."""
    return [token for run in runs for token in run.tokens]


def crop(runs: Iterable[Run], end: int) -> list[Run]:
    """The log of the first `end` tokens. A prefill chunk that is cut keeps its place as a shorter prefill run.

    The cut chunk's kept tokens were computed in a longer forward than the cropped log says; callers that crop inside a
    chunk recompute from the chunk's start (`chunk_start`).
    """
    kept = []
    for run in runs:
        if run.start >= end:
            break
        kept.append(Run(run.how, run.start, run.tokens[: end - run.start]))
    return kept


def chunk_start(runs: Iterable[Run], end: int) -> int:
    """The greatest position <= `end` at which a forward ended, so that the state there is exact."""
    best = 0
    for span in spans(runs):
        if span.end > end:
            break
        best = span.end
    return best


def entries(txn: Puts, runs: Iterable[Run]) -> list[Entry]:
    """Store runs as token-run objects, long ones cut at multiples of RUN_TOKENS (which is on the grid)."""
    return [
        Entry([piece.how, piece.start, len(piece.tokens)], txn.put(KIND, pack(piece.tokens), meta={"n": len(piece.tokens)}))
        for run in runs
        for piece in _pieces(run)
        if piece.tokens
    ]


def load(txn: Gets, root: Digest) -> list[Run]:
    """The runs under a token log's root. Raises ObjectCorrupt where lengths disagree."""
    runs = []
    position = 0
    for (how, start, n), ref in iterate(txn, root):
        values = unpack(txn.get(ref).payload)
        if start != position or len(values) != n or how not in (PREFILL, DECODE):
            raise ObjectCorrupt(f"Token run {ref.hex()[:12]} does not fit its place in the log.", digest=ref)
        runs.append(Run(how, start, values))
        position += n
    return runs


def part(txn: Gets, root: Digest, start: int, end: int) -> list[int]:
    """Tokens [start, end) of the log under a root; runs without any of them are not read."""
    found: list[int] = []
    for (_, first, n), ref in iterate(txn, root):
        if first < end and first + n > start:
            found += unpack(txn.get(ref).payload)[max(0, start - first) : end - first]
    return found


def pack(values: Sequence[int]) -> bytes:
    """Token ids as little-endian u32."""
    return np.asarray(values, dtype="<u4").tobytes()


def unpack(payload: memoryview | bytes) -> tuple[int, ...]:
    return tuple(np.frombuffer(payload, dtype="<u4").tolist())


def _pieces(run: Run) -> Iterator[Run]:
    start = run.start
    while start < run.end:
        stop = min(run.end, (start // RUN_TOKENS + 1) * RUN_TOKENS)
        yield Run(run.how, start, run.tokens[start - run.start : stop - run.start])
        start = stop


def lineage(recipe: Digest, parent: Digest, values: Sequence[int], forwards: Sequence[Span], salt: bytes = b"") -> Digest:
    """Lineage id of a KV block: H(domain, recipe, salt, parent lineage, tokens, the forwards that made it).

    Equal ids mean equal bits on the same build: a block is a function of exactly these.
    """
    hasher = blake3(b"perdure/lineage/v1\0")
    for part in (recipe, salt, parent, pack(values)):
        hasher.update(len(part).to_bytes(4, "little") + part)
    hasher.update(np.asarray(forwards, dtype="<u8").tobytes())
    return hasher.digest()


def salted(recipe: Digest, salt: bytes) -> Digest:
    """What stands for the recipe in the lineage ids of a store that has a salt: nobody else can foretell those ids."""
    return blake3(b"perdure/salted/v1\0" + salt + recipe).digest() if salt else recipe


def lineages(
    recipe: Digest,
    tip: Digest,
    log: Sequence[int],
    forwards: Sequence[Span],
    places: Iterable[Span],
    salt: Callable[[int, int], bytes] = lambda start, end: b"",
) -> dict[Span, Digest]:
    """The lineage ids of consecutive blocks, the first of which follows the block `tip`.

    `salt` says what else than tokens and forwards made the block [start, end) (`events.salt`).
    """
    names, parent = {}, tip
    starts, ends = [span.start for span in forwards], [span.end for span in forwards]
    for block in places:
        made_by = forwards[bisect_right(ends, block.start) : bisect_left(starts, block.end)]
        values = log[block.start : block.end]
        parent = names[block] = lineage(recipe, parent, values, made_by, salt(block.start, block.end))
    return names


def overlapping(forwards: Iterable[Span], block: Span) -> list[Span]:
    """The forwards that computed any token of a block."""
    return [span for span in forwards if span.start < block.end and span.end > block.start]


WINDOWS, SNAPSHOTS = b"windows", b"state"


def derived(block: Digest, what: bytes) -> Digest:
    """The lineage id of what else belongs to a block: its sliding layers' KV, or the state after its last token."""
    return blake3(b"perdure/derived/v1\0" + what + block).digest()


def blocks(start: int, end: int) -> Iterator[Span]:
    """The KV blocks that cover new tokens [start, end): cut at multiples of BLOCK_TOKENS."""
    while start < end:
        stop = min(end, (start // BLOCK_TOKENS + 1) * BLOCK_TOKENS)
        yield Span(start, stop)
        start = stop
