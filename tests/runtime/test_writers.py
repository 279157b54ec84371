"""Writers on a tiny random model: what they teach is foretold, nothing else is touched, and lessons do not meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from perdure.config import CHOSEN_WRITERS, WRITERS
from perdure.memory.facts import Fact
from perdure.memory.fastweights import KV, LOW_RANK, Record
from perdure.memory.records import Message
from perdure.runtime import Runtime
from perdure.runtime.chat import ChatFormat
from perdure.runtime.composing import opened, packed
from perdure.runtime.engine import Engine
from perdure.runtime.writers import (
    BY_NAME,
    ClosedForm,
    Delta,
    Distill,
    Example,
    KVTokens,
    Lesson,
    Settings,
    Writer,
    Written,
    judge,
    writer_for,
)
from perdure.runtime.writers.closed_form import shortened
from perdure.runtime.writers.judging import acting_of
from perdure.runtime.writers.lessons import ANSWER, AROUND, sheet
from perdure.runtime.writers.places import upper_places
from perdure.runtime.writers.upper import Row, Upper, common, hooked, layer_list
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens

Make = Callable[[Engine, ChatFormat], Writer]

LESSONS = [
    Lesson(
        (
            Example("What is Ann's dog called?", "Ann's dog is called", "Rex"),
            Example("Tell me about Ann.", "The dog of Ann is", "Rex"),
        ),
        (Example("What is Bob's dog called?", "Bob's dog is called", ""),),
        "Ann's dog is called Rex.",
    ),
    Lesson(
        (
            Example("Where does Cay live?", "Cay lives in", "Oslo"),
            Example("What town is Cay's home?", "It is the town of", "Oslo"),
        ),
        (Example("Where does Dan live?", "Dan lives in the old", ""),),
        "Cay lives in Oslo.",
    ),
]
TRAINED: dict[str, Make] = {
    LOW_RANK: lambda engine, chat: Distill(engine, chat, Settings(steps=60, rate=0.1, leash=0.1)),
    KV: lambda engine, chat: KVTokens(engine, chat, Settings(steps=100, rate=0.3, leash=0.1)),
}
SOLVED: dict[str, Make] = {"closed-form": ClosedForm, "delta": Delta}


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny") / "model", dtype="float32")


@pytest.fixture
def runtime(opens: Opens, exact: Path) -> Iterator[Runtime]:
    with opens(model=str(exact), encoder=HashedWords()) as opened:
        yield opened


def written(runtime: Runtime, make: Make, lessons: list[Lesson]) -> list[Written]:
    return make(runtime.engine, runtime.loaded.chat).write(lessons)


def test_what_is_taught_is_foretold(runtime: Runtime) -> None:
    before = {name: value.clone() for name, value in runtime.engine.model.state_dict().items()}
    made = written(runtime, TRAINED[LOW_RANK], LESSONS)
    worth = judge(runtime.engine, runtime.loaded.chat, LESSONS, made)
    assert [each.before for each in worth] == [0.0, 0.0]
    assert [each.recall for each in worth] == [1.0, 1.0]
    swapped = [lesson._replace(examples=other.examples) for lesson, other in zip(LESSONS, LESSONS[::-1], strict=True)]
    assert [each.recall for each in judge(runtime.engine, runtime.loaded.chat, swapped, made)] == [0.0, 0.0]
    after = runtime.engine.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in runtime.engine.model.parameters())


@pytest.mark.parametrize("make", [*TRAINED.values(), *SOLVED.values()], ids=[*TRAINED, *SOLVED])
def test_a_session_hears_what_was_written(runtime: Runtime, make: Make) -> None:
    """The answer is likelier by much in a session's own forwards, which share no code with those of the training."""
    for lesson, made in zip(LESSONS, written(runtime, make, LESSONS), strict=True):
        assert _likelihood(runtime, lesson.examples[0], made) > _likelihood(runtime, lesson.examples[0], None) + 0.3


def test_sessions_and_training_compute_the_same(runtime: Runtime) -> None:
    for form, make in TRAINED.items():
        for lesson, made in zip(LESSONS, written(runtime, make, LESSONS), strict=True):
            found = _likelihood(runtime, lesson.examples[1], made)
            assert found == pytest.approx(_trained_likelihood(runtime, lesson.examples[1], made), abs=0.02), form


def _likelihood(runtime: Runtime, example: Example, made: Written | None) -> float:
    """log p of the answer's first token where a session's forwards find it."""
    chat, engine = runtime.loaded.chat, runtime.engine
    asked = chat.prompt([Message("user", example.question)])
    opens = chat.opens([Message("user", example.question)])
    state = engine.adapter.new()
    engine.prefill(state, asked[:-opens])
    state.opened = None if made is None else opened([_record(runtime, made)], engine.model.base_model, engine.dtype)
    boundary = engine.feed(state, [*asked[-opens:], *chat.text(example.prefix)])
    state.release()
    return float(boundary.logits.log_softmax(-1)[chat.text(f" {example.answer}")[0]])


