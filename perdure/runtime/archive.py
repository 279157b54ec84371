"""From messages that left the window to episodes: cut into pieces, embedded, encoded alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ..errors import ModelNotFound
from ..memory import episodes
from ..memory.chunking import split
from ..memory.draft import NewBlock, now_ms
from ..memory.episodes import Episode
from ..memory.records import Message
from ..memory.remembering import NewEpisode
from ..memory.workingcopy import WorkingCopy
from ..stores.base import Digest
from .alone import Alone
from .chat import ChatFormat

if TYPE_CHECKING:
    from .checkout import Checkout
    from .session import Session

AT_ONCE = 32
"""Pieces whose KV is held in memory together: some 45 MB for a small model."""

Vector = NDArray[np.float32]

CONTEXT = "Context:"
"""What introduces memories in a message, and stands before a piece that is encoded alone."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text is from; see `Episode` for the fields."""

    role: str
    name: str
    turn: int
    start: int
    end: int
    origin: Digest
    time_ms: int


def archived(session: Session, said: Sequence[Message]) -> list[NewEpisode]:
    """The episodes of what has left the window since the last commit, `said` in this turn or before.

    Nothing where nothing is to be recalled.
    """
    if session.memories is None or session.name is None or session.budget is None:
        return []
    waiting = due(session, said)
    found: list[NewEpisode] = []
    held: list[NewEpisode] = []
    try:
        for source, text in waiting:
            pieces = pieces_of(session, text)
            for first in range(0, len(pieces), AT_ONCE):
                held += remember(session, source, pieces[first : first + AT_ONCE], first, len(pieces))
                # The KV of a few pieces may wait for the commit; that of a book is written ahead of it.
                if len(held) >= AT_ONCE:
                    found, held = found + written_ahead(session, held), []
    except ModelNotFound as error:
        session.notes.append(f"What left the window cannot be recalled. {error}")
        return []
    if waiting:
        session.warm.archived = waiting[-1][0].end
    return found + held


def written_ahead(session: Session, new: Sequence[NewEpisode]) -> list[NewEpisode]:
    """The same episodes, their KV in the store already."""
    if not isinstance(session.copy, WorkingCopy):
        return list(new)
    waiting = [item for item in new if item.kv is not None]
    blocks = [NewBlock(len(item.episode.tokens), item.episode.lineage, *item.kv) for item in waiting if item.kv is not None]
    written = dict(zip((block.lineage for block in blocks), session.copy.ahead(blocks), strict=True))
    return [item if item.kv is None else NewEpisode(replace(item.episode, kv=written[item.episode.lineage])) for item in new]


def due(session: Session, said: Sequence[Message]) -> list[tuple[Source, str]]:
    """What was said in messages that have begun to leave the window since the last time: a part of one is not readable."""
    warm, oldest = session.warm, session.warm.state.place.oldest
    turn, found = 0, []
    for message in (*warm.messages, *said):
        turn += message.role == "user"
        if message.start >= oldest:
            break
        if message.end > warm.archived and message.role != "system" and message.content.strip():
            found.append((_source(session, message, turn), message.content))
    return found


def _source(session: Session, message: Message, turn: int) -> Source:
    origin = session.head.digest
    return Source(message.role, session.copy.uid, turn, message.start, message.end, origin, message.time_ms)


def pieces_of(session: Session, text: str) -> list[str]:
    """A text in pieces of an episode's size, blank ones left out."""
    limit = session.runtime.memory.episode_tokens
    return [piece for piece in split(text, session.loaded.chat.count, limit) if piece.strip()]


def remember(session: Session, source: Source, pieces: Sequence[str], first: int = 0, parts: int = 0) -> list[NewEpisode]:
    """Pieces of one text as episodes, ready to be committed; they are numbers `first` and up of `parts` (0: all of them)."""
    vectors = session.runtime.memories.encoder.encode(pieces)
    count = parts or len(pieces)
    return [_new(session, source, piece, first + i, count, vectors[i]) for i, piece in enumerate(pieces)]


def _new(session: Session, source: Source, piece: str, part: int, parts: int, vector: Vector) -> NewEpisode:
    episode = Episode(
        id=identity(source, part, piece),
        text=piece,
        role=source.role,
        source=source.name,
        turn=source.turn,
        start=source.start,
        end=source.end,
        part=part,
        parts=parts,
        origin=source.origin,
        time_ms=source.time_ms or now_ms(),
        encoder=session.runtime.memories.encoder.identity,
        embedding=episodes.pack_vector(vector),
        lineage=b"",
        tokens=(),
        kv=None,
    )
    return encoded(session, episode)


def encoded(session: Session, episode: Episode) -> NewEpisode:
    """The episode as the present model reads it, with its KV where that is kept."""
    alone = session.alone
    tokens = tuple(session.loaded.chat.text(f" {episode.text.strip()}\n"))
    if alone is None or len(alone.header) + len(tokens) > session.loaded.info.context_length:
        return NewEpisode(replace(episode, tokens=tokens, lineage=b"", kv=None))
    lineage = alone.lineage(tokens)
    known = session.repository.find(lineage)
    read = replace(episode, tokens=tokens, lineage=lineage, kv=known)
    if known is not None:
        return NewEpisode(read)
    meta, payload = alone.encode(tokens)
    return NewEpisode(read, (meta, lambda: payload))


def identity(source: Source, part: int, piece: str) -> str:
    """16 hex digits that name an episode for good."""
    about = f"{source.name}\0{source.turn}\0{source.start}\0{part}\0{piece}"
    return blake3(about.encode()).digest(8).hex()


def header(chat: ChatFormat, messages: Sequence[Message]) -> list[int]:
    """The tokens before a piece that is encoded alone: the system prompt, if any, and the words before memories."""
    system = [message for message in messages[:1] if message.role == "system"]
    return chat.around((), [*system, Message("user", "")], CONTEXT, "", tail_is_open=False)[0]


def make_alone(session: Checkout) -> Alone | None:
    """The encoder of pieces for a session, or None where no KV is to be kept of them."""
    if session.budget is None or session.runtime.memory.recall != "kv":
        return None
    return Alone(session.engine, session.origin, header(session.loaded.chat, session.warm.messages))
