"""Verifying a session: its objects against their digests, and its state against a replay from its tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..memory.records import Commit, Problem
from ..memory.tokenlog import spans, tokens
from .history import block_meta, digest_of_block

if TYPE_CHECKING:
    from .session import Session


def verify(session: Session, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Re-hash everything, then replay the token log through its very forwards and compare every stored thing with it.

    Compared are the KV blocks by digest, and the boundary logits of each commit on the way by digest.
    """
    if session.name is None or not session.head.tokens:
        return []
    problems = session.repository.verify(session.name)
    return [*problems, *_replay(session, progress)]


def _replay(session: Session, progress: Callable[[int, int], None] | None) -> list[Problem]:
    engine, head = session.engine, session.head
    runs = session.repository.runs(head)
    log, forwards = tokens(runs), list(spans(runs))
    boundaries = _boundaries(session, head)
    state = engine.adapter.new(head.tokens)
    problems = []
    for done, span in enumerate(forwards, 1):
        boundary = engine.replay(state, log, [span])
        commit = boundaries.get(span.end)
        if commit is not None and boundary is not None and commit.state and commit.state.logits != boundary.digest:
            problems.append(_differs(f"commit {commit.short}", f"boundary logits of commit {commit.short}"))
        if progress is not None:
            progress(done, len(forwards))
    for start, n, digest in session.repository.blocks(head):
        if digest_of_block(state, block_meta(state), start, n) != digest:
            problems.append(_differs(f"tokens {start}-{start + n - 1}", f"stored KV of tokens {start} to {start + n - 1}"))
    return problems


def _boundaries(session: Session, head: Commit) -> dict[int, Commit]:
    """Commits of the head's own history by the position of their boundary."""
    found: dict[int, Commit] = {}
    log = session.repository.tokens(head.hex)
    for commit in session.log():
        same = commit.recipe == head.recipe and session.repository.tokens(commit.hex) == log[: commit.tokens]
        if commit.tokens and same:
            found.setdefault(commit.tokens, commit)
    return found


def _differs(subject: str, what: str) -> Problem:
    return Problem(subject, f"The {what} differs from a replay of the tokens.", False)
