"""Which memories a turn is given, why, and where they are put."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ModelNotFound
from ..memory.episodes import terms
from ..memory.events import RECALL, Event
from ..memory.recall import Hit, background
from ..memory.records import Message
from ..memory.tokenlog import pack, unpack
from ..stores.base import Digest

if TYPE_CHECKING:
    from .session import Session

ALONE, TOGETHER = 2.0, 1.0
"""The most that is added to the attention scores of recalled keys: of one memory, of each of several. More ruins answers."""

CERTAIN = 0.22
"""How far above the threshold a score must be for that: a memory that only just passed is heard as it is, and leaves to
the others what they would be given without it."""

FIRST, FURTHER = 0.5, 0.25
"""How much of the background's score must lie between the threshold and a memory: the first one, each further one."""

NEW_WORDS = 0.1
"""A further memory must hold words of the question that no other one has, worth this share of all its words."""

TIRED = 0.1
"""Taken off the score of what the last turn recalled, so that a follow-up question is not given it again."""

QUESTION = "\n\nQuestion: "
"""What stands between memories and what the user said."""

MOST = 4
"""Memories that one turn is given at most, pinned ones not counted."""

LOOKED_AT = 8
"""Memories that a trace tells of, beside those that were chosen."""


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
    """Search the session's memory for what the last message asks; None where nothing is near enough.

    Nothing is put between the words of a conversation that is computed anew: what is remembered is another model's yet.
    The rules, and what each was measured against, stand in docs/decisions/0013.
    """
    options, memories, budget = session.recalling, session.memories, session.budget
    if session.stale or memories is None or budget is None or said[-1].role != "user" or not session.view.entries:
        return None
    question = said[-1].content
    try:
        hits = _tired(session, memories.hits(session.view, question, LOOKED_AT, 0.0, before=_before(session, said)))
        weights = memories.weights(session.view, question)
        judged = list(_judged(session, hits, weights, options.threshold, budget.recall))
    except ModelNotFound as error:
        session.notes.append(f"Nothing could be recalled. {error}")
        return None
    chosen = [hit for hit in judged if not hit.dropped]
    if not chosen:
        return None
    found = _with_scores(session, chosen, options.threshold)
    trace = {"query": question, "mode": options.recall, "considered": [_account(hit) for hit in judged]}
    *before, last = reversed(found)
    ordered = (*before, last._replace(tokens=_without_newline(session, last.tokens)))
    return Recollection(ordered, session.alone.header if session.alone is not None else (), options.recall, trace)


def _before(session: Session, said: Sequence[Message]) -> str:
    """What the user said before the question."""
    earlier = [*session.warm.messages[-4:], *said[:-1]]
    return next((message.content for message in reversed(earlier) if message.role == "user"), "")


def _tired(session: Session, hits: Sequence[Hit]) -> list[Hit]:
    """The hits, those that the last turn recalled a little lower."""
    trace = session.repository.trace(session.head) or {}
    last = {item["episode"] for item in trace.get("chosen", ())}
    lowered = [hit._replace(score=hit.score - TIRED) if hit.digest in last else hit for hit in hits]
    return sorted(lowered, key=lambda hit: (-hit.score, hit.digest))


def _judged(
    session: Session, hits: Sequence[Hit], weights: Mapping[str, float], threshold: float, room: int
) -> Iterator[Hit]:
    """Each hit, with why it is not taken: pinned ones first, then the best, then what has words that the others lack."""
    pinned = {entry.digest for entry in session.view.entries if entry.pinned}
    known = {hit.digest for hit in hits}
    every = [*(hit for hit in hits if hit.digest in pinned), *(Hit(d, 0, 0, 0, 0, 0, 0) for d in pinned - known)]
    every += [hit for hit in hits if hit.digest not in pinned][: LOOKED_AT + MOST]
    covered: set[str] = set()
    taken = 0
    around = background([hit.score for hit in hits])
    needed = (threshold + FIRST * around, threshold + FURTHER * around)
    for hit, episode in zip(every, session.repository.episodes([hit.digest for hit in every]), strict=True):
        new = set(terms(episode.text)) & weights.keys() - covered
        why = "" if hit.digest in pinned else _against(hit, sum(weights[term] for term in new), taken, needed[taken > 0])
        if not why and len(episode.tokens) > room:
            why = f"its {len(episode.tokens)} tokens do not fit any more"
        if not why:
            covered |= new
            room -= len(episode.tokens)
            taken += hit.digest not in pinned
        yield hit._replace(dropped=why)


def _against(hit: Hit, new: float, taken: int, needed: float) -> str:
    """Why a hit is not taken; empty: it is."""
    if hit.score < needed:
        return f"its score {hit.score:.3f} is below {needed:.3f}"
    if taken and new < NEW_WORDS:
        return "it has no words of the question that a better one lacks"
    return f"{MOST} better ones were found" if taken >= MOST else ""


def _with_scores(session: Session, chosen: Sequence[Hit], threshold: float) -> list[Memory]:
    """The chosen ones, best first, with what is added to their attention scores."""
    sure = [min(1.0, max(0.0, (hit.score - threshold) / CERTAIN)) for hit in chosen]
    most = ALONE - (ALONE - TOGETHER) * (sorted(sure)[-2] if len(sure) > 1 else 0.0)
    found = zip(chosen, sure, session.repository.episodes([hit.digest for hit in chosen]), strict=True)
    return [Memory(hit.digest, episode.tokens, most * each) for hit, each, episode in found]


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
