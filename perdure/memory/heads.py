"""What a summary keeps, layer by layer and head by head, read from the store alone: no model and no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stores.base import ReadTxn
from .events import Event
from .inspecting import Working, backend, bins, newest, tensors, working
from .records import Commit, LayerKind

FADES_PER = 256
"""Tokens of age for which a summary's fade is taken off once (`summary.Kept.fade`)."""


class Layer(NamedTuple):
    """One layer of a summary. Every list has a number for each KV head; sinks are left out.

    `layer` None: the store does not tell which one it is. `scores` are the attention mass that the entries had received,
    `oldest` and `newest` their first and last token (None: no entries), `bias` is the mean of what their age takes off
    their scores, `histogram` counts them in the parts of `Heads.bins`.
    """

    layer: int | None
    entries: tuple[int, ...]
    scores: tuple[float, ...]
    oldest: tuple[int | None, ...]
    newest: tuple[int | None, ...]
    bias: tuple[float, ...]
    histogram: tuple[tuple[int, ...], ...]


class Heads(NamedTuple):
    """A summary by layers and heads, after `position` tokens; `why` says why there is nothing, where there is not.

    A bank are the layers whose keys have the same shape, by their place in `layers`. `fade` is taken off an entry's score
    for each 256 tokens of age. `maker` names the numbers that a memory of fixed size was made with by `rule` (both "":
    there is none), `spans` are the tokens that its parts have absorbed, and `norms` by bank the Frobenius norms [L'][H] of
    its matrices, of the layers that have some.
    """

    backend: str
    position: int
    why: str
    fade: float
    rule: str
    maker: str
    spans: tuple[tuple[int, int], ...]
    bins: tuple[tuple[int, int], ...]
    layers: tuple[Layer, ...]
    banks: tuple[tuple[int, ...], ...]
    norms: tuple[tuple[tuple[float, ...], ...], ...] = ()

    @property
    def absorbed(self) -> int:
        """How many tokens went into the memory."""
        return sum(end - start for start, end in self.spans)

    def norms_of(self, bank: int, opened: Sequence[int] | None) -> dict[int, tuple[float, ...]]:
        """The norms of a bank's layers by their place in `layers`; `opened` have a matrix (None: it is not known which)."""
        rows, places = self.norms[bank], self.banks[bank]
        numbers = range(len(places)) if opened is None else opened
        return {places[at]: row for at, row in zip(numbers, rows, strict=True)} if len(numbers) == len(rows) else {}


NOTHING_LEFT = "nothing has left the window yet"
NOTHING_STORED = "no snapshot with a summary is stored"
NOTHING_KEPT = "the backend keeps nothing of what leaves the window but its first tokens"

Array = NDArray[Any]


def heads(txn: ReadTxn, commit: Commit, events: Sequence[Event], kinds: Sequence[LayerKind]) -> Heads:
    """The summary of a commit's newest snapshot that has one, `kinds` being what the model's layers keep."""
    tier = working(commit, events, kinds)
    name = backend(events, tier)
    found = newest(txn, commit) if tier.evictions else None
    if found is None:
        return Heads(name, 0, NOTHING_STORED if tier.evictions else NOTHING_LEFT, 0.0, "", "", (), (), (), ())
    stored, meta = dict(tensors(found.stored)), found.stored.meta
    memory, fade = meta.get("memory", {}), float(meta.get("fade", 0.0))
    spans = tuple((start, end) for start, end in memory.get("spans", ()))
    parts = bins(tier.oldest)
    banks = list(_banks(stored))
    numbers = _numbers(kinds, [len(tokens) for tokens, _ in banks])
    layers = [
        _layer(number, tokens[at], scores[at], parts, fade, tier)
        for (tokens, scores), bank in zip(banks, numbers, strict=True)
        for at, number in enumerate(bank)
    ]
    places = iter(range(len(layers)))
    if not spans and not any(sum(each.entries) for each in layers):
        return Heads(name, found.position, NOTHING_KEPT, 0.0, "", "", (), (), (), ())
    return Heads(
        name,
        found.position,
        "",
        fade,
        memory.get("rule", ""),
        memory.get("maker", ""),
        spans,
        tuple(parts),
        tuple(layers),
        tuple(tuple(next(places) for _ in bank) for bank in numbers),
        tuple(_norms(stored, len(banks))),
    )


def _banks(stored: Mapping[str, Array]) -> Iterator[tuple[Array, Array]]:
    """The tokens and scores [L, H, n] of each bank, in order."""
    count = sum(name.startswith("tokens.") for name in stored)
    for number in range(count):
        yield stored[f"tokens.{number}"], stored[f"scores.{number}"]


def _numbers(kinds: Iterable[LayerKind], sizes: Sequence[int]) -> list[list[int | None]]:
    """The layers of banks of these sizes: those that attend to everything, alike by the bytes that a token adds."""
    alike: dict[int, list[int | None]] = {}
    for kind in kinds:
        if kind.per_token and kind.window is None:
            alike.setdefault(kind.per_token, []).append(kind.layer)
    found = list(alike.values())
    return found if [len(bank) for bank in found] == list(sizes) else [[None] * size for size in sizes]


def _layer(
    number: int | None, tokens: Array, scores: Array, parts: Sequence[tuple[int, int]], fade: float, tier: Working
) -> Layer:
    """`tokens` and `scores` [H, n] of one layer, sinks among them."""
    rows = [tokens[head][np.isfinite(scores[head])] for head in range(len(tokens))]
    return Layer(
        number,
        tuple(len(row) for row in rows),
        tuple(round(float(score[np.isfinite(score)].sum()), 6) for score in scores),
        tuple(int(row.min()) if len(row) else None for row in rows),
        tuple(int(row.max()) if len(row) else None for row in rows),
        tuple(round(-fade / FADES_PER * float((tier.oldest - row).mean()), 6) if len(row) else 0.0 for row in rows),
        tuple(tuple(int(((row >= start) & (row < end)).sum()) for start, end in parts) for row in rows),
    )


def _norms(stored: Mapping[str, Array], banks: int) -> Iterator[tuple[tuple[float, ...], ...]]:
    """The Frobenius norms of each bank's matrices [P, L', H, F, Dv], their parts added up."""
    for bank in range(banks):
        sums = stored.get(f"sums.{bank}")
        total = np.zeros((0, 0, 0, 0)) if sums is None else sums.sum(0, dtype=np.float64)
        yield tuple(tuple(round(float(norm), 6) for norm in row) for row in np.sqrt((total**2).sum((-1, -2))))
