"""What is kept of evicted tokens: real entries of the KV cache, chosen for each layer and KV head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The entries that stand before the window: the sinks, then the summary in the order of the conversation.

    A *bank* is a number L of layers whose keys have the same shape. By bank: `tokens` [L, H, n] int32, the token each
    entry is of; `slots` [L, H, n] int32, the position its stored key is rotated to; `scores` [L, H, n] float32, infinite
    for sinks. By slab: `rows` [rows, H, n, D], keys and values as they were when they were evicted, so that moving them
    never adds rounding to rounding. `folds` counts the evictions that made it.
    """

    tokens: tuple[Tensor, ...]
    slots: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]
    rows: tuple[Tensor, ...]
    folds: int

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
        return {f"{name}.{i}": tensor for name, group in parts.items() for i, tensor in enumerate(group)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], folds: int) -> Kept:
        """What `to_tensors` gave."""

        def group(name: str) -> tuple[Tensor, ...]:
            numbered = ((int(path.partition(".")[2]), t) for path, t in tensors.items() if path.startswith(f"{name}."))
            return tuple(tensor for _, tensor in sorted(numbered, key=lambda pair: pair[0]))

        return cls(group("tokens"), group("slots"), group("scores"), group("rows"), folds)
