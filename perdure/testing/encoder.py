"""A sentence encoder that needs no model: hashed words, so that texts with equal words are alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from ..memory.episodes import terms


@lru_cache(maxsize=512)
def _direction(term: str, dim: int) -> NDArray[np.float64]:
    return np.random.default_rng(xxhash.xxh64_intdigest(term.encode())).standard_normal(dim)


class HashedWords:
    """Each term adds a random direction of its own; a `SentenceEncoder` for tests."""

    identity = "hashed-words/1"
    dim = 256

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._one(text) for text in texts])

    def _one(self, text: str) -> NDArray[np.float32]:
        total = np.full(self.dim, 1e-6)
        for term in set(terms(text)):
            total += _direction(term, self.dim)
        unit: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
        return unit
