"""Frozen settings. Only `perdure.api` reads the environment; everything below is handed what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InvalidInput

BLOCK_TOKENS = 64
"""Tokens of a full KV block."""

PREFILL_GRID = 128
"""Prefill runs in chunks that end at multiples of this position, so that equal prefixes give equal bits."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    `temperature` 0 is greedy. `top_p` in (0, 1], `top_k` 0 means all. The draw at position p depends only on the logits,
    these numbers, `seed` and p, so a resumed session draws what the never-stopped one would have drawn. `seed` None takes
    the session's own seed. `stop` are strings that end the answer and are not part of it.
    """

    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise InvalidInput(f"max_tokens is {self.max_tokens}; give at least 1.")
        if not 0.0 <= self.temperature <= 5.0:
            raise InvalidInput(f"temperature is {self.temperature}; give a number from 0 to 5.")
        if not 0.0 < self.top_p <= 1.0:
            raise InvalidInput(f"top_p is {self.top_p}; give a number above 0, at most 1.")
        if self.top_k < 0:
            raise InvalidInput(f"top_k is {self.top_k}; give 0 (all tokens) or more.")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise InvalidInput(f"seed is {self.seed}; give a number from 0 to 2**63 - 1.")
        if len(self.stop) > 16 or any(not s for s in self.stop):
            raise InvalidInput("stop takes at most 16 strings, none of them empty.")


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a persistent store behaves. Times in milliseconds, sizes in bytes.

    `map_size` is address space, not disk: the most that the database may ever grow to.
    """

    map_size: int = 1 << 40
    group_commit_ms: int = 50
    lock_wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """How many snapshots of recurrent states a session keeps, so that it can go back to any token.

    `dense` is how many grid steps, and how many turns, back from the head every snapshot is kept; older ones thin out with
    the logarithm of their distance. `budget_bytes` bounds a session's snapshots together (the newest is always kept).
    `codec` "raw" keeps them exactly; "int8" keeps them in about a quarter of the bytes, not exactly, and writes the error
    that it measured beside them.
    """

    dense: int = 16
    budget_bytes: int = 256 << 20
    codec: str = "raw"

    def __post_init__(self) -> None:
        if self.dense < 1:
            raise InvalidInput(f"dense is {self.dense}; give at least 1.")
        if self.budget_bytes < 0:
            raise InvalidInput(f"budget_bytes is {self.budget_bytes}; give 0 (only the newest snapshot) or more.")
        if self.codec not in ("raw", "int8"):
            raise InvalidInput(f"The codec {self.codec!r} is not known; give raw or int8.")
