"""Tokens that were guessed and computed with others have the bits that they have without, and so has what is stored."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import perdure
from perdure.config import MemoryOptions
from perdure.memory.fastweights import KV, LOW_RANK
from perdure.memory.records import Commit
from perdure.runtime import Runtime, lookahead
from perdure.runtime.drafting import Draft
from perdure.runtime.engine import Engine
from perdure.runtime.forwards import Boundary
from perdure.runtime.grammar import json_grammar
from perdure.runtime.lookahead import SIZES, Lookahead
from perdure.runtime.session import Session
from perdure.runtime.speculation import Habit
from perdure.testing.encoder import HashedWords
from perdure.testing.families import tiny_model
from perdure.testing.records import record_of
from perdure.testing.tiny import END_OF_TURN

from ..conftest import Opens
from .test_fastweights import ASK, FACT
from .test_together import JOINING, at_once, filled, made

LONG = "The lighthouse keeper wrote down every ship that passed, its colour and its course. " * 3

# forwards


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("family", [name for name in JOINING if name != "olmo_hybrid"])
def test_every_row_has_the_bits_of_a_single_step(tmp_path: Path, family: str, dtype: str) -> None:
    engine = made(family, tmp_path, dtype)
    engine.look_ahead()
    assert engine.lookahead.sizes == SIZES
    group = engine.adapter.groups[0]
    for number, size in enumerate((2, 8, 3, 5, 4)):
        state = filled(engine, 3 + 41 * number, number)
        twin, begun = state.fork(), state.seen
        tokens = [7 * number + 11 + step for step in range(size)]
        wanted = [engine.feed(twin, [token]) for token in tokens]
        found = engine.decode_ahead(state, tokens, engine.lookahead.apart)
        assert state.seen == begun + 1
        require_same(found, wanted)
        taken = max(1, size - number % 3)
        for _ in range(taken - 1):
            engine.advance(state)
        state.check()
        twin.crop(begun + taken)
        require_same([engine.feed(state, [9])], [engine.feed(twin, [9])])
        assert torch.equal(state.export(group, 0, state.seen), twin.export(group, 0, twin.seen))


def require_same(found: list[Boundary], wanted: list[Boundary]) -> None:
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.equal(ours.logits, theirs.logits)
        assert (ours.hidden is None) == (theirs.hidden is None)
        assert ours.hidden is None or theirs.hidden is None or torch.equal(ours.hidden, theirs.hidden)


@pytest.mark.parametrize("family", ["olmo_hybrid", "mistral", "gemma3", "mamba", "lfm2", "rwkv", "deepseek_v3"])
def test_families_that_share_no_forwards_guess_nothing(tmp_path: Path, family: str) -> None:
    folder = tiny_model(family, tmp_path / "model", dtype="bfloat16")
    with perdure.open(folder, tmp_path / "store", threads=1, cache=tmp_path / "cache") as runtime:
        runtime.engine.look_ahead()
        assert runtime.engine.lookahead.sizes == ()
        assert runtime.ephemeral().chat("Hello.", max_tokens=12, temperature=0.0).receipt.drafted == 0


def test_a_model_that_differs_guesses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, honest = made("llama", tmp_path), Engine.decode_ahead

    def crooked(self: Engine, *args: Any) -> list[Boundary]:
        found = honest(self, *args)
        return (
            found
            if len(found) < 4
            else [*found[:-1], found[-1]._replace(logits=found[-1].logits.nextafter(found[0].logits))]
        )

    monkeypatch.setattr(Engine, "decode_ahead", crooked)
    engine.look_ahead()
    assert engine.lookahead.sizes == SIZES[:1]

    def fails(*_: object) -> list[Boundary]:
        raise ValueError("no")

    other = engine.at(2)
    monkeypatch.setattr(Engine, "decode_ahead", fails)
    other.look_ahead()
    assert other.lookahead.sizes == ()
    assert engine.lookahead.sizes == SIZES[:1]
    torch.set_num_threads(1)


# sessions

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 9}, "sort": {"enum": ["cat", "dog"]}},
    "required": ["name", "sort"],
    "additionalProperties": False,
}
ASKED: list[tuple[str, dict[str, Any]]] = [
    (LONG, {"temperature": 0.0, "max_tokens": 40}),
    ("And then?", {"temperature": 0.9, "max_tokens": 30}),
    ("Go on.", {"temperature": 0.0, "max_tokens": 24, "frequency_penalty": 0.7, "presence_penalty": 0.3}),
    ("Why?", {"temperature": 0.8, "max_tokens": 24, "repetition_penalty": 1.3, "min_p": 0.02}),
    ("Say it.", {"temperature": 0.7, "max_tokens": 24, "logit_bias": {9: 2.0, 2: 3.0}, "top_k": 40}),
    ("As JSON.", {"temperature": 1.0, "max_tokens": 60, "grammar": json_grammar(SCHEMA)}),
    ("Once more.", {"temperature": 0.0, "max_tokens": 7, "logprobs": 2}),
    ("One.", {"temperature": 0.0, "max_tokens": 1}),
    (LONG[:40], {"temperature": 0.0, "max_tokens": 5, "stop": ["\x00 is never said"]}),
]
"""The turns of one session, each drawn in another way."""


class Turned(NamedTuple):
    """What became of a turn."""

    text: str
    tokens: tuple[int, ...]
    reason: str
    scores: list[Any]
    logits: Tensor
    head: Commit
    drafted: int
    accepted: int


@pytest.fixture(scope="module", autouse=True)
def still() -> Iterator[None]:
    """Time stands still, so that equal turns are equal commits."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("memory.draft", "memory.workingcopy", "runtime.turn", "runtime.archive"):
            patch.setattr(f"perdure.{module}.now_ms", lambda: 1_700_000_000_000)
        yield


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is guessed is tried, as many rows at once as the answer has room for."""

    def rows(_: Habit, known: Lookahead, match: int, room: int) -> int:
        return max(size for size in (1, *(known.sizes or ())) if size <= room + 1)

    monkeypatch.setattr(Habit, "rows", rows)


def opened(store: Path, model: Path, *, speculate: bool = True, **options: Any) -> Runtime:
    runtime = perdure.open(model, store, threads=1, cache=store.parent / "cache", speculate=speculate, **options)
    if speculate:
        runtime.engine.look_ahead()
    return runtime


def turned(session: Session, text: str, settings: dict[str, Any]) -> Turned:
    with session.stream(text, **settings) as stream:
        chunks = list(stream)
    receipt = stream.receipt
    assert receipt.generated == len(stream.tokens)
    assert 0 <= receipt.accepted <= min(receipt.drafted, receipt.generated)
    scores = [chunk.score for chunk in chunks]
    counts = receipt.drafted, receipt.accepted
    return Turned(stream.text, stream.tokens, receipt.finish_reason, scores, session.logits(), session.head, *counts)


def lived(store: Path, model: Path, asked: list[tuple[str, dict[str, Any]]], **options: Any) -> list[Turned]:
    with opened(store, model, **options) as runtime, runtime.session("s") as session:
        found = [turned(session, *each) for each in asked]
        assert not options.get("speculate", True) or session.verify() == []
        return found


def require_equal(found: list[Turned], wanted: list[Turned]) -> None:
    """All but what was tried: commits by their ids, which stand for every block, message and token in them."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours[:4] == theirs[:4]
        assert torch.equal(ours.logits, theirs.logits)
        assert ours.head.hex == theirs.head.hex


