"""Forks, and sessions that go on side by side and share how they begin."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch

from perdure.config import PREFILL_GRID

from .conftest import Bench, assert_same, few
from .script import ANSWER, FIRST, NEXT, OTHER, OTHER_SEED, SYSTEM, begun, moment, say


def test_a_fork_goes_its_own_way(bench: Bench, tmp_path: Path) -> None:
    """From the head and from the first turn; the source stays where it is, and nobody can tell that there was a fork."""
    moments = bench.story.moments
    with bench.retold(tmp_path / "store") as rt:
        source = rt.session("s", create=False)
        before = source.logits()
        assert_same(say(source.fork("early", "@turn:1"), NEXT, ANSWER), moments[1])
        strayed = say(source.fork("strayed", "@turn:1"), "No, about the land.", 1)
        assert strayed.log[: len(moments[0].log)] == moments[0].log
        ahead = say(source.fork("ahead"), "And the ship?", 1)
        assert torch.equal(source.logits(), before)
        assert_same(say(source, "And the ship?", 1), ahead)


def test_two_sessions_token_by_token(bench: Bench, tmp_path: Path) -> None:
    """Turn by turn, then token by token through two open streams: as if each had been alone.

    The second takes over what the first has computed of the system prompt that they share.
    """
    moments, alone = bench.story.moments, bench.alone
    with bench.at(tmp_path / "store") as rt:
        one, two = begun(rt), begun(rt, "two", seed=OTHER_SEED)
        assert_same(say(one, FIRST, 1), moments[0])
        reply = two.chat(OTHER[0], max_tokens=1)
        assert reply.receipt.reused >= PREFILL_GRID
        assert reply.receipt.reused + reply.receipt.prefilled == len(alone[0].log) - len(reply.tokens)
        assert_same(moment(two, reply.tokens), alone[0])
        with two.stream(OTHER[1], max_tokens=3) as second, one.stream(NEXT, max_tokens=4 * ANSWER) as first:
            for _ in islice(first, ANSWER):
                next(second, None)
        assert_same(moment(one, first.tokens), moments[1])
        assert_same(moment(two, second.tokens), alone[1])


@few("llama", "gemma3", "mamba", "jamba", "rwkv", "xlstm", "qwen3_next", "recurrent_gemma", "deepseek_v4")
def test_a_session_that_leaves_nothing_leaves_its_beginning(bench: Bench, tmp_path: Path) -> None:
    """What an ephemeral session computed of a prompt is taken over like any other."""
    with bench.at(tmp_path / "store") as rt:
        rt.ephemeral(system=SYSTEM).chat("Hello.", max_tokens=1)
        reply = begun(rt, seed=OTHER_SEED).chat(OTHER[0], max_tokens=1)
        assert reply.receipt.reused >= PREFILL_GRID
        assert_same(moment(rt.session("s"), reply.tokens), bench.alone[0])
