"""Which texts hold a query's words: BM25 over postings in numpy arrays.

A search walks only the postings of the query's rare terms (POSTINGS of them at most) and looks the common ones up for the
best candidates alone, so that "the" costs nothing. How telling a word is, and how long a text, is judged by the texts that a
search may return and by no others: what else stands in the index changes no bit of what it gives.

Postings that were added lately wait in a tail that is merged when it has grown; those of removed texts go at the next merge,
and before the index is written to a file.
"""

from __future__ import annotations

import threading
import weakref
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

from . import sealed
from .slots import GONE, Ids, Mask, Selector, Slots

MAGIC = b"PDLEXI1\n"

POSTINGS = 100_000
"""Postings that one search walks: terms that have more among them add to the score, but find nothing."""

K1, B = 1.2, 0.75
"""BM25's usual constants: how fast repetitions stop counting, and how much length does."""

_TAIL = 1 << 18
_SPARE = 4

Rows = NDArray[np.uint32]
Scores = NDArray[np.float32]


class Found(NamedTuple):
    """Texts by id with their BM25 scores and `overlap`: the idf of the query's terms that they hold over that of all."""

    ids: Ids
    scores: Scores
    overlap: Scores


class _Postings(NamedTuple):
    rows: Rows
    counts: NDArray[np.uint16]


class _Scope:
    """The texts that a search may return: a mask of the index's rows (None: every one), how many they are and how long
    together. `held` remembers how many of them hold a term.
    """

    def __init__(self, mask: Mask | None, texts: int, length: int) -> None:
        self.mask = mask
        self.texts = texts
        self.average = max(1.0, length / max(1, texts))
        self.held: dict[str, int] = {}

    def within(self, postings: _Postings) -> _Postings:
        if self.mask is None:
            return postings
        ours = self.mask[postings.rows]
        return _Postings(postings.rows[ours], postings.counts[ours])

    def idf(self, held: int) -> float:
        """How telling a term is that so many of the texts hold."""
        return float(np.log1p(max(0.0, self.texts - held + 0.5) / (held + 0.5)))


