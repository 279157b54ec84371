"""Guesses of what comes next, from what a session has absorbed already: prompt lookup (Saxena 2023).

Where the last tokens stood once before, what followed them then may follow again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 8
"""Tokens up to which a match is measured; a longer one is as good."""

CANDIDATES = 8
"""Earlier places that are compared, newest first."""

HORIZON = 1 << 14
"""Tokens that are remembered at least, once there are as many; a guess from far back is seldom right, and all cost room."""


class Draft(NamedTuple):
    """Tokens that may come next, and how many of the last ones stood before them (up to LONGEST)."""

    tokens: tuple[int, ...]
    match: int


NOTHING = Draft((), 0)


class Lookup:
    """The tokens of one session by their pairs. Adding a token and guessing take a time that does not grow with them."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._tokens: list[int] = []
        self._newest: dict[tuple[int, int], int] = {}
        self._before: list[int] = []

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in the session's next tokens."""
        if len(self._tokens) + len(tokens) > 2 * HORIZON:
            tokens = [*self._tokens[-HORIZON:], *tokens][-HORIZON:]
            self._clear()
        for token in tokens:
            self._tokens.append(token)
            at = len(self._tokens) - 1
            pair = (self._tokens[at - 1], token) if at else (-1, token)
            self._before.append(self._newest.get(pair, -1))
            self._newest[pair] = at

    def draft(self, most: int) -> Draft:
        """What followed the longest match of the last two tokens or more, the newest of equals; `most` tokens, or none.

        A match that reaches into what it continues goes round: "a b a b" is followed by "a b a b" and so on.
        """
        end, match = self._match()
        if not match:
            return NOTHING
        period = len(self._tokens) - 1 - end
        guess = self._tokens[end + 1 : end + 1 + most]
        while len(guess) < most:
            guess.append(guess[-period])
        return Draft(tuple(guess), match)

    def _match(self) -> tuple[int, int]:
        """Where the match ends, and its length."""
        place, length = -1, 0
        at = self._before[-1] if self._before else -1
        for _ in range(CANDIDATES):
            if at < 1 or length == LONGEST:
                break
            common = self._common(at)
            if common > length:
                place, length = at, common
            at = self._before[at]
        return place, length

    def _common(self, at: int) -> int:
        """How many tokens up to `at` are the last ones, two at least."""
        tokens, length = self._tokens, 2
        while length < LONGEST and length <= at and tokens[at - length] == tokens[-1 - length]:
            length += 1
        return length
