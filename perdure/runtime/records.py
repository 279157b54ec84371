"""What a turn gives back: plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one turn cost and what it left behind.

    `restored` tokens came from the session's stored state (`replayed` of them, or of an answer that was recovered, had to
    be computed again to recover, rewind or heal), `reused` from what other sessions had stored, `recalled` from memory of
    what had left the window, and `opened` fast-weight records acted on the answer; `prefilled` were computed for this turn,
    `generated` were sampled. `drafted` tokens were guessed from the session's past and tried in the forward of another one,
    and `accepted` of these were drawn, so that they cost no forward of their own. Times in milliseconds.
    `bytes_read` and `bytes_written` count records and journal frames.
    `notes` are sentences about anything unusual: a healed block, a recovered turn, a fork.
    """

    session: str
    commit: str
    parent: str
    restored: int = 0
    reused: int = 0
    recalled: int = 0
    opened: int = 0
    prefilled: int = 0
    replayed: int = 0
    generated: int = 0
    drafted: int = 0
    accepted: int = 0
    restore_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    commit_ms: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    finish_reason: str = "stop"
    notes: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.commit[:10]

    @property
    def prompt_tokens(self) -> int:
        """Tokens that stood before the answer: restored, reused and prefilled."""
        return self.restored + self.reused + self.prefilled

    def to_dict(self) -> Mapping[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    text: str
    receipt: Receipt
    tokens: tuple[int, ...] = ()


class Score(NamedTuple):
    """A token, its bytes, and the natural logarithm of its probability by the model, before any setting acted on it.

    `top` are the likeliest tokens in its place, as far as they were asked for.
    """

    token: int
    data: bytes
    logprob: float
    top: tuple[Score, ...] = ()


class Chunk(NamedTuple):
    """A piece of a streamed answer: `text` may be empty while a character is incomplete. Durable when it is handed out.

    `score` is the token's where `Sampling.logprobs` asks for it.
    """

    text: str
    token: int
    score: Score | None = None


class ModelInfo(NamedTuple):
    """A model that is ready to run. `fingerprint` is the hex digest of the recipe."""

    name: str
    path: str
    architecture: str
    dtype: str
    context_length: int
    parameters: int
    fingerprint: str