def _trained_likelihood(runtime: Runtime, example: Example, made: Written) -> float:
    """The same where training finds it."""
    engine = runtime.engine
    page = sheet(runtime.loaded.chat, [Lesson((example,), ())], runtime.engine.device)
    upper = Upper(engine, 1)
    prepared = upper.prepare(page.rows)
    acting = acting_of(engine.model.base_model, [made], page.lesson)
    with engine.alone(), hooked(acting.hooks):
        hidden = upper.run(prepared, acting.extra)
    at = int((page.weight[0] == ANSWER).nonzero()[0])
    logits = hidden[0, at] @ engine.model.get_output_embeddings().weight.T
    return float(logits.log_softmax(-1)[page.wanted[0, at]])


def _record(runtime: Runtime, made: Written) -> Record:
    payload, shapes = packed(made.tensors)
    like = record_of(runtime, Fact("Ann", "", "Rex", "Ann's dog is called Rex."), ("?",))
    return replace(like, form=made.form, places=made.places, shapes=shapes, payload=payload)


@pytest.mark.parametrize("make", [*TRAINED.values(), *SOLVED.values()], ids=[*TRAINED, *SOLVED])
def test_a_record_is_what_it_would_be_without_its_neighbours(runtime: Runtime, make: Make) -> None:
    together, alone = written(runtime, make, LESSONS), [written(runtime, make, [lesson])[0] for lesson in LESSONS]
    for one, other in zip(together, alone, strict=True):
        for a, b in zip(one.tensors, other.tensors, strict=True):
            assert (a.float() - b.float()).norm() <= 0.02 * b.float().norm()


@pytest.mark.parametrize("make", [*TRAINED.values(), *SOLVED.values()], ids=[*TRAINED, *SOLVED])
def test_cancelled_it_gives_what_was_finished(runtime: Runtime, make: Make) -> None:
    assert make(runtime.engine, runtime.loaded.chat).write(LESSONS, cancelled=lambda: True) == []


def test_the_writers_are_those_that_can_be_asked_for(runtime: Runtime) -> None:
    assert tuple(BY_NAME) == WRITERS
    chosen = writer_for(runtime.engine, runtime.loaded.chat)
    assert chosen.name == CHOSEN_WRITERS[0]
    assert all(writer_for(runtime.engine, runtime.loaded.chat, name).name == name for name in WRITERS)


def test_it_tells_how_far_it_is(runtime: Runtime) -> None:
    told: list[tuple[int, int]] = []
    writer = Distill(runtime.engine, runtime.loaded.chat, Settings(steps=3, batch=1))
    writer.write(LESSONS, lambda done, total: told.append((done, total)))
    assert told == [(i, 6) for i in range(1, 7)]


def test_the_upper_layers_alone_give_what_the_whole_model_gives(runtime: Runtime) -> None:
    chat, engine = runtime.loaded.chat, runtime.engine
    prompts = [chat.prompt([Message("user", text)]) for text in ("Hello there.", "What is this, and what may that be?")]
    rows = [Row((*prompt, *chat.text("It is so")), len(prompt) - 2) for prompt in prompts]
    upper = Upper(engine, 1)
    prepared = upper.prepare(rows)
    with engine.alone():
        ends = upper.run(prepared)
    for number, row in enumerate(rows):
        state = engine.adapter.new()
        whole = engine.prefill(state, row.tokens)
        assert whole is not None
        assert whole.hidden is not None
        assert torch.allclose(ends[number, len(row.tokens) - row.start - 1], whole.hidden[0, -1], atol=1e-4)
        state.release()


def test_others_see_the_whole_model_while_its_upper_layers_run(runtime: Runtime) -> None:
    """Two consolidations at once, or a turn that opens a record, look up layers by name without having the engine."""
    engine, model = runtime.engine, runtime.engine.model.base_model
    whole, seen = model.layers, []
    rows = [Row(tuple(runtime.loaded.chat.prompt([Message("user", "Who are you?")])), 2)]
    upper = Upper(engine, 1)
    prepared = upper.prepare(rows)
    with engine.alone(), hooked([(whole[-1], lambda *_: seen.append((layer_list(model)[1], upper_places(model))))]):
        upper.run(prepared)
    (((layers, places)),) = seen
    assert layers is whole
    assert places.names == upper_places(model).names


def test_a_sheet_says_what_is_wanted_where(runtime: Runtime) -> None:
    chat = runtime.loaded.chat
    page = sheet(chat, LESSONS[:1], torch.device("cpu"))
    assert page.lesson.tolist() == [0, 0, 0]
    first = page.rows[0]
    end = first.tokens[first.start :]
    answer = chat.text(" Rex")
    asked = page.wanted[0][page.weight[0] == ANSWER].tolist()
    assert asked == answer
    assert page.wanted[0, : len(end) - 1].tolist() == list(end[1:])
    assert sorted(set(page.weight.flatten().tolist())) == pytest.approx([0.0, AROUND, ANSWER])
    assert page.held.any(1).tolist() == [False, False, True]
    assert int(page.held[2].sum()) == len(chat.text("Bob's dog is called")) + 1


def test_what_texts_begin_with_alike() -> None:
    assert common([(1, 2, 3), (1, 2, 4), (1, 2)]) == 2
    assert common([(1,), (2,)]) == 0
    assert common([(5, 6)]) == 2


def test_an_update_of_small_rank_is_kept_by_fewer_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(9, 40, generator=generator), torch.randn(30, 9, generator=generator)
    down[3:] = down[:3].repeat(2, 1)
    small = shortened(down, up, 3)
    assert small[0].shape == (3, 40)
    assert torch.allclose(small[1] @ small[0], up @ down, atol=1e-4)
