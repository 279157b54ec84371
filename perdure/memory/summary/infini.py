"""Infini-attention's memory (arXiv 2404.07143, section 2.1.2): evicted keys and values in matrices of fixed size.

features   s(x) = ELU(W x) + 1, W the identity unless maps were learned
linear     M += s(K)^T V                                      z += sum_t s(K_t)
delta      M += s(K)^T (V - s(K) M / (s(K) z))                z as above
attention  A = g s(Q) M / (s(Q) z) + (1 - g) A_dot            g a number per query head, constant
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...errors import InvalidInput
from ...kernels import gate, retrieve, update
from .base import Gone, Memory, Reader, SinksOnly
from .calibration import Calibration

PARTS = 8
"""The most parts of a linear memory. One more, and the two neighbours with the fewest tokens become one part."""


class Infini(SinksOnly):
    """Backend "infini": the sinks stay as entries, everything else is folded into matrices.

    Without a calibration, or with one whose gates are all closed, nothing is folded and attention is as if the backend
    were "none", to the bit. So is a layer whose gates are all closed.
    """

    name = "infini"

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration
        self._last: tuple[Memory, MemoryReader] | None = None

    @property
    def detail(self) -> dict[str, str]:
        found = self.calibration
        if found is None or found.closed:
            return {"backend": self.name, "rule": "", "gates": ""}
        return {"backend": self.name, "rule": found.rule, "gates": found.digest}

    @property
    def folds(self) -> bool:
        return self.calibration is not None and not self.calibration.closed

    def fold(self, memory: Memory | None, gone: Gone) -> Memory | None:
        """A memory that other numbers made is dropped: its features mean nothing to these."""
        made_with = self.calibration
        if made_with is None or made_with.closed:
            return None
        if memory is None or memory.maker != made_with.digest:
            memory = Memory(made_with.rule, made_with.digest, (), (), ())
        if not any(keys.shape[2] for keys in gone.keys):
            return memory
        return _bounded(_linear(made_with, memory, gone) if made_with.rule == "linear" else _delta(made_with, memory, gone))

    def reader(self, memory: Memory) -> Reader | None:
        if self.calibration is None or not memory.spans:
            return None
        if self._last is None or self._last[0] is not memory:
            self._last = memory, MemoryReader(self.calibration, memory)
        return self._last[1]


class MemoryReader:
    """A memory with its parts added up."""

    def __init__(self, calibration: Calibration, memory: Memory) -> None:
        self._calibration = calibration
        self._sums = [_total(part) for part in memory.sums]
        self._norms = [_total(part) for part in memory.norms]

    def concerns(self, bank: int, layer: int) -> bool:
        return layer in self._calibration.layers[bank]

    def mix(self, bank: int, layer: int, query: Tensor, local: Tensor) -> Tensor:
        out, share = self.read(bank, layer, query)
        return gate(out, local, share)

    def read(self, bank: int, layer: int, query: Tensor) -> tuple[Tensor, Tensor]:
        at = self._calibration.layers[bank].index(layer)
        features = self._calibration.query_features(bank, layer, query.shape[0])
        out = retrieve(query, self._sums[bank][at], self._norms[bank][at], features)
        return out, self._calibration.gates[bank][layer]


def without(memory: Memory, start: int, end: int) -> Memory:
    """A linear memory as if tokens [start, end) had never been folded: the parts they lie in are gone.

    Exact to the bit for a part that is one block. Of a merged part (`PARTS`) the other blocks are forgotten too: the
    spans that are left say what is still remembered. Raises InvalidInput for the delta rule, whose updates depend on what
    was there before.
    """
    if memory.rule != "linear":
        raise InvalidInput("A memory by the delta rule cannot forget some of its tokens; only a linear one has parts.")
    kept = [i for i, (first, last) in enumerate(memory.spans) if last <= start or end <= first]
    spans = tuple(memory.spans[i] for i in kept)
    return replace(memory, spans=spans, sums=tuple(s[kept] for s in memory.sums), norms=tuple(z[kept] for z in memory.norms))


def joined(memory: Memory, more: Memory) -> Memory:
    """A linear memory with the parts of another conversation's, made with the same numbers; they have empty spans here.

    Raises InvalidInput where the parts do not add up.
    """
    if (memory.rule, memory.maker) != ("linear", more.maker) or more.rule != "linear":
        raise InvalidInput("Only linear memories that were made with the same numbers can be added up.")
    end = memory.spans[-1][1] if memory.spans else 0
    parts = replace(more, spans=((end, end),) * len(more.spans))
    if not memory.spans:
        return _bounded(parts)
    sums, norms = (
        tuple(torch.cat(pair) for pair in zip(*both, strict=True))
        for both in ((memory.sums, parts.sums), (memory.norms, parts.norms))
    )
    return _bounded(replace(memory, spans=(*memory.spans, *parts.spans), sums=sums, norms=norms))


def _linear(made_with: Calibration, memory: Memory, gone: Gone) -> Memory:
    """One more part, which knows nothing of the others."""
    parts = [_updated(made_with, bank, gone, None) for bank in range(len(gone.keys))]
    return _with_part(memory, [m[None] for m, _ in parts], [z[None] for _, z in parts], gone)


def _delta(made_with: Calibration, memory: Memory, gone: Gone) -> Memory:
    """The one part there is, updated."""
    old = [(s[0], z[0]) for s, z in zip(memory.sums, memory.norms, strict=True)]
    parts = [_updated(made_with, bank, gone, old[bank] if old else None) for bank in range(len(gone.keys))]
    spans = ((memory.spans[0][0] if memory.spans else gone.start, gone.end),)
    return replace(memory, spans=spans, sums=tuple(m[None] for m, _ in parts), norms=tuple(z[None] for _, z in parts))


def _updated(made_with: Calibration, bank: int, gone: Gone, old: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """The matrices [L', H, F, Dv] and norms [L', H, F] of a bank with what is gone."""
    layers = list(made_with.layers[bank])
    keys, values = gone.keys[bank][layers], gone.values[bank][layers]
    count, heads = keys.shape[:2]
    features = made_with.keys[bank].shape[-1] if made_with.keys else keys.shape[-1]
    if old is None:
        old = keys.new_zeros(count, heads, features, values.shape[-1]), keys.new_zeros(count, heads, features)
    m, z, k, v = (tensor.flatten(0, 1) for tensor in (*old, keys, values))
    m, z = update(m, z, k, v, made_with.rule, made_with.key_features(bank, heads))
    return m.reshape(old[0].shape), z.reshape(old[1].shape)


def _with_part(memory: Memory, sums: list[Tensor], norms: list[Tensor], gone: Gone) -> Memory:
    spans = (*memory.spans, (gone.start, gone.end))
    if memory.sums:
        sums = [torch.cat(pair) for pair in zip(memory.sums, sums, strict=True)]
        norms = [torch.cat(pair) for pair in zip(memory.norms, norms, strict=True)]
    return replace(memory, spans=spans, sums=tuple(sums), norms=tuple(norms))


def _bounded(memory: Memory) -> Memory:
    """With at most PARTS parts: the pair of neighbours with the fewest tokens, the oldest of such, becomes one."""
    while len(memory.spans) > PARTS:
        spans = memory.spans
        i = min(range(len(spans) - 1), key=lambda i: spans[i + 1][1] - spans[i][0])
        merged = (*spans[:i], (spans[i][0], spans[i + 1][1]), *spans[i + 2 :])
        sums, norms = (tuple(_merge(t, i) for t in group) for group in (memory.sums, memory.norms))
        memory = replace(memory, spans=merged, sums=sums, norms=norms)
    return memory


def _merge(parts: Tensor, i: int) -> Tensor:
    return torch.cat([parts[:i], parts[i : i + 1] + parts[i + 1 : i + 2], parts[i + 2 :]])


def _total(parts: Tensor) -> Tensor:
    """The sum of parts [P, ...], added in their order, so that a part that is gone leaves no trace in the bits."""
    total = torch.zeros_like(parts[0]) if len(parts) else parts.sum(0)
    for part in parts:
        total = total + part
    return total
