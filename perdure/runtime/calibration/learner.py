"""The numbers of an Infini memory while they are learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...memory.summary import Calibration, Gone, Infini, Memory, MemoryReader, Reader

BETA = -4.0
"""Where gates begin, before the sigmoid: all but closed, so that training starts from the model as it is."""


class Learner(Infini):
    """An Infini memory with gates g = sigmoid(beta) that gradients reach, and maps, the identity at first, if wanted.

    With maps a memory is folded anew for every forward, from all that is gone, so that gradients reach the keys' maps.
    """

    def __init__(self, rule: str, shapes: Sequence[tuple[int, int, int, int]], *, maps: bool) -> None:
        """`shapes` are (layers, query heads, KV heads, dimensions of a key) by bank."""
        super().__init__()
        self.rule = rule
        self.betas = [torch.full((layers, q), BETA, requires_grad=True) for layers, q, _, _ in shapes]
        self.keys = [_identities(layers, kv, dim) for layers, _, kv, dim in shapes] if maps else []
        self.queries = [_identities(layers, q, dim) for layers, q, _, dim in shapes] if maps else []
        self._gone: list[Gone] = []
        self._folded: Memory | None = None

    def restart(self) -> None:
        """Forget what was folded: another text begins."""
        self._gone.clear()
        self._folded = None

    def numbers(self) -> Calibration:
        """The numbers as they are now, attached to their parameters."""
        gates = tuple(torch.sigmoid(beta) for beta in self.betas)
        return Calibration(self.rule, gates, tuple(self.keys), tuple(self.queries))

    def learned(self) -> Calibration:
        """The numbers as they are now, of their own."""
        now = self.numbers()
        return Calibration(self.rule, *(tuple(t.detach().clone() for t in g) for g in (now.gates, now.keys, now.queries)))

    def maps(self) -> Iterator[Tensor]:
        yield from (*self.keys, *self.queries)

    @property
    def folds(self) -> bool:
        return True

    def fold(self, memory: Memory | None, gone: Gone) -> Memory | None:
        with torch.no_grad():
            if self.keys:
                self._gone.append(gone)
            else:
                self._folded = Infini(_fixed(self.rule, self.betas)).fold(self._folded, gone)
        return Memory(self.rule, "learner", ((0, gone.end),), (), ())

    def reader(self, memory: Memory) -> Reader | None:
        now = self.numbers()
        if not self.keys:
            return None if self._folded is None else MemoryReader(now, self._folded)
        folded, backend = None, Infini(now)
        for gone in self._gone:
            folded = backend.fold(folded, gone)
        return None if folded is None else MemoryReader(now, folded)


def _identities(layers: int, heads: int, dim: int) -> Tensor:
    return torch.eye(dim).expand(layers, heads, dim, dim).clone().requires_grad_()


def _fixed(rule: str, betas: Sequence[Tensor]) -> Calibration:
    """All gates open and no maps: without maps a memory does not depend on what is learned."""
    return Calibration(rule, tuple(torch.ones_like(beta) for beta in betas))
