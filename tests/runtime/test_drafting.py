"""What is guessed of a sequence's next tokens, and what is learned of guesses."""

from __future__ import annotations

import random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.runtime import drafting
from perdure.runtime.drafting import CANDIDATES, LONGEST, NOTHING, Draft, Lookup
from perdure.runtime.lookahead import SHARE, SIZES, TRIAL, Lookahead
from perdure.runtime.speculation import AGAIN, Habit
from perdure.runtime.state.base import State

STATE = cast(State, object())


def looked_up(tokens: list[int]) -> Lookup:
    lookup = Lookup()
    lookup.extend(tokens)
    return lookup


def slowly(tokens: list[int], most: int) -> Draft:
    """The same by comparing everything with everything."""
    ends = [at for at in range(len(tokens) - 2, 0, -1) if tokens[at - 1 : at + 1] == tokens[-2:]][:CANDIDATES]
    best = NOTHING
    for end in ends:
        match = 2
        while match < LONGEST and match <= end and tokens[end - match] == tokens[-1 - match]:
            match += 1
        if match > best.match:
            guess = tokens[end + 1 :]
            while len(guess) < most:
                guess = guess + tokens[end + 1 :]
            best = Draft(tuple(guess[:most]), match)
    return best


def test_the_longest_match_goes_on_as_it_did() -> None:
    assert looked_up([1, 2, 3, 4, 5, 9, 3, 4, 7, 8, 2, 3, 4]).draft(3) == Draft((5, 9, 3), 3)


def test_of_equal_matches_the_newest_counts() -> None:
    assert looked_up([1, 2, 5, 1, 2, 6, 1, 2]).draft(2) == Draft((6, 1), 2)


def test_what_repeats_itself_goes_round() -> None:
    assert looked_up([7, 1, 2, 1, 2]).draft(5).tokens == (1, 2, 1, 2, 1)
    assert looked_up([4, 4, 4]).draft(3) == Draft((4, 4, 4), 2)


@pytest.mark.parametrize("tokens", [[], [1], [1, 1], [1, 2], [1, 2, 3]])
def test_too_little_foretells_nothing(tokens: list[int]) -> None:
    assert looked_up(tokens).draft(4) == NOTHING


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 9))
def test_the_index_finds_what_a_search_finds(tokens: list[int], most: int) -> None:
    step = Lookup()
    for token in tokens:
        step.extend([token])
    assert step.draft(most) == looked_up(tokens).draft(most) == slowly(tokens, most)


def test_what_is_long_past_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "HORIZON", 64)
    lookup, generator = Lookup(), random.Random(1)
    tokens = [generator.randrange(5) for _ in range(1000)]
    for start in range(0, 1000, 37):
        lookup.extend(tokens[start : start + 37])
        assert len(lookup._tokens) <= 128
        assert lookup._tokens == tokens[: start + 37][-len(lookup._tokens) :]
        assert lookup.draft(4) == slowly(lookup._tokens, 4)
    lookup.extend(tokens)
    assert lookup._tokens == tokens[-64:]


# what it is worth


def timed(*costs: float) -> Lookahead:
    known = Lookahead()
    known.sizes = SIZES
    for rows, cost in zip((1, *SIZES), costs, strict=True):
        known.note(rows, cost, STATE)
    return known


def used(match: int, right: bool, times: int = 40) -> Habit:
    habit = Habit()
    for kind in range(match, LONGEST + 1):
        for _ in range(times):
            habit.note(kind, right)
    return habit


def test_guesses_that_come_true_are_tried_as_far_as_it_pays() -> None:
    habit = used(3, right=True)
    assert habit.rows(timed(1.0, 1.2, 1.5, 2.0), 3, 100) == 8
    assert habit.rows(timed(1.0, 1.2, 1.5, 6.0), 3, 100) == 4
    assert habit.rows(timed(1.0, 1.2, 1.5, 2.0), 3, 2) == 2
    assert habit.rows(timed(1.0, 1.2, 1.5, 2.0), 3, 0) == 1


def test_guesses_that_fail_are_not_tried_again() -> None:
    habit, known = used(2, right=False), timed(1.0, 1.2, 1.5, 2.0)
    assert {habit.rows(known, 3, 100) for _ in range(10 * AGAIN)} == {1}


def test_guesses_whose_forwards_take_as_long_are_left_but_for_a_few() -> None:
    """What is likely and was too slow is tried again now and then, in each size: the machine may have been busy."""
    habit, known = used(2, right=True), timed(1.0, 2.0, 4.0, 8.0)
    found = []
    for _ in range(3 * AGAIN * len(SIZES)):
        found.append(habit.rows(known, 3, 100))
        known.steps += 1
    tries = [rows for rows in found if rows > 1]
    assert set(tries) <= set(SIZES)
    assert 0 < len(tries) <= len(found) / AGAIN


def test_a_session_without_times_tries_nothing() -> None:
    known = Lookahead()
    known.sizes = SIZES
    assert used(2, right=True).rows(known, 8, 100) == 1
    assert used(2, right=True).rows(Lookahead(), 8, 100) == 1


def test_pairs_are_trusted_less_than_long_matches() -> None:
    known = timed(1.0, 1.3, 1.6, 2.4)
    assert Habit().rows(known, 2, 100) == 1
    assert Habit().rows(known, LONGEST, 100) > 1


def test_the_best_of_the_last_times_counts() -> None:
    known = timed(1.0, 1.2, 1.5, 2.0)
    known.note(8, 9.0, STATE)
    assert known.cost(8) == 2.0
    for _ in range(5):
        known.note(8, 3.0, STATE)
    assert known.cost(8) == 3.0


def test_finding_out_waits_until_it_is_worth_it() -> None:
    known = Lookahead()
    for _ in range(TRIAL):
        known.missed()
        assert not known.due
    for _ in range(round(TRIAL / SHARE)):
        assert not known.due
        known.note(1, 0.01, STATE)
    assert known.due
    known.sizes = ()
    assert not known.due


def test_who_was_in_the_last_forward_is_known() -> None:
    known, other = Lookahead(), cast(State, object())
    assert not known.follows(STATE)
    known.note(1, 0.1, STATE)
    assert known.follows(STATE)
    assert not known.follows(other)
    known.shared()
    assert not known.follows(STATE)
