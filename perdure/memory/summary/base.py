"""The contract of the summary tier: what is kept of evicted tokens, in constant size, and what that adds to attention.

A *bank* is a number L of layers whose keys have the same shape; H are their KV heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

FADES_PER = 256
"""Tokens of age for which `Kept.fade` is taken off once."""

FADES_TOGETHER = 32
"""Neighbouring entries that fade as one."""


class Gone(NamedTuple):
    """Tokens that a fold does not keep as entries, those of [start, end) of the conversation and what was dropped with them.

    By bank: `keys` [L, H, n, D] without positions, `values` [L, H, n, Dv], float32 both.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What a backend made of the tokens that are gone. `maker` names the numbers it was made with.

    It has parts, one for each of `spans` (tokens [start, end), rising). By bank: `sums` [P, L', H, F, Dv] and `norms`
    [P, L', H, F], float32, L' the layers that have a memory.
    """

    rule: str
    maker: str
    spans: tuple[tuple[int, int], ...]
    sums: tuple[Tensor, ...]
    norms: tuple[Tensor, ...]


class Reader(Protocol):
    """What a memory adds to the attention of one forward."""

    def concerns(self, bank: int, layer: int) -> bool:
        """Whether anything is added to that layer of the bank."""

    def mix(self, bank: int, layer: int, query: Tensor, local: Tensor) -> Tensor:
        """local [1, Hq, T, Dv], what attention gave, with the memory's share; query [Hq, T, D] float32, positions off."""

    def read(self, bank: int, layer: int, query: Tensor) -> tuple[Tensor, Tensor]:
        """What the memory gives for such queries [Hq, T, Dv], and the share [Hq] that it has in `mix`, float32 both."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is kept of evicted tokens: entries before the window, those of sinks first, and perhaps a memory of the others.

    By bank: `tokens` [L, H, n] int32, the token each entry is of; `slots` [L, H, n] int32, the position its stored key is
    rotated to; `scores` [L, H, n] float32, infinite for sinks. By slab: `rows` [rows, H, n, D], keys and values as they
    were when they were evicted, so that moving them never adds rounding to rounding. `folds` counts the evictions that
    made it. `fade` is taken off an entry's attention scores for each `FADES_PER` tokens that it is older than the window.
    """

    tokens: tuple[Tensor, ...]
    slots: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]
    rows: tuple[Tensor, ...]
    folds: int
    memory: Memory | None = field(default=None)
    fade: float = 0.0

    @property
    def count(self) -> int:
        """Entries of each layer and KV head, sinks included."""
        return self.tokens[0].shape[-1] if self.tokens else 0

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.to_tensors().values())

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything by name, for storing."""
        parts = {"tokens": self.tokens, "slots": self.slots, "scores": self.scores, "rows": self.rows}
        if self.memory is not None:
            parts |= {"sums": self.memory.sums, "norms": self.memory.norms}
        return {f"{name}.{i}": tensor for name, group in parts.items() for i, tensor in enumerate(group)}

    def to_meta(self) -> dict[str, Any]:
        """What else there is to store, as plain values."""
        meta: dict[str, Any] = {"folds": self.folds, **({"fade": self.fade} if self.fade else {})}
        if self.memory is not None:
            spans = [list(span) for span in self.memory.spans]
            meta["memory"] = {"rule": self.memory.rule, "maker": self.memory.maker, "spans": spans}
        return meta

    @classmethod
    def from_parts(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Kept:
        """What `to_tensors` and `to_meta` gave."""

        def group(name: str) -> tuple[Tensor, ...]:
            numbered = ((int(path.partition(".")[2]), t) for path, t in tensors.items() if path.startswith(f"{name}."))
            return tuple(tensor for _, tensor in sorted(numbered, key=lambda pair: pair[0]))

        memory, about = None, meta.get("memory")
        if about is not None:
            spans = tuple((start, end) for start, end in about["spans"])
            memory = Memory(about["rule"], about["maker"], spans, group("sums"), group("norms"))
        return cls(
            group("tokens"), group("slots"), group("scores"), group("rows"), meta["folds"], memory, meta.get("fade", 0.0)
        )

    def faded(self, oldest: int) -> list[tuple[int, int, float]]:
        """Runs (start, end, bias) of entries by number and what is added to their attention scores.

        `oldest` is the first token of the window. The entries of one number lie at other ages in other layers and heads; a
        run has the mean of all of them, so that one mask does for every layer.
        """
        if not self.fade or not self.count:
            return []
        places = torch.cat([tokens.flatten(0, 1) for tokens in self.tokens]).double().mean(0)
        sinks = int(torch.isinf(self.scores[0][0, 0]).sum())
        runs = [(start, min(start + FADES_TOGETHER, self.count)) for start in range(sinks, self.count, FADES_TOGETHER)]
        per = self.fade / FADES_PER
        return [(start, end, -per * (oldest - float(places[start:end].mean()))) for start, end in runs]


class Summary(ABC):
    """One way to summarise. Everything is a function of what it is given, so that a replay gives the same bits.

    An eviction asks twice: which candidates stay as entries of the KV cache (`choose`), and what becomes of the others
    (`fold`). A forward asks once what the memory adds to attention (`reader`).
    """

    name: ClassVar[str]

    @property
    def detail(self) -> Mapping[str, Any]:
        """What an eviction's event says, so that a replay finds this very backend whatever the options are then."""
        return {"backend": self.name}

    @abstractmethod
    def choose(self, old: Tensor, new: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Which candidates of a bank stay as entries: all sinks and at most `count` others, as (indices, scores).

        old [L, H, m] and new [L, H, b] are float32 scores (attention mass, if it was counted), infinite for sinks;
        indices [L, H, k] int64 count into their concatenation, in rising order; scores [L, H, k] are theirs from now on.
        """

    @property
    def folds(self) -> bool:
        """Whether `fold` makes anything of the tokens that are gone; otherwise nobody gathers them."""
        return False

    def fold(self, memory: Memory | None, gone: Gone) -> Memory | None:
        """The memory with what is gone now; the given one, perhaps another backend's, is unchanged."""
        return None

    def reader(self, memory: Memory) -> Reader | None:
        """What reads a memory that `fold` made; None where it adds nothing."""
        return None


class SinksOnly(Summary):
    """Backend "none": the sinks stay, all else is forgotten (StreamingLLM, arXiv 2309.17453, section 3.2)."""

    name = "none"

    def choose(self, old: Tensor, new: Tensor, count: int) -> tuple[Tensor, Tensor]:
        scores = torch.cat([old, new], dim=-1)
        sinks = int(torch.isinf(scores[0, 0]).sum())
        indices = torch.arange(sinks, device=scores.device).expand(*scores.shape[:2], sinks)
        return indices, scores.gather(-1, indices)
