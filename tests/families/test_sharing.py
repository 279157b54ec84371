"""Sessions that begin with the same long system prompt share what was computed of it."""

from __future__ import annotations

from pathlib import Path

from perdure.config import PREFILL_GRID

from .conftest import Bench, assert_same
from .script import OTHER, OTHER_SEED, begun, moment, say


def test_a_shared_beginning_is_not_computed_again(bench: Bench, tmp_path: Path) -> None:
    """The second session takes a chunk over, and stands where it would stand in a store of its own."""
    with bench.retold(tmp_path / "store") as rt:
        session = begun(rt, "two", seed=OTHER_SEED)
        reply = session.chat(OTHER[0], max_tokens=1)
        assert reply.receipt.reused >= PREFILL_GRID
        assert reply.receipt.reused + reply.receipt.prefilled == len(bench.alone[0].log) - len(reply.tokens)
        assert_same(moment(session, reply.tokens), bench.alone[0])
        assert_same(say(session, OTHER[1], 3), bench.alone[1])


def test_a_session_that_leaves_nothing_leaves_its_beginning(bench: Bench, tmp_path: Path) -> None:
    """What an ephemeral session computed of a prompt is taken over like any other."""
    with bench.at(tmp_path / "store") as rt:
        rt.ephemeral(system=begun(rt, "unused")._system).chat("Hello.", max_tokens=1)
        session = begun(rt, seed=OTHER_SEED)
        reply = session.chat(OTHER[0], max_tokens=1)
        assert reply.receipt.reused >= PREFILL_GRID
        assert_same(moment(session, reply.tokens), bench.alone[0])