class Plain(NamedTuple):
    begun: Path
    asked: list[tuple[str, dict[str, Any]]]
    turns: list[Turned]
    log: list[int]


@pytest.fixture(scope="module")
def plain(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    """A store with an empty session, and what becomes of it without guesses; one of its answers ends with a stop string."""
    folder = tmp_path_factory.mktemp("plain")
    with opened(folder / "begun", model, speculate=False) as runtime:
        runtime.repository.create("s", runtime.recipe, seed=5)
    last = LONG, {"temperature": 0.0, "max_tokens": 40}
    spoken = lived(copied(folder / "begun", folder / "first"), model, [*ASKED, last], speculate=False)[-1].text
    asked = [*ASKED, (LONG, {**last[1], "stop": [spoken[20:23]]})]
    turns = lived(copied(folder / "begun", folder / "store"), model, asked, speculate=False)
    with opened(folder / "store", model, speculate=False) as runtime:
        log = list(runtime.repository.tokens("s"))
    # By an end token in the midst of what would be guessed, by a stop string, by their length.
    state = turns[5].head.state
    assert (turns[5].reason, state is not None and state.pending) == ("stop", (END_OF_TURN,))
    assert (turns[-1].reason, len(turns[-1].tokens) > 8) == ("stop", True)
    assert turns[0].reason == "length"
    assert not any(turn.drafted for turn in turns)
    assert set(json.loads(turns[5].text)) == {"name", "sort"}
    return Plain(folder / "begun", asked, turns, log)


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def foretelling(log: list[int], right: Callable[[int], bool]) -> Callable[[Habit], Draft]:
    """Guesses with the tokens of a session whose whole log is known, the wrong ones one higher."""

    def guess(habit: Habit) -> Draft:
        after = list(enumerate(log))[habit._upto : habit._upto + max(SIZES) - 1]
        tokens = [token if right(place) else (token + 1) % 250 for place, token in after]
        return Draft((*tokens, *[3] * (max(SIZES) - 1 - len(tokens))), 8)

    return guess


@pytest.mark.parametrize("how", ["looked up", "right", "wrong", "mixed"])
def test_answers_and_commits_are_those_without_guesses(
    plain: Plain, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eager: None, how: str
) -> None:
    share = {"right": 1.0, "wrong": 0.0, "mixed": 0.7}.get(how)
    if share is not None:
        luck = random.Random(3)
        rights = [luck.random() < share for _ in plain.log]
        monkeypatch.setattr(Habit, "guess", foretelling(plain.log, lambda place: rights[place]))
    found = lived(copied(plain.begun, tmp_path / "store"), model, plain.asked)
    require_equal(found, plain.turns)
    drafted, accepted = (sum(getattr(turn, name) for turn in found) for name in ("drafted", "accepted"))
    generated = sum(len(turn.tokens) for turn in found)
    assert drafted > generated / 4
    assert (accepted == 0) == (how == "wrong")
    if how == "right":
        assert accepted > 0.7 * generated


def test_what_pays_is_tried_by_itself(plain: Plain, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With times as on a machine where rows are cheap; where they are dear nothing is tried, and all is the same."""
    for name, price in (("cheap", 0.05), ("dear", 1.0)):
        monkeypatch.setattr(Lookahead, "cost", lambda self, rows, price=price: 1.0 + price * (rows - 1))
        found = lived(copied(plain.begun, tmp_path / name), model, plain.asked[:3])
        require_equal(found, plain.turns[:3])
        assert bool(sum(turn.accepted for turn in found)) == (name == "cheap")


def test_it_begins_by_itself_once_it_is_worth_finding_out(
    plain: Plain, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookahead, "TRIAL", 3)
    monkeypatch.setattr(Lookahead, "cost", lambda self, rows: 1.0 + 0.05 * (rows - 1))
    with perdure.open(model, copied(plain.begun, tmp_path / "store"), threads=1, cache=tmp_path / "cache") as runtime:
        session = runtime.session("s")
        found, known = [], []
        for each in plain.asked:
            found.append(turned(session, *each))
            known.append(runtime.engine.lookahead.sizes)
    assert (known[0], known[-1]) == (None, SIZES)
    require_equal(found, plain.turns)
    assert sum(turn.accepted for turn in found) > 0


@pytest.mark.parametrize("after", [3, 6])
def test_an_answer_that_is_left_or_killed_keeps_what_was_streamed(
    plain: Plain, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eager: None, after: int
) -> None:
    """In the midst of steps that were computed ahead: what was shown is there, and the next turn is that of a plain one."""
    monkeypatch.setattr(Habit, "guess", foretelling(plain.log, lambda place: True))
    ends: dict[tuple[str, bool], Turned] = {}
    for how in ("left", "killed"):
        for speculate in (False, True):
            store = copied(plain.begun, tmp_path / f"{how}{speculate}")
            with opened(store, model, speculate=speculate) as runtime:
                session = runtime.session("s")
                stream = session.stream(LONG, temperature=0.0, max_tokens=40)
                for _ in range(after):
                    next(stream)
                assert stream._turn.cost.accepted == (max(0, after - 3) if speculate else 0)
                if how == "left":
                    stream.close()
                else:
                    # As a killed process would: what it wrote is there, nothing more is said.
                    session.copy.release()
            with opened(store, model, speculate=speculate) as runtime:
                session = runtime.session("s")
                assert session.head.reason == ("cancelled" if how == "left" else "interrupted")
                ends[how, speculate] = turned(session, *ASKED[1])
                assert not speculate or session.verify() == []
        require_equal([ends[how, True]], [ends[how, False]])


def test_a_turn_that_is_answered_again_starts_from_its_own_steps(
    plain: Plain, model: Path, tmp_path: Path, eager: None
) -> None:
    for name in ("a", "b"):
        with opened(copied(plain.begun, tmp_path / name), model, speculate=name == "b") as runtime:
            session = runtime.session("s")
            turned(session, *plain.asked[0])
            first = turned(session, "Go on.", {"temperature": 0.0, "max_tokens": 12})
            session.undo()
            again = turned(session, "Go on.", {"temperature": 0.0, "max_tokens": 12})
            assert again.tokens == first.tokens
            assert torch.equal(again.logits, first.logits)
            other = turned(session, "Go on.", {"temperature": 0.9, "max_tokens": 12})
            if name == "a":
                wanted = [first, again, other]
            else:
                require_equal([first, again, other], wanted)


def test_a_window_that_evicts_is_the_same(plain: Plain, model: Path, tmp_path: Path, eager: None) -> None:
    """With a summary attention is listened to once the window is nearly full, and then nothing is guessed any more."""
    asked = [(f"{turn} {LONG}", {"temperature": 0.0, "max_tokens": 40}) for turn in range(3)]
    for backend in ("none", "heavy-hitters"):
        memory = MemoryOptions(window=128, block=64, sinks=4, backend=backend, recall="off")
        wanted, found = (
            lived(copied(plain.begun, tmp_path / f"{backend}{speculate}"), model, asked, speculate=speculate, memory=memory)
            for speculate in (False, True)
        )
        require_equal(found, wanted)
        assert (found[-1].drafted > 0) == (backend == "none")


def test_open_fast_weights_are_the_same(opens: Opens, tmp_path: Path, eager: None) -> None:
    """Low-rank records act on every row; keys that stand beside the others are listened for, and nothing is guessed."""
    for form in (LOW_RANK, KV):
        found = []
        for speculate in (False, True):
            with opens(tmp_path / f"{form}{speculate}", encoder=HashedWords(), speculate=speculate) as runtime:
                runtime.engine.look_ahead()
                runtime.repository.create("s", runtime.recipe, seed=3)
                session = runtime.session("s")
                session.teach((record_of(runtime, FACT, (ASK,), 1, form=form),), (), "teach a fact")
                reply = session.chat(ASK, max_tokens=40, temperature=0.0)
                assert reply.receipt.opened == 1
                assert (reply.receipt.drafted > 0) == (speculate and form == LOW_RANK)
                found.append((reply.tokens, session.logits()))
        assert found[0][0] == found[1][0]
        assert torch.equal(found[0][1], found[1][1])


def test_sessions_at_once_share_forwards_instead(plain: Plain, model: Path, tmp_path: Path, eager: None) -> None:
    with opened(tmp_path / "alone", model, speculate=False) as runtime:
        wanted = [runtime.session(f"s{n}").chat(f"{n} {LONG}", max_tokens=40, temperature=0.0).tokens for n in range(4)]
    with opened(tmp_path / "together", model) as runtime:
        runtime.prepare()
        sessions = [runtime.session(f"s{n}") for n in range(4)]
        calls = [partial(session.chat, f"{n} {LONG}", max_tokens=40, temperature=0.0) for n, session in enumerate(sessions)]
        replies = at_once(calls)
        assert [reply.tokens for reply in replies] == wanted
        assert all(session.verify() == [] for session in sessions)


def test_sessions_that_take_turns_guess_nothing(model: Path, tmp_path: Path, eager: None) -> None:
    """One after the other they would never meet: without guesses they do."""
    settings: dict[str, Any] = {"max_tokens": 30, "temperature": 0.0}
    with opened(tmp_path / "store", model) as runtime:
        streams = [runtime.session(name).stream(LONG, **settings) for name in ("a", "b")]
        ended = [[chunk.token for chunk in pair] for pair in zip(*streams, strict=True)]
        assert [stream.receipt.drafted for stream in streams] == [0, 0]
        alone = runtime.session("c").chat(LONG, **settings)
    assert alone.receipt.drafted > 0
    assert [list(stream.tokens) for stream in streams] == [list(alone.tokens)] * 2
    assert len(ended) == len(alone.tokens)


def test_a_forward_of_guesses_that_fails_is_made_without_them(
    plain: Plain, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eager: None
) -> None:
    with opened(copied(plain.begun, tmp_path / "store"), model) as runtime:

        def fails(*_: object) -> list[Boundary]:
            raise RuntimeError("no room")

        monkeypatch.setattr(Engine, "_several", fails)
        session = runtime.session("s")
        found = [turned(session, *each) for each in plain.asked[:3]]
    require_equal(found, plain.turns[:3])
    assert not any(turn.drafted for turn in found)


def test_a_runtime_that_is_told_so_guesses_nothing(opens: Opens) -> None:
    with opens(speculate=False) as runtime:
        runtime.prepare()
        assert runtime.engine.lookahead.sizes is None
        assert runtime.session("s").habit is None
    with opens() as runtime:
        runtime.prepare()
        assert runtime.engine.lookahead.sizes == SIZES
