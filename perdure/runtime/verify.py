"""Verifying a session: its objects against their digests, and its state against a replay from its tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..memory.events import EVICT, Event
from ..memory.records import Checkpoint, Commit, Problem
from ..memory.tokenlog import spans, tokens
from .encoding import block_digest, snapshot_digest
from .engine import Engine, Script
from .state.base import FULL, Group, State

if TYPE_CHECKING:
    from .session import Session


def verify(session: Session, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Re-hash everything, then replay the token log through its very forwards and compare every stored thing with it.

    Compared by digest are the KV blocks, the snapshots, and the boundary logits of each commit on the way.
    """
    if session.name is None or not session.head.tokens:
        return []
    problems = session.repository.verify(session.name)
    return [*problems, *_replay(session, progress)]


def _replay(session: Session, progress: Callable[[int, int], None] | None) -> list[Problem]:
    engine, head = session.engine, session.head
    runs = session.repository.runs(head)
    forwards = list(spans(runs))
    script = Script(tokens(runs), session.repository.events(head), session.pastes.brought)
    boundaries = _boundaries(session, head)
    marks = {mark.position: mark for mark in session.repository.present(head)}
    state = engine.adapter.new(0 if script.events else head.tokens, whole=True)
    blocks = _Blocks(session, state)
    problems = []
    for done, span in enumerate(forwards, 1):
        boundary = engine.replay(state, script, [span], blocks.before)
        commit = boundaries.get(span.end)
        if commit is not None and boundary is not None and commit.state and commit.state.logits != boundary.digest:
            problems.append(_differs(f"commit {commit.short}", f"boundary logits of commit {commit.short}"))
        if span.end in marks and not _same(state, engine, marks[span.end], session.checkpoints.codec):
            problems.append(_differs(f"state at {span.end}", f"stored state after {span.end} tokens"))
        if progress is not None:
            progress(done, len(forwards))
    blocks.compare()
    state.release()
    return problems + blocks.problems


class _Blocks:
    """The stored blocks of a session, each compared with a replayed state before its tokens move or leave."""

    def __init__(self, session: Session, state: State) -> None:
        self._state = state
        groups = sorted({Group(FULL), *session.engine.adapter.groups})
        self._left = [
            (group, start, n, digest)
            for group in groups
            for start, n, digest in session.repository.blocks(session.head, windows=group.window is not None)
        ]
        self.problems: list[Problem] = []

    def before(self, event: Event) -> None:
        if event.kind == EVICT:
            self.compare()

    def compare(self) -> None:
        """Compare what the state has absorbed by now."""
        ready = [item for item in self._left if item[1] + item[2] <= self._state.seen]
        self._left = [item for item in self._left if item[1] + item[2] > self._state.seen]
        for group, start, n, digest in ready:
            if block_digest(self._state, group, start, n) != digest:
                what = f"stored KV of tokens {start} to {start + n - 1}"
                self.problems.append(_differs(f"tokens {start}-{start + n - 1}", what))


def _same(state: State, engine: Engine, mark: Checkpoint, codec: str) -> bool:
    snapshot = state.snapshot()
    return snapshot is not None and snapshot_digest(snapshot, engine, codec) == mark.digest


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
