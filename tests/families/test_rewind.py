"""Going back: to a turn, to any token, and under templates that write the past differently."""

from __future__ import annotations

import shutil
from copy import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from perdure.config import PREFILL_GRID
from perdure.memory.tokenlog import spans, tokens
from perdure.runtime import Runtime
from perdure.runtime.chat import ChatFormat
from perdure.runtime.engine import Script
from perdure.runtime.session import Session

from .conftest import Bench, assert_same, few
from .script import ANSWER, FIRST, LAST, NEXT, begun, from_nothing, moment, say

PROBE = 65
KINDS = few(
    "llama", "gemma3", "mamba", "mamba2", "jamba", "rwkv", "xlstm", "qwen3_next", "minimax", "recurrent_gemma", "deepseek_v4"
)
REWRITING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + (m['content'] | trim) + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
"""Opens every answer with a thought that it does not repeat later."""


def test_every_earlier_turn_comes_back(bench: Bench, tmp_path: Path) -> None:
    """By reset, undo and fork; from there the session goes on as it did, without any replay, and all is verified."""
    moments = bench.story.moments
    with bench.retold(tmp_path / "store") as rt:
        session = rt.session("s", create=False)
        heads = [commit.hex for commit in reversed(session.log())]
        for turn in (2, 1, 3):
            session.reset(heads[turn])
            assert torch.equal(session.logits(), moments[turn - 1].logits)
        session.undo()
        assert_same(moment(session, tuple(moments[1].answer)), moments[1])
        assert torch.equal(session.fork("f", "@turn:1").logits(), moments[0].logits)
        reply = session.chat(LAST, max_tokens=2)
        assert_same(moment(session, reply.tokens), moments[2])
        assert (reply.receipt.restored, reply.receipt.replayed) == (len(moments[1].log), 0)
        assert session.verify() == []


@KINDS
def test_every_forward_can_be_gone_back_to(bench: Bench, tmp_path: Path) -> None:
    """The state there says the same to a next token as one that was never beyond, and no token is replayed in vain."""
    with bench.retold(tmp_path / "store") as rt:
        session = rt.session("s", create=False)
        marks = [mark.position for mark in rt.repository.present(session.head)]
        wanted = _probes(session)
        for position in sorted(wanted, reverse=True)[1:]:
            again = session.rewind(position)
            nearest = max((mark for mark in marks if mark <= position), default=0)
            assert again == (position - nearest if rt.engine.adapter.fixed else 0)
            assert torch.equal(rt.engine.decode(session.warm.state, PROBE).logits, wanted[position])


def _probes(session: Session) -> dict[int, Tensor]:
    """What a state that goes straight on says to a probe after each of its forwards."""
    engine, runs = session.engine, session.repository.runs(session.head)
    state = engine.adapter.new(whole=True)
    found = {}
    for span in spans(runs):
        engine.replay(state, Script(tokens(runs)), [span])
        twin = state.fork()
        found[span.end] = engine.decode(twin, PROBE).logits
        twin.release()
    state.release()
    return found


@KINDS
def test_a_template_that_rewrites_the_past(bench: Bench, tmp_path: Path) -> None:
    """Each turn goes back to where the texts part, in the prompt of the last; what then stands is exact."""
    with bench.at(tmp_path / "store") as rt:
        session = begun(_rewriting(rt))
        session.chat(FIRST, max_tokens=3)
        for text in (NEXT, LAST):
            before = session.head.tokens
            reply = session.chat(text, max_tokens=3)
            assert 0 < reply.receipt.restored < before
            assert reply.receipt.prompt_tokens + reply.receipt.generated == session.head.tokens
            assert reply.receipt.replayed < PREFILL_GRID
            assert torch.equal(session.logits(), from_nothing(session))
            placed = session.messages()
            assert [m.start for m in placed] == [0, *(m.end for m in placed[:-1])]
            assert placed[-1].end == session.head.tokens
        assert session.verify() == []
        logits = session.logits()
        session.close()
        assert torch.equal(rt.session("s").logits(), logits)


def _rewriting(rt: Runtime) -> Runtime:
    tokenizer = copy(rt.loaded.tokenizer)
    tokenizer.chat_template = REWRITING
    rt.loaded = replace(rt.loaded, chat=ChatFormat(tokenizer))
    return rt


@KINDS
def test_going_back_behind_a_broken_off_answer(bench: Bench, tmp_path: Path) -> None:
    """An undone answer, said again, is the same answer."""
    with bench.retold(tmp_path / "store") as rt:
        session = rt.session("s", create=False)
        session.reset("HEAD~2")
        assert_same(say(session, NEXT, ANSWER), bench.story.moments[1])
        assert session.verify() == []


@few("llama", "jamba", dtypes=("bfloat16",))
def test_a_rewriting_turn_that_was_broken_off(bench: Bench, tmp_path: Path) -> None:
    """The process died while it answered a prompt with the past written anew; the next one places every message."""
    with bench.at(tmp_path / "store") as rt:
        session = begun(_rewriting(rt))
        session.chat(FIRST, max_tokens=3)
        with session.stream(NEXT, max_tokens=5) as stream:
            next(stream)
            shutil.copytree(tmp_path / "store", tmp_path / "left")
    with bench.at(tmp_path / "left") as rt:
        placed = _rewriting(rt).session("s", create=False).messages()
        assert [m.role for m in placed[-2:]] == ["user", "assistant"]
        assert [m.start for m in placed] == [0, *(m.end for m in placed[:-1])]
        assert rt.session("s").verify() == []
