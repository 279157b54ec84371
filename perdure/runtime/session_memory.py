"""A session's memory beyond its window, for people and programs: read, searched, added to, edited, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import Conflict, InvalidInput
from ..memory.amending import named
from ..memory.draft import now_ms
from ..memory.episodes import Episode
from ..memory.records import Commit
from ..memory.remembering import Entry, NewEpisode
from .archive import Source, identity, pieces_of, remember
from .memories import Match

if TYPE_CHECKING:
    from .session import Session

AT_ONCE = 32
"""Pieces of a document that are committed together: what is remembered by then stays when the rest is cancelled."""

DOCUMENT = "document"


class Added(NamedTuple):
    """What a document became: episodes, their tokens, and the commit that remembers them. `whole`: nothing was left out."""

    episodes: int
    tokens: int
    commit: Commit
    whole: bool


class SessionMemory:
    """The episodes of one session. Changes are commits: they can be forked, reset and undone like turns."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __len__(self) -> int:
        return len(self._session.view.entries)

    def page(self, start: int = 0, limit: int | None = None) -> Sequence[Episode]:
        """Episodes in the order in which they were remembered."""
        end = None if limit is None else start + limit
        return self._session.repository.episodes([entry.digest for entry in self._session.view.entries[start:end]])

    def get(self, name: str) -> Episode:
        """One episode by its id. Raises RevisionNotFound."""
        return self._session.repository.episodes([self._entry(name).digest])[0]

    def search(self, question: str, k: int = 8, threshold: float | None = None) -> list[Match]:
        """Episodes worth looking at, best first; `hit.dropped` says why one would not be recalled."""
        if not question.strip():
            raise InvalidInput("There is nothing to search for; give some words.")
        session = self._session
        chosen = session.runtime.memory.threshold if threshold is None else threshold
        return session.runtime.memories.search(session.view, question, k, chosen)

    def add(
        self,
        parts: Iterable[tuple[str, str]],
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Added:
        """Remember documents, (title, text) each, without saying them in the conversation.

        `progress(done, total)` counts pieces. What was remembered when `cancelled` says so stays. Pieces that are remembered
        already, under the same title, are passed over: what was cut short goes on where it stopped.
        """
        self._require_own_state()
        documents = [(title, pieces_of(self._session, text)) for title, text in parts]
        if not any(pieces for _, pieces in documents):
            raise InvalidInput("There is no text to remember.")
        added = self._add(documents, progress, cancelled)
        # Now, while somebody watches the progress, and not when the first question is asked.
        self._session.runtime.memories.index(self._session.view)
        return added

    def _add(
        self,
        documents: Sequence[tuple[str, Sequence[str]]],
        progress: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool],
    ) -> Added:
        session = self._session
        total = sum(len(pieces) for _, pieces in documents)
        seen = done = tokens = 0
        for title, pieces in documents:
            for first in range(0, len(pieces), AT_ONCE):
                if cancelled():
                    return Added(done, tokens, session.head, False)
                batch = pieces[first : first + AT_ONCE]
                new = self._fresh(self._source(title), batch, first, len(pieces))
                if new:
                    session.amend(new, {}, f"remember {title}"[:72])
                seen, done = seen + len(batch), done + len(new)
                tokens += sum(len(item.episode.tokens) for item in new)
                if progress is not None:
                    progress(seen, total)
        return Added(done, tokens, session.head, True)

    def _fresh(self, source: Source, pieces: Sequence[str], first: int, parts: int) -> list[NewEpisode]:
        """Those of the pieces that are not remembered yet, as episodes."""
        known = {entry.id for entry in self._session.view.entries}
        if all(identity(source, first + i, piece) in known for i, piece in enumerate(pieces)):
            return []
        return [new for new in remember(self._session, source, pieces, first, parts) if new.episode.id not in known]

    def edit(self, name: str, text: str, pinned: bool | None = None) -> Episode:
        """Replace an episode's text, and whether it is pinned unless that is None; its id stays.

        It is embedded and encoded anew. Raises RevisionNotFound.
        """
        self._require_own_state()
        old = self.get(name)
        if not text.strip():
            raise InvalidInput("An episode cannot become empty; remove it instead.")
        source = Source(old.role, old.source, old.turn, old.start, old.end, old.origin, old.time_ms)
        pieces = pieces_of(self._session, text)
        if len(pieces) != 1:
            raise InvalidInput(f"The text is too long for one episode: it would become {len(pieces)}. Shorten it.")
        new = remember(self._session, source, pieces)
        chosen = old.pinned if pinned is None else pinned
        kept = replace(new[0].episode, id=old.id, part=old.part, parts=old.parts, pinned=chosen)
        self._change(old, NewEpisode(kept, new[0].kv), f"edit {old.id}")
        self._session.runtime.memories.forget()
        return self.get(name)

    def pin(self, name: str, pinned: bool = True) -> Episode:
        """Have an episode recalled in every turn, or no longer. Raises RevisionNotFound."""
        old = self.get(name)
        self._change(old, NewEpisode(replace(old, pinned=pinned)), f"{'pin' if pinned else 'unpin'} {old.id}")
        return self.get(name)

    def remove(self, name: str) -> Episode:
        """Forget an episode: from this commit on the session has none of it. Raises RevisionNotFound."""
        old = self.get(name)
        self._change(old, None, f"forget {old.id}")
        self._session.runtime.memories.forget()
        return old

    def _require_own_state(self) -> None:
        """Nothing of this model's is put beside a state that is still another's."""
        session = self._session
        if session.stale:
            raise Conflict(
                f"Session {session.name!r} has not been computed anew by {session.model.name} yet; say something first."
            )

    def _change(self, old: Episode, new: NewEpisode | None, title: str) -> None:
        self._session.amend((), {old.digest: new}, title)

    def _entry(self, name: str) -> Entry:
        return named(self._session.view.entries, name, f"session {self._session.name!r}")

    def _source(self, title: str) -> Source:
        return Source(DOCUMENT, title, 0, 0, 0, self._session.head.digest, now_ms())

    def __iter__(self) -> Iterator[Episode]:
        return iter(self.page())
