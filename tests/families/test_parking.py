"""Sessions whose states leave the device between any two turns say what they would have said."""

from __future__ import annotations

from pathlib import Path

from perdure.runtime.residence import Residence

from .conftest import Bench, assert_same
from .script import FIRST, LAST, NEXT, OTHER, OTHER_SEED, begun, broken_off, say


def test_two_sessions_that_leave_for_one_another(bench: Bench, tmp_path: Path) -> None:
    moments = bench.story.moments
    with bench.at(tmp_path / "store", residence=Residence(0)) as rt:
        one = begun(rt)
        assert_same(say(one, FIRST, 1), moments[0])
        held = sum(state.resident for state in one.states())
        one.rest()
        two = begun(rt, "two", seed=OTHER_SEED)
        say(two, OTHER[0], 1)
        assert all(state.away and state.resident < held for state in one.states())
        assert_same(broken_off(one, NEXT), moments[1])
        two.rest()
        say(two, OTHER[1], 1)
        one.rest()
        assert_same(say(one, LAST, 2), moments[2])
        assert not any(state.away for state in one.states())
