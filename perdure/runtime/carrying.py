"""What is remembered goes along when a conversation is computed anew from its text by another model."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..memory.episodes import Episode
from ..memory.records import Message
from ..memory.remembering import NewEpisode
from .archive import AT_ONCE, encoded, written_ahead

if TYPE_CHECKING:
    from .session import Session


class Moved(NamedTuple):
    """The messages of a conversation where they stood, and where the present model's tokens have them."""

    old: Sequence[Message]
    new: Sequence[Message]

    def place(self, end: int) -> tuple[int, int]:
        """The new span of the message that ended at token `end`, or of the last one before; (0, 0) where there is none."""
        ends = [message.end for message in self.old]
        at = bisect_left(ends, end)
        if at == len(ends) or ends[at] != end:
            at -= 1
        return (self.new[at].start, self.new[at].end) if at >= 0 else (0, 0)


def carried(session: Session) -> list[NewEpisode]:
    """Every episode of the head, encoded by the present model: text, id, title, pin and vector stay as they are.

    Those of messages are said to stand where the message stands now, and messages that were archived
    count as archived: nothing is remembered twice, and what was forgotten does not come back.
    """
    repository = session.repository
    entries = repository.remembered(session.head)
    moved = Moved(repository.messages_of(session.head), session.warm.messages)
    found: list[NewEpisode] = []
    for first in range(0, len(entries), AT_ONCE):
        batch = repository.episodes([entry.digest for entry in entries[first : first + AT_ONCE]])
        found += written_ahead(session, [_present(session, episode, moved) for episode in batch])
    session.warm.archived = moved.place(session.warm.archived)[1]
    _tell(session, found)
    return found


def _present(session: Session, episode: Episode, moved: Moved) -> NewEpisode:
    if episode.end:
        start, end = moved.place(episode.end)
        episode = replace(episode, source=session.copy.uid, start=start, end=end)
    return encoded(session, episode)


def _tell(session: Session, found: Sequence[NewEpisode]) -> None:
    bare = sum(not item.episode.lineage for item in found)
    if bare:
        session.notes.append(
            f"{bare} memories are kept without KV, which the present model or --recall does not make; their text is kept."
        )
