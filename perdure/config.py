"""Frozen settings. Only `perdure.api` reads the environment; everything below is handed what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from .errors import InvalidInput

BLOCK_TOKENS = 64
"""Tokens of a full KV block."""

PREFILL_GRID = 128
"""Prefill runs in chunks that end at multiples of this position, so that equal prefixes give equal bits."""

STAGING_BYTES = 64 << 20
"""Bytes of pinned memory through which state goes to a GPU and comes from it (perdure/runtime/state/paging.py)."""

WRITERS = ("kv", "distill", "closed-form", "delta")
"""What can write a fact into fast weights (perdure/runtime/writers)."""

CHOSEN_WRITERS = WRITERS[:2]
"""Those of them that are chosen when none is asked for, by what the model's family can take."""

STORED, INT8 = "stored", "int8"
WEIGHTS = (STORED, INT8)
"""How a model's linear layers hold their weights: as they are stored, or rounded to 8 bits (perdure/runtime/int8.py)."""

MOST_BIASES = 1024
"""Tokens that `logit_bias` may name."""

MOST_TOKENS = (1 << 31) - 1
"""The greatest number of tokens that a setting may state: an answer that old tokens make room for may have so many."""


def known_writer(name: str) -> str:
    """The name itself. Raises InvalidInput unless it is one of WRITERS."""
    if name not in WRITERS:
        raise InvalidInput(f"The writer {name[:40]!r} is not known; give {', '.join(WRITERS)}.")
    return name


