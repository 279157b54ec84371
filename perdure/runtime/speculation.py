"""Speculative decoding (Leviathan et al. 2023) with guesses from the session's own past, exact to the bit.

A token that is fed takes its guessed successors along through the same forward (`lookahead`). Nothing else changes: each
token is drawn from the logits after the one before it, by the sampler that draws without guesses. When it is the one that
was guessed, its step has been computed; when not, what was computed of the rest lies where the next step writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .drafting import LONGEST, NOTHING, Draft, Lookup
from .lookahead import SIZES, Ahead

if TYPE_CHECKING:
    from .engine import Engine
    from .forwards import Boundary
    from .lookahead import Lookahead
    from .warm import Warm

MEMORY = 0.95
"""What a trial of a guess still counts once the next one has come; about the last twenty count."""

PRIOR = 2.0
"""Guesses that are taken to have been tried before the first one: the longer the match, the more of them were right."""

MARGIN = 1.05
"""By how much a forward with guesses must be expected to be faster, per token, than one without."""

AGAIN = 64
"""Of so many guesses that were likely and not worth their time one is tried all the same: times change."""

LIKELY = 1.25
"""Tokens that a forward must be expected to give for that."""


class Habit:
    """What is known of one session's guesses: its past, and how often they were right, by how much of it they matched.

    That is learned of guesses that are not tried, too, from the token that comes.
    """

    def __init__(self) -> None:
        self._lookup = Lookup()
        self._warm: Warm | None = None
        self._upto = 0
        self._right = [PRIOR * match / (LONGEST + 2) for match in range(LONGEST + 1)]
        self._tried = [PRIOR] * (LONGEST + 1)
        self._declined = 0

    def follow(self, warm: Warm) -> None:
        """Take in what a session has absorbed since; anew where it went back."""
        if warm is not self._warm or warm.state.seen < self._upto:
            self.forget()
            self._warm = warm
        for run in warm.runs:
            if run.end > self._upto:
                self._lookup.extend(run.tokens[max(0, self._upto - run.start) :])
        self._upto = warm.state.seen

    def forget(self) -> None:
        """The session's working state is gone; what is known of its guesses stays."""
        self._lookup, self._warm, self._upto = Lookup(), None, 0

    def add(self, token: int) -> None:
        """The token that is absorbed next."""
        self._lookup.extend((token,))
        self._upto += 1

    def guess(self) -> Draft:
        return self._lookup.draft(max(SIZES) - 1)

    def note(self, match: int, right: bool) -> None:
        """A guess that continued a match of so many tokens was right, or not."""
        kind = _kind(match)
        self._right[kind] = MEMORY * self._right[kind] + right
        self._tried[kind] = MEMORY * self._tried[kind] + 1

    def rows(self, known: Lookahead, match: int, room: int) -> int:
        """How many rows a forward should have that continues such a match, at most one more than `room`."""
        alone, sizes = known.cost(1), [size for size in known.sizes or () if size <= room + 1]
        if not alone or not sizes:
            return 1
        gains = {size: self._expected(match, size) * alone / (known.cost(size) or alone) for size in sizes}
        best = max(sizes, key=gains.__getitem__)
        if gains[best] >= MARGIN:
            return best
        self._declined += self._expected(match, sizes[0]) >= LIKELY
        if self._declined < AGAIN:
            return 1
        self._declined = 0
        return sizes[known.steps // AGAIN % len(sizes)]

    def _expected(self, match: int, rows: int) -> float:
        """How many tokens a forward of so many rows gives on average."""
        total = reached = 1.0
        for further in range(rows - 1):
            kind = _kind(match + further)
            reached *= self._right[kind] / self._tried[kind]
            total += reached
        return total


def _kind(match: int) -> int:
    return min(match, LONGEST)


class Speculation:
    """The guesses of one turn. `drafted` of them went through a forward, `accepted` of these were drawn."""

    def __init__(self, engine: Engine, habit: Habit) -> None:
        self._engine, self._habit = engine, habit
        self._guess = NOTHING
        self._told = 0
        self._steps: list[tuple[int, Boundary]] = []
        self._at: tuple[int, int] = (-1, 0)
        self._followed = False
        self.drafted = self.accepted = 0

    def feed(self, warm: Warm, token: int, room: int) -> Boundary:
        """Absorb a token, of an answer that may have `room` more; `Engine.decode` with less to do, and the same bits."""
        if not self._followed:
            self._habit.follow(warm)
            self._followed = True
        self._hear(token)
        self._habit.add(token)
        return self._taken(warm, token) or self._decoded(warm, token, room)

    def _hear(self, token: int) -> None:
        """What comes, compared with what was guessed."""
        if self._told >= len(self._guess.tokens):
            return
        right = self._guess.tokens[self._told] == token
        self._habit.note(self._guess.match + self._told, right)
        if right and not self._steps:
            self._engine.lookahead.missed()
        self._told = self._told + 1 if right else len(self._guess.tokens)

    def _taken(self, warm: Warm, token: int) -> Boundary | None:
        """The step of a token that was computed ahead, unless something has happened to the state since."""
        state = warm.state
        steps, self._steps = self._steps, []
        if not steps or steps[0][0] != token or self._at != (state.seen, state.happened):
            return None
        self._engine.advance(state)
        self._keep(warm, steps[1:])
        self.accepted += 1
        return steps[0][1]

    def _decoded(self, warm: Warm, token: int, room: int) -> Boundary:
        self._guess, self._told = self._habit.guess(), 0
        ahead = self._ahead(warm, room)
        boundary = self._engine.decode(warm.state, token, ahead)
        if ahead is not None and ahead.found:
            self.drafted += len(ahead.found)
            self._keep(warm, list(zip(ahead.drafts, ahead.found, strict=True)))
        return boundary

    def _keep(self, warm: Warm, steps: list[tuple[int, Boundary]]) -> None:
        self._steps, self._at = steps, (warm.state.seen, warm.state.happened)

    def _ahead(self, warm: Warm, room: int) -> Ahead | None:
        if not self._guess.match or not warm.state.plain:
            return None
        known = self._engine.lookahead
        if known.due:
            self._engine.look_ahead()
        rows = self._habit.rows(known, self._guess.match, room)
        return Ahead(self._guess.tokens[: rows - 1]) if rows > 1 else None