class Lexicon:
    """Texts as bags of terms under int64 ids. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._slots = Slots()
        self._lengths = array("I")
        self._total = 0
        self._numbers: dict[str, int] = {}
        self._starts = np.zeros(1, dtype=np.int64)
        self._base = _Postings(np.empty(0, np.uint32), np.empty(0, np.uint16))
        self._clear_tail()
        self._scopes: weakref.WeakKeyDictionary[Selector, _Scope] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def ids(self) -> Ids:
        """All ids, ascending."""
        with self._lock:
            return np.sort(self._slots.ids)[self._slots.removed :]

    def add(self, ids: Ids, texts: Iterable[Sequence[str]]) -> None:
        """Add texts, each given as its terms; an id that is there already keeps its text."""
        with self._lock:
            known = self._slots.find(ids) >= 0
            fresh: dict[int, Sequence[str]] = {}
            for number, text, old in zip(ids.tolist(), texts, known.tolist(), strict=True):
                if not old:
                    fresh.setdefault(number, text)
            rows = self._slots.add(np.array(list(fresh), dtype=np.int64))
            for row, text in zip(rows.tolist(), fresh.values(), strict=True):
                self._append(row, text)
            if len(self._tail_rows) > max(_TAIL, len(self._base.rows) // 32):
                self._merge()

    def remove(self, ids: Ids) -> int:
        """Remove texts; ids that are not there do not matter. Returns how many went."""
        with self._lock:
            rows = self._slots.remove(ids)
            self._scopes.clear()
            self._total -= sum(self._lengths[row] for row in rows.tolist())
            return len(rows)

    def search(self, terms: Collection[str], k: int, allowed: Selector | None = None) -> Found:
        """The `k` texts, among those allowed (None: all), with the best BM25 scores for these terms, best first.

        Texts that hold none of the query's rare terms are not found.
        """
        with self._lock:
            scope = self._scope(allowed)
            rows = self._candidates(terms, k, scope)
            scores, overlap = self._score(terms, rows, scope)
            best = _best(scores, self._slots.ids[rows], k)
            return Found(self._slots.ids[rows[best]], scores[best], overlap[best])

    def score(self, terms: Collection[str], ids: Ids, allowed: Selector | None = None) -> Found:
        """The scores of these texts, in this order, among those allowed; 0 where an id is not there."""
        with self._lock:
            return Found(ids, *self._score(terms, self._slots.find(ids), self._scope(allowed)))

    def weights(self, terms: Collection[str], allowed: Selector | None = None) -> dict[str, float]:
        """What each of these terms tells among the texts allowed, as a share of what all of them tell together."""
        with self._lock:
            scope = self._scope(allowed)
            idf = {term: scope.idf(self._held(term, scope)) for term in sorted(set(terms))}
        total = sum(idf.values()) or 1.0
        return {term: value / total for term, value in idf.items()}

    def save(self, path: Path) -> None:
        """Write the index to a file, whole or not at all. Raises StoreFull, StoreUnreadable or StoreError."""
        with self._lock:
            self._merge()
            arrays = self._slots.ids, np.array(self._lengths, np.uint32), self._starts, self._base.rows, self._base.counts
            sealed.write(path, MAGIC, {}, [msgpack.packb(list(self._numbers)), *(values.data for values in arrays)])

    @classmethod
    def load(cls, path: Path) -> Self:
        """The index in a file. Raises ObjectMissing or ObjectCorrupt: the caller then builds it anew."""
        names, ids, lengths, starts, rows, counts = sealed.read(path, MAGIC).parts
        index = cls()
        index._numbers = {name: number for number, name in enumerate(msgpack.unpackb(names))}
        index._slots = Slots(np.frombuffer(ids, dtype=np.int64))
        index._lengths = array("I", bytes(lengths))
        index._total = sum(index._lengths)
        index._starts = np.frombuffer(starts, dtype=np.int64)
        index._base = _Postings(np.frombuffer(rows, dtype=np.uint32), np.frombuffer(counts, dtype=np.uint16))
        index._clear_tail()
        return index

    def _append(self, row: int, text: Sequence[str]) -> None:
        self._lengths.append(len(text))
        self._total += len(text)
        for term, count in Counter(text).items():
            self._tail_terms.append(self._numbers.setdefault(term, len(self._numbers)))
            self._tail_rows.append(row)
            self._tail_counts.append(min(count, 0xFFFF))

    def _scope(self, allowed: Selector | None) -> _Scope:
        """The texts among which a search is made. What is known of them stays true while others come."""
        if allowed is None:
            return _Scope(None, len(self), self._total)
        mask = self._slots.mask(allowed)
        if self._slots.removed:
            mask = mask & (self._slots.ids != GONE)
        known = self._scopes.get(allowed)
        texts = int(np.count_nonzero(mask))
        if known is None or known.texts != texts:
            lengths = np.frombuffer(self._lengths, dtype=np.uint32)
            known = self._scopes[allowed] = _Scope(mask, texts, int(lengths[mask].sum()))
        known.mask = mask
        return known

    def _held(self, term: str, scope: _Scope) -> int:
        """How many texts of a scope hold a term. Of the whole index removed ones count until the next merge."""
        if term not in scope.held:
            scope.held[term] = len(scope.within(self._postings(term)).rows)
        return scope.held[term]

    def _candidates(self, terms: Collection[str], k: int, scope: _Scope) -> Ids:
        """The most promising rows, judged by the rare terms alone, with room for the common ones to change the order."""
        scores = np.zeros(len(self._slots.ids), dtype=np.float32)
        walked = 0
        for held, term in sorted((self._held(term, scope), term) for term in set(terms)):
            walked += held
            if walked > POSTINGS:
                break
            postings = scope.within(self._postings(term))
            scores[postings.rows] += self._bm25(postings, np.asarray(postings.rows, np.int64), held, scope)
        rows = np.flatnonzero(scores)
        rows = rows[self._slots.ids[rows] != GONE]
        return np.asarray(rows[_best(scores[rows], self._slots.ids[rows], _SPARE * k)], dtype=np.int64)

    def _score(self, terms: Collection[str], rows: Ids, scope: _Scope) -> tuple[Scores, Scores]:
        scores, overlap, most = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32), 0.0
        # In an order of their own: sums of floats depend on it.
        for term in sorted(set(terms)):
            postings = self._postings(term)
            at, counts = _look_up(postings, rows)
            held = self._held(term, scope)
            idf = scope.idf(held)
            scores[at] += self._bm25(_Postings(postings.rows, counts), rows[at], held, scope)
            overlap[at] += idf
            most += idf
        return scores, overlap / np.float32(most or 1)

    def _bm25(self, postings: _Postings, rows: Ids, held: int, scope: _Scope) -> Scores:
        lengths = np.frombuffer(self._lengths, dtype=np.uint32)[rows]
        counts = postings.counts.astype(np.float32)
        saturated = counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths / scope.average))
        return (scope.idf(held) * saturated).astype(np.float32)

    def _postings(self, term: str) -> _Postings:
        number = self._numbers.get(term)
        if number is None:
            return _Postings(np.empty(0, np.uint32), np.empty(0, np.uint16))
        late = np.flatnonzero(np.frombuffer(self._tail_terms, dtype=np.uint32) == number)
        rows = np.frombuffer(self._tail_rows, dtype=np.uint32)[late]
        counts = np.frombuffer(self._tail_counts, dtype=np.uint16)[late]
        if number + 1 >= len(self._starts):
            return _Postings(rows, counts)
        part = slice(self._starts[number], self._starts[number + 1])
        return _Postings(np.concatenate([self._base.rows[part], rows]), np.concatenate([self._base.counts[part], counts]))

    def _clear_tail(self) -> None:
        self._tail_terms, self._tail_rows, self._tail_counts = array("I"), array("I"), array("H")

    def _merge(self) -> None:
        """Bring the tail into the sorted postings, then drop what belongs to removed texts."""
        terms = np.array(self._tail_terms, np.uint32)
        order = np.argsort(terms, kind="stable")
        grown = np.bincount(terms, minlength=len(self._numbers))
        ends = np.full(len(self._numbers), self._starts[-1])
        ends[: len(self._starts) - 1] = self._starts[1:]
        places = ends[terms[order]]
        rows, counts = np.array(self._tail_rows, np.uint32)[order], np.array(self._tail_counts, np.uint16)[order]
        self._base = _Postings(np.insert(self._base.rows, places, rows), np.insert(self._base.counts, places, counts))
        self._starts = np.concatenate([[0], ends + np.cumsum(grown)])
        self._clear_tail()
        if self._slots.removed:
            self._vacuum()

    def _vacuum(self) -> None:
        alive = self._slots.ids != GONE
        kept = alive[self._base.rows]
        owner = np.repeat(np.arange(len(self._numbers)), np.diff(self._starts))[kept]
        sizes = np.bincount(owner, minlength=len(self._numbers))
        self._numbers = {name: at for at, name in enumerate(n for n, size in zip(self._numbers, sizes, strict=True) if size)}
        self._starts = np.concatenate([[0], np.cumsum(sizes[sizes > 0])])
        renumbered = (np.cumsum(alive) - 1).astype(np.uint32)
        self._base = _Postings(renumbered[self._base.rows[kept]], self._base.counts[kept])
        self._lengths = array("I", np.array(self._lengths, np.uint32)[alive].tobytes())
        self._slots = Slots(self._slots.ids[alive])
        self._scopes.clear()


def _best(scores: Scores, ids: Ids, k: int) -> Ids:
    """Where the `k` best scores are, best first; of equal ones those of the smaller ids, whichever came first."""
    if len(scores) > k > 0:
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = np.flatnonzero(scores >= cut)
    else:
        kept = np.arange(len(scores))
    return np.asarray(kept[np.lexsort((ids[kept], -scores[kept]))][:k], dtype=np.int64)


def _look_up(postings: _Postings, rows: Ids) -> tuple[Ids, NDArray[np.uint16]]:
    """Which of `rows` a term's postings, ascending, have, and how often the term stands there."""
    if not len(postings.rows):
        return np.empty(0, np.int64), np.empty(0, np.uint16)
    at = np.minimum(np.searchsorted(postings.rows, rows), len(postings.rows) - 1)
    held = np.flatnonzero(postings.rows[at] == rows)
    return held, postings.counts[at[held]]
