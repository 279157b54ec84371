"""A new process goes on with a session as the one that never stopped would have."""

from __future__ import annotations

from .conftest import Afterlife, Bench, assert_same
from .script import ANSWER


def test_after_a_prefill(bench: Bench, afterlife: Afterlife) -> None:
    """Closed right after its prompt; the new process answers two more prompts, each of several tokens."""
    found, wanted = afterlife.of(bench)["prefill"], bench.story.moments
    assert_same(found[0]._replace(answer=wanted[0].answer), wanted[0])
    assert_same(found[1], wanted[1])
    assert_same(found[2], wanted[2])


def test_after_dying_in_the_middle_of_an_answer(bench: Bench, afterlife: Afterlife) -> None:
    """The process was gone after six tokens; the new one recovers them and answers the next prompt."""
    found, wanted = afterlife.of(bench)["decode"], bench.story.moments
    assert len(wanted[1].answer) == ANSWER
    assert_same(found[0]._replace(answer=wanted[1].answer), wanted[1])
    assert_same(found[1], wanted[2])
