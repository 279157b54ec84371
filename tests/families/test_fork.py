"""Forks, and sessions that go on side by side."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch

from .conftest import Bench, assert_same
from .script import ANSWER, FIRST, NEXT, OTHER, OTHER_SEED, begun, from_nothing, moment, say


def test_a_fork_goes_its_own_way(bench: Bench, tmp_path: Path) -> None:
    """From the head and from the first turn; the source stays where it is, and nobody can tell that there was a fork."""
    moments = bench.story.moments
    with bench.retold(tmp_path / "store") as rt:
        source = rt.session("s", create=False)
        before = source.logits()
        assert_same(say(source.fork("early", "@turn:1"), NEXT, ANSWER), moments[1])
        strayed = source.fork("strayed", "@turn:1")
        elsewhere = say(strayed, "No, about the land.", 2)
        assert elsewhere.log[: len(moments[0].log)] == moments[0].log
        assert torch.equal(elsewhere.logits, from_nothing(strayed))
        ahead = say(source.fork("ahead"), "And the ship?", 2)
        assert torch.equal(source.logits(), before)
        assert_same(say(source, "And the ship?", 2), ahead)


def test_two_sessions_token_by_token(bench: Bench, tmp_path: Path) -> None:
    """Turn by turn, then token by token through two open streams: as if each had been alone."""
    moments, alone = bench.story.moments, bench.alone
    with bench.at(tmp_path / "store") as rt:
        one, two = begun(rt), begun(rt, "two", seed=OTHER_SEED)
        assert_same(say(one, FIRST, 1), moments[0])
        assert_same(say(two, OTHER[0], 1), alone[0])
        with two.stream(OTHER[1], max_tokens=3) as second, one.stream(NEXT, max_tokens=4 * ANSWER) as first:
            for _ in islice(first, ANSWER):
                next(second, None)
        assert_same(moment(one, first.tokens), moments[1])
        assert_same(moment(two, second.tokens), alone[1])
