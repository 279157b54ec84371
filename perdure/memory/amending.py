"""Changing what a branch remembers and knows without a model: pinning, forgetting, ledgers, what is mounted, what is
said of it.

Editing an episode needs a model, to encode the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from ..errors import Conflict, RevisionNotFound
from ..stores.base import Digest
from . import commits
from .episodes import Episode
from .fastweights import Comparison, Held, Record, Refusal, compare, union
from .merging import Choice, Plan, planned
from .recall import FOLDER, sweep
from .records import Commit
from .remembering import Entry, NewEpisode
from .repository import Repository
from .workingcopy import WorkingCopy

SHORTEST = 4
"""Digits that name a memory at least."""


class Merged(NamedTuple):
    """Where a branch was before a merge and is now, and what was merged; None where there was nothing to merge."""

    before: Commit
    commit: Commit
    plan: Plan | None


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
    with writing(repository, session) as copy:
        old = _episode(repository, copy, name)
        changed = replace(old, pinned=pinned)
        copy.remember((), {old.digest: NewEpisode(changed)}, title=f"{'pin' if pinned else 'unpin'} {old.id}", author=author)
        return changed


def forget(repository: Repository, session: str, name: str, *, author: str = "") -> Episode:
    """Take an episode out: from the new commit on the session has none of it, and the search indexes neither.

    Raises RevisionNotFound or SessionBusy.
    """
    with writing(repository, session) as copy:
        old = _episode(repository, copy, name)
        copy.remember((), {old.digest: None}, title=f"forget {old.id}", author=author)
    sweep(repository.path / FOLDER, repository.held())
    return old


def teach(
    repository: Repository,
    session: str,
    new: Sequence[Record],
    gone: Sequence[Digest] = (),
    refused: Sequence[Refusal] = (),
    *,
    title: str,
    author: str = "",
) -> Commit:
    """Change a ledger: new records, others (by their objects) gone, facts refused. Raises SessionBusy or Conflict."""
    with writing(repository, session) as copy:
        return copy.teach(new, gone, refused, title=title, author=author).commit


def merge(repository: Repository, into: str, other: str, *, author: str = "") -> Comparison:
    """Bring another branch's records into a ledger; of conflicts the word that was written later holds.

    Gives what set both apart before. Raises SessionNotFound, SessionBusy or Conflict.
    """
    theirs = repository.records(held.digest for held in repository.ledger(repository.info(other).head))
    with writing(repository, into) as copy:
        ours = repository.records(held.digest for held in repository.ledger(copy.head))
        found = compare(ours, theirs)
        if found.theirs:
            gone = [record.digest for record in ours]
            copy.teach(union(ours, theirs), gone, title=f"merge {other}"[:72], author=author)
        return found


def merge_branch(
    repository: Repository,
    into: str,
    rev: str,
    choice: Choice | None = None,
    *,
    dry_run: bool = False,
    expected: Digest | None = None,
    author: str = "",
) -> Merged:
    """Merge a revision into a branch: one commit with two parents (`memory.merging`), or nothing where it has it all.

    Raises SessionNotFound, RevisionNotFound, SessionBusy, RecipeMismatch, MergeConflict or, where the branch is not at the
    `expected` commit, RefChanged; nothing has changed then.
    """
    repository.info(into)
    theirs = repository.resolve(rev)
    with writing(repository, into) as copy:
        copy.require_at(expected)
        before = copy.head
        if repository.leads_to(theirs, before):
            return Merged(before, before, None)
        with repository.store.read() as txn:
            commits.require_kept(txn, theirs)
            plan = planned(txn, before, theirs, into, choice or Choice())
        done = before if dry_run else copy.merge(plan, title=f"merge {rev}"[:72], author=author).commit
        return Merged(before, done, plan)


def unteach(repository: Repository, session: str, name: str, *, author: str = "") -> Record:
    """Take a record out of a branch's ledger: from then on it is as if it had never been written.

    Raises RevisionNotFound, SessionBusy or Conflict.
    """
    with writing(repository, session) as copy:
        held = recorded(repository.ledger(copy.head), name, f"the ledger of {session!r}")
        record = repository.records([held.digest])[0]
        copy.teach((), [held.digest], title=f"unteach {record.statement}"[:72], author=author)
        return record


def mount(repository: Repository, session: str, mounts: Sequence[str], *, author: str = "") -> Commit:
    """Have the ledgers of other branches count in a session. Raises SessionNotFound, SessionBusy or Conflict."""
    for name in mounts:
        repository.info(name)
    with writing(repository, session) as copy:
        title = f"mount {', '.join(mounts)}"[:72] if mounts else "mount nothing"
        return copy.mount(mounts, title=title, author=author).commit


def describe(
    repository: Repository, session: str, changes: Mapping[str, Any], *, expected: Digest | None = None, author: str = ""
) -> Commit:
    """Change what is said of a session: `title`, `metadata`, `system`, `memory`; None takes one away.

    A system prompt is for a session in which nothing was said yet. Raises SessionNotFound, SessionBusy, Conflict where
    it has begun, or RefChanged where the session is not at the `expected` commit.
    """
    with writing(repository, session) as copy:
        copy.require_at(expected)
        if "system" in changes and copy.head.messages:
            raise Conflict(f"Session {session!r} has begun already, so its system prompt cannot be changed; start another.")
        old = {} if copy.head.state is None else copy.head.state.about
        about = {name: value for name, value in {**old, **changes}.items() if value is not None}
        if about == dict(old):
            return copy.head
        title = f"describe {', '.join(sorted(changes))}"
        return copy.describe(about, title=title, author=author).commit


def recorded(ledger: Sequence[Held], name: str, where: str) -> Held:
    """The record whose id is or begins with `name`. Raises RevisionNotFound, saying `where` it was looked for."""
    found = [held for held in ledger if held.id.startswith(name.lower())] if len(name) >= SHORTEST else []
    if len(found) != 1:
        count = "no record" if not found else f"{len(found)} records"
        raise RevisionNotFound(
            f"{name[:40]!r} names {count} in {where}; give {SHORTEST} or more digits as "
            "`perdure inspect --tier fast-weights` shows them."
        )
    return found[0]


def _episode(repository: Repository, copy: WorkingCopy, name: str) -> Episode:
    entry = named(repository.beginning(copy.head, name), name, f"session {copy.name!r}")
    return repository.episodes([entry.digest])[0]


@contextmanager
def writing(repository: Repository, session: str) -> Iterator[WorkingCopy]:
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
