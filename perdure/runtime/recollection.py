"""Which memories a turn is given, why, and where they are put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ModelNotFound
from ..memory.events import RECALL, Event
from ..memory.recall import Hit
from ..memory.records import Message
from ..memory.tokenlog import pack, unpack
from ..stores.base import Digest

if TYPE_CHECKING:
    from .session import Session

BIAS = 2.0
"""Added to the attention scores of recalled keys. Three and more ruin general answers."""

QUESTION = "\n\nQuestion: "
"""What stands between memories and what the user said."""

MOST = 8
"""Episodes that one turn is given at most."""


class Memory(NamedTuple):
    """One chosen episode: its object, the token ids that are put back, and the score added to their keys."""

    digest: Digest
    tokens: tuple[int, ...]
    bias: float


class Recollection(NamedTuple):
    """What a turn is given, in the order in which it stands before the question, and an account of the choice."""

    memories: tuple[Memory, ...]
    header: tuple[int, ...]
    mode: str
    trace: Mapping[str, Any]

    def event(self, position: int) -> Event:
        chunks = [[memory.digest, len(memory.tokens), memory.bias] for memory in self.memories]
        return Event(position, RECALL, {"header": pack(self.header), "chunks": chunks})

    def to_record(self) -> dict[str, Any]:
        """What the journal keeps of it, so that a turn that was cut off can be finished."""
        chosen = [[memory.digest, pack(memory.tokens), memory.bias] for memory in self.memories]
        return {"memories": chosen, "header": pack(self.header), "mode": self.mode, "trace": dict(self.trace)}

    @classmethod
    def from_record(cls, stored: Mapping[str, Any]) -> Recollection:
        memories = tuple(Memory(digest, unpack(tokens), bias) for digest, tokens, bias in stored["memories"])
        return cls(memories, unpack(stored["header"]), stored["mode"], stored["trace"])

    @property
    def tokens(self) -> list[int]:
        return [token for memory in self.memories for token in memory.tokens]


def recollect(session: Session, said: Sequence[Message]) -> Recollection | None:
    """Search the session's memory for what the last message asks; None where nothing is near enough."""
    options, memories, budget = session.runtime.memory, session.memories, session.budget
    if memories is None or budget is None or said[-1].role != "user" or not session.view.entries:
        return None
    question = said[-1].content
    try:
        hits = memories.hits(session.view, question, MOST, options.threshold)
    except ModelNotFound as error:
        session.notes.append(f"Nothing could be recalled. {error}")
        return None
    chosen = [hit for hit in hits if not hit.dropped]
    if not chosen:
        return None
    found = list(_fitting(session, chosen, budget.recall))
    if not found:
        return None
    trace = {"query": question, "mode": options.recall, "considered": [_account(hit) for hit in hits]}
    *before, last = reversed(found)
    ordered = (*before, last._replace(tokens=_without_newline(session, last.tokens)))
    header = session.alone.header if session.alone is not None else ()
    return Recollection(ordered, header, options.recall, trace)


def _fitting(session: Session, hits: Sequence[Hit], room: int) -> list[Memory]:
    """The best hits that fit, best first."""
    found: list[Memory] = []
    for hit, episode in zip(hits, session.repository.episodes([hit.digest for hit in hits]), strict=True):
        room -= len(episode.tokens)
        if room < 0:
            break
        found.append(Memory(hit.digest, episode.tokens, _bias(hit, hits[0])))
    return found


def _bias(hit: Hit, best: Hit) -> float:
    return BIAS + 10.0 * min(0.0, hit.similarity - best.similarity)


def _without_newline(session: Session, tokens: tuple[int, ...]) -> tuple[int, ...]:
    newline = session.loaded.chat.text("\n")
    return tokens[: -len(newline)] if list(tokens[-len(newline) :]) == newline else tokens


def _account(hit: Hit) -> dict[str, Any]:
    """What a trace says of an episode that was looked at."""
    return {
        "episode": hit.digest,
        "similarity": round(hit.similarity, 6),
        "words": round(hit.words, 6),
        "score": round(hit.score, 6),
        "dropped": hit.dropped,
    }
