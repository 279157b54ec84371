"""Changing what a session remembers without a model: pinning and forgetting. Editing needs one, to encode the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..errors import Conflict, RevisionNotFound
from .episodes import Episode
from .recall import FOLDER, sweep
from .remembering import Entry, NewEpisode
from .repository import Repository
from .workingcopy import WorkingCopy

SHORTEST = 4
"""Digits that name a memory at least."""


def named(entries: Sequence[Entry], name: str, where: str) -> Entry:
    """The entry whose id is or begins with `name`. Raises RevisionNotFound, saying `where` it was looked for."""
    found = [entry for entry in entries if entry.id.startswith(name.lower())]
    if len(name) < SHORTEST:
        raise RevisionNotFound(f"A memory is named by {SHORTEST} or more digits, not {name!r}; `perdure search` shows them.")
    if len(found) > 1:
        raise RevisionNotFound(f"{len(found)} memories begin with {name[:40]!r} in {where}; give more digits.")
    if not found:
        raise RevisionNotFound(f"There is no memory {name[:40]!r} in {where}; `perdure search` finds them.")
    return found[0]


def pin(repository: Repository, session: str, name: str, pinned: bool = True, *, author: str = "") -> Episode:
    """Have an episode recalled in every turn, or no longer. Raises RevisionNotFound or SessionBusy."""
    with _writing(repository, session) as copy:
        old = _episode(repository, copy, name)
        changed = replace(old, pinned=pinned)
        copy.remember((), {old.digest: NewEpisode(changed)}, title=f"{'pin' if pinned else 'unpin'} {old.id}", author=author)
        return changed


def forget(repository: Repository, session: str, name: str, *, author: str = "") -> Episode:
    """Take an episode out: from the new commit on the session has none of it, and the search indexes neither.

    Raises RevisionNotFound or SessionBusy.
    """
    with _writing(repository, session) as copy:
        old = _episode(repository, copy, name)
        copy.remember((), {old.digest: None}, title=f"forget {old.id}", author=author)
    sweep(repository.path / FOLDER, repository.held())
    return old


def _episode(repository: Repository, copy: WorkingCopy, name: str) -> Episode:
    entry = named(repository.beginning(copy.head, name), name, f"session {copy.name!r}")
    return repository.episodes([entry.digest])[0]


@contextmanager
def _writing(repository: Repository, session: str) -> Iterator[WorkingCopy]:
    """The session under the writer's lease, brought up to its journal."""
    copy = repository.working_copy(session)
    copy.acquire()
    try:
        tail = copy.tail()
        if tail.turn is not None:
            raise Conflict(
                f"Session {session!r} has an answer that was interrupted; `perdure chat -s {session}` takes it in first."
            )
        copy.apply(tail)
        yield copy
    finally:
        copy.release()