def known_weights(name: str) -> str:
    """The name itself. Raises InvalidInput unless it is one of WEIGHTS."""
    if name not in WEIGHTS:
        raise InvalidInput(f"Weights are not kept as {name[:40]!r}; give {' or '.join(WEIGHTS)}.")
    return name


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    `temperature` 0 is greedy. `top_p` in (0, 1], `top_k` 0 means all. The draw at position p depends only on the logits,
    these numbers, `seed` and p, so a resumed session draws what the never-stopped one would have drawn. `seed` None takes
    the session's own seed. `stop` are strings that end the answer and are not part of it.

    `min_p` drops tokens less probable than that share of the most probable one. `logit_bias` adds to the logits of tokens.
    `frequency_penalty` is taken off a token's logit for each time it stands in the answer, `presence_penalty` once if it
    does (OpenAI's); `repetition_penalty` divides the positive and multiplies the negative logits of tokens that stand in
    the conversation (Keskar et al. 2019). They count the conversation's tokens, so the draw depends on those too.

    `logprobs` asks for the log probability of each token and of so many others that were likely. `grammar` is what the
    answer has to follow (perdure/runtime/grammar.py).
    """

    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    min_p: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logprobs: int | None = None
    grammar: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.max_tokens <= MOST_TOKENS:
            raise InvalidInput(f"max_tokens is {self.max_tokens}; give a number from 1 to {MOST_TOKENS}.")
        if not 0.0 <= self.temperature <= 5.0:
            raise InvalidInput(f"temperature is {self.temperature}; give a number from 0 to 5.")
        if not 0.0 < self.top_p <= 1.0:
            raise InvalidInput(f"top_p is {self.top_p}; give a number above 0, at most 1.")
        if not 0 <= self.top_k <= MOST_TOKENS:
            raise InvalidInput(f"top_k is {self.top_k}; give a number from 0 (all tokens) to {MOST_TOKENS}.")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise InvalidInput(f"seed is {self.seed}; give a number from 0 to 2**63 - 1.")
        if len(self.stop) > 16 or any(not s for s in self.stop):
            raise InvalidInput("stop takes at most 16 strings, none of them empty.")
        if not 0.0 <= self.min_p <= 1.0:
            raise InvalidInput(f"min_p is {self.min_p}; give a number from 0 to 1.")
        self._check_penalties()

    def _check_penalties(self) -> None:
        for name in ("frequency_penalty", "presence_penalty"):
            if not -2.0 <= getattr(self, name) <= 2.0:
                raise InvalidInput(f"{name} is {getattr(self, name)}; give a number from -2 to 2.")
        if not 0.01 <= self.repetition_penalty <= 10.0:
            raise InvalidInput(f"repetition_penalty is {self.repetition_penalty}; give a number from 0.01 to 10.")
        if len(self.logit_bias) > MOST_BIASES or any(t < 0 or not -100.0 <= b <= 100.0 for t, b in self.logit_bias):
            raise InvalidInput(f"logit_bias takes at most {MOST_BIASES} tokens, each with a number from -100 to 100.")
        if self.logprobs is not None and not 0 <= self.logprobs <= 20:
            raise InvalidInput(f"logprobs is {self.logprobs}; give a number of other tokens from 0 to 20.")


class SamplingChanges(TypedDict, total=False):
    """Settings of one answer; those that are None or not given are the runtime's."""

    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    seed: int | None
    stop: Sequence[str] | None
    min_p: float | None
    logit_bias: Mapping[int, float] | None
    frequency_penalty: float | None
    presence_penalty: float | None
    repetition_penalty: float | None
    logprobs: int | None
    grammar: str | None


def changed(settings: Sampling, changes: SamplingChanges) -> Sampling:
    """The settings with some of them changed. Raises InvalidInput for values out of range."""
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    if "stop" in given:
        given["stop"] = tuple(given["stop"])
    if "logit_bias" in given:
        given["logit_bias"] = tuple(sorted(given["logit_bias"].items()))
    return replace(settings, **given)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a persistent store behaves. Times in milliseconds, sizes in bytes.

    `map_size` is address space, not disk: the most that the database may ever grow to.
    """

    map_size: int = 1 << 40
    group_commit_ms: int = 50
    lock_wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """What a tenant of the HTTP server may have; None is without bound.

    `bytes` counts what its sessions hold, each for itself, as `/v1/stats` tells it under `logical`; `tokens` are those that
    the model computes for it in any minute: prompts as far as they were not stored, and answers.
    """

    bytes: int | None = None
    sessions: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        if any(bound is not None and bound < 0 for bound in (self.bytes, self.sessions, self.tokens)):
            raise InvalidInput("The bytes, sessions and tokens of a quota must be at least 0.")


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


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """What a session does when its conversation outgrows the working window.

    `window` tokens stay exact at least (None: half of the model's context), and `block` more before that many are evicted
    at once (None: half the window); `budget_bytes` gives the size of both, with the summary, in bytes of KV instead. The
    first `sinks` tokens are never evicted (None: the system prompt, at least 4). `backend` says how evicted KV is
    summarised ("heavy-hitters", "infini" or "none"), `summary` how many entries a layer and KV head keeps of it. "infini" is
    a memory of fixed size that a model must be calibrated for (`perdure calibrate`); until then it is "none".

    Messages that leave the window, and documents, are remembered in episodes of at most `episode_tokens` tokens. `recall`
    says how they come back when they matter: "kv" (their stored KV), "text" (computed again) or "off". At most
    `recall_tokens` tokens (None: an eighth of the context, at most 1,024) come back in a turn, of episodes whose score is
    at least `threshold`; the first has to stand out from the others besides (docs/decisions/0013).

    With `learn`, the name of a writer, what the user says in a turn is written into fast weights right after it, where
    `perdure consolidate` would write it; "off" leaves that to a consolidation.
    """

    window: int | None = None
    block: int | None = None
    budget_bytes: int | None = None
    sinks: int | None = None
    backend: str = "heavy-hitters"
    summary: int | None = None
    episode_tokens: int = 64
    recall: str = "kv"
    recall_tokens: int | None = None
    threshold: float = 0.38
    learn: str = "off"

    def __post_init__(self) -> None:
        _require_blocks("window", self.window)
        _require_blocks("block", self.block)
        if self.window is not None and self.budget_bytes is not None:
            raise InvalidInput("Give the window either in tokens (window) or in bytes (budget_bytes), not both.")
        if self.budget_bytes is not None and self.budget_bytes < 1:
            raise InvalidInput(f"budget_bytes is {self.budget_bytes}; give at least 1.")
        if self.sinks is not None and not 0 <= self.sinks <= 4096:
            raise InvalidInput(f"sinks is {self.sinks}; give a number from 0 to 4096.")
        if self.backend not in BACKENDS:
            raise InvalidInput(f"The summary backend {self.backend!r} is not known; give {', '.join(BACKENDS)}.")
        if self.summary is not None and not 0 <= self.summary <= 65_536:
            raise InvalidInput(f"summary is {self.summary}; give a number of entries from 0 to 65536.")
        if not 8 <= self.episode_tokens <= 1024:
            raise InvalidInput(f"episode_tokens is {self.episode_tokens}; give a number from 8 to 1024.")
        if self.recall not in RECALL_MODES:
            raise InvalidInput(f"The recall mode {self.recall!r} is not known; give {', '.join(RECALL_MODES)}.")
        if self.recall_tokens is not None and self.recall_tokens < 1:
            raise InvalidInput(f"recall_tokens is {self.recall_tokens}; give at least 1, or recall off.")
        if not 0.0 <= self.threshold <= 1.0:
            raise InvalidInput(f"threshold is {self.threshold}; give a score from 0 to 1.")
        if self.learn != LEARN_OFF and self.learn not in WRITERS:
            raise InvalidInput(f"Learning by {self.learn[:40]!r} is not known; give {LEARN_OFF} or {', '.join(WRITERS)}.")


@dataclass(frozen=True, slots=True)
class PagingOptions:
    """How much memory the working states of sessions may take together.

    When there is more of them on the device than `resident_bytes`, those that were used least recently leave it for the
    host's memory, and come back to the bit when they are used again. None is four fifths of what a GPU has free once the
    model is loaded, and no bound on the CPU.

    When there is more of them in memory than `hot_bytes`, on the device and the host, those that were used least recently
    are dropped, and restored from the store when they are used again; None: no bound. Where those in use leave no room a
    session waits for `wait_seconds`, and is Overloaded then.
    """

    resident_bytes: int | None = None
    hot_bytes: int | None = None
    wait_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.resident_bytes is not None and self.resident_bytes < 0:
            raise InvalidInput(f"resident_bytes is {self.resident_bytes}; give 0 (only sessions in use stay) or more.")
        if self.hot_bytes is not None and self.hot_bytes < 1:
            raise InvalidInput(f"hot_bytes is {self.hot_bytes}; give at least 1.")
        if not 0 <= self.wait_seconds < float("inf"):
            raise InvalidInput(f"wait_seconds is {self.wait_seconds}; give a number of seconds, at least 0.")


BACKENDS = ("heavy-hitters", "infini", "none")
RECALL_MODES = ("kv", "text", "off")
LEARN_OFF = "off"


def _require_blocks(name: str, tokens: int | None) -> None:
    if tokens is not None and (tokens < BLOCK_TOKENS or tokens % BLOCK_TOKENS):
        raise InvalidInput(f"{name} is {tokens}; give a multiple of {BLOCK_TOKENS} tokens, at least {BLOCK_TOKENS}.")
