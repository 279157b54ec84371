"""How tokens are drawn: the same again after a resume, and as the settings say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perdure.config import Sampling, SamplingChanges, changed
from perdure.errors import InvalidInput
from perdure.memory.records import Message
from perdure.runtime import Runtime, sampling
from perdure.runtime.grammar import json_grammar
from perdure.runtime.sampling import penalised, sample
from perdure.runtime.text import token_bytes
from perdure.runtime.turn import settings_dict, settings_from

from ..conftest import Opens

LOGITS = torch.randn(50, generator=torch.Generator().manual_seed(5)) * 2
HOT = Sampling(temperature=1.0, top_p=1.0)


def draws(settings: Sampling, logits: torch.Tensor = LOGITS, count: int = 400) -> Counter[int]:
    return Counter(sample(logits, settings, 1, position) for position in range(count))


def test_a_draw_depends_on_seed_and_position_only() -> None:
    assert draws(HOT) == draws(HOT)
    assert [sample(LOGITS, HOT, 1, p) for p in range(50)] != [sample(LOGITS, HOT, 2, p) for p in range(50)]


def test_min_p_drops_what_is_much_less_probable_than_the_best() -> None:
    probabilities = LOGITS.softmax(-1)
    kept = {int(i) for i in (probabilities >= 0.5 * probabilities.max()).nonzero()}
    assert set(draws(changed(HOT, {"min_p": 0.5}))) == kept
    assert set(draws(changed(HOT, {"min_p": 1.0}))) == {int(LOGITS.argmax())}


def test_a_bias_forces_and_forbids() -> None:
    forced = penalised(LOGITS, changed(HOT, {"logit_bias": {3: 100.0, int(LOGITS.argmax()): -100.0}}), frozenset(), ())
    assert set(draws(HOT, forced)) == {3}
    assert forced is not LOGITS


def test_penalties_are_those_of_openai_and_of_ctrl() -> None:
    settings = Sampling(frequency_penalty=0.5, presence_penalty=0.25, repetition_penalty=2.0)
    found = penalised(LOGITS, settings, frozenset({7}), (1, 1, 2))
    for token, times in ((1, 2), (2, 1), (7, 0), (8, 0)):
        wanted = float(LOGITS[token])
        if token != 8:
            wanted = wanted / 2 if wanted > 0 else wanted * 2
        wanted -= 0.5 * times + (0.25 if times else 0)
        assert float(found[token]) == pytest.approx(wanted, abs=1e-6)


def test_without_settings_nothing_is_copied() -> None:
    assert penalised(LOGITS, Sampling(frequency_penalty=1.0), frozenset({1}), ()) is LOGITS
    assert penalised(LOGITS, Sampling(), frozenset(), (1, 2)) is LOGITS


@given(st.floats(0.05, 1.0), st.integers(0, 60), st.floats(0, 1), st.integers(0, 1000))
def test_no_forbidden_token_is_ever_drawn(top_p: float, top_k: int, min_p: float, position: int) -> None:
    settings = Sampling(temperature=1.3, top_p=top_p, top_k=top_k, min_p=min_p)
    open_to = torch.zeros(50, dtype=torch.bool)
    open_to[[4, 11, 40]] = True
    assert sample(LOGITS.masked_fill(~open_to, float("-inf")), settings, 3, position) in (4, 11, 40)


@pytest.mark.parametrize("size", [5, 300, 1024, 1025, 20_000])
@pytest.mark.parametrize("spread", [0.01, 1.0, 8.0])
@pytest.mark.parametrize("tied", [False, True])
def test_the_nucleus_is_that_of_all_tokens_in_order(size: int, spread: float, tied: bool) -> None:
    logits = spread * torch.randn(size, generator=torch.Generator().manual_seed(size))
    probabilities = ((2 * logits).round() / 2 if tied else logits).softmax(-1)
    ordered, order = probabilities.sort(descending=True, stable=True)
    for top_p in (1e-9, 0.1, 0.5, 0.95, 0.999):
        wanted = probabilities.clone()
        wanted[order[ordered.cumsum(-1) - ordered >= top_p]] = 0.0
        assert torch.equal(sampling._keep_nucleus(probabilities, top_p), wanted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_p": 1.5},
        {"min_p": -0.1},
        {"frequency_penalty": 2.5},
        {"presence_penalty": -2.5},
        {"repetition_penalty": 0.0},
        {"logit_bias": {1: 101.0}},
        {"logit_bias": {-1: 1.0}},
        {"logprobs": 21},
        {"logprobs": -1},
    ],
)
def test_values_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        changed(Sampling(), wrong)


def test_the_journal_keeps_all_settings() -> None:
    settings = changed(
        Sampling(stop=("a", "b")), {"logit_bias": {9: -1.5, 3: 2.0}, "min_p": 0.1, "logprobs": 2, "grammar": "x", "seed": 4}
    )
    stored = json.loads(json.dumps(settings_dict(settings)))
    assert settings_from(stored) == settings
    del stored["logit_bias"], stored["min_p"], stored["logprobs"], stored["grammar"]
    assert settings_from(stored) == Sampling(stop=("a", "b"), seed=4)


def test_changes_that_are_none_change_nothing() -> None:
    assert changed(HOT, SamplingChanges(stop=None, logit_bias=None, temperature=None)) == HOT


# In a session


@pytest.fixture
def ask(runtime: Runtime) -> Callable[..., Any]:
    def asked(name: str = "alice", **changes: Any) -> Any:
        with runtime.session(name) as session:
            chunks = []
            with session.stream("Tell me a story.", **{"seed": 7, "max_tokens": 200, **changes}) as stream:
                chunks = list(stream)
            return stream, chunks

    return asked


def test_the_same_seed_says_the_same_and_penalties_say_something_else(ask: Any) -> None:
    first, _ = ask("one", temperature=0.9)
    again, _ = ask("two", temperature=0.9)
    other, _ = ask("three", temperature=0.9, frequency_penalty=2.0, presence_penalty=1.0)
    assert first.text == again.text != other.text
    assert len(set(other.tokens)) / len(other.tokens) > len(set(first.tokens)) / len(first.tokens)


def test_scores_are_the_models_own_log_probabilities(ask: Any) -> None:
    stream, chunks = ask(temperature=0.0, logprobs=3)
    scored = [chunk for chunk in chunks if chunk.token >= 0]
    assert [chunk.score.token for chunk in scored] == list(stream.tokens)
    for chunk in scored:
        assert [each.logprob for each in chunk.score.top] == sorted((e.logprob for e in chunk.score.top), reverse=True)
        assert chunk.score.logprob == chunk.score.top[0].logprob <= 0
    assert b"".join(chunk.score.data for chunk in scored).decode(errors="replace") == stream.text


def test_logprobs_change_no_draw(ask: Any) -> None:
    assert ask("one")[0].tokens == ask("two", logprobs=5)[0].tokens
    assert all(chunk.score is None for chunk in ask("three")[1])


def test_a_bias_for_a_token_that_is_not_there_is_refused(ask: Any, runtime: Runtime) -> None:
    with pytest.raises(InvalidInput, match="names token 99999"):
        ask(logit_bias={99999: 1.0})
    assert runtime.repository.info("alice").head.turn == 0


def test_tokens_have_bytes(runtime: Runtime) -> None:
    tokenizer = runtime.loaded.tokenizer
    ids = tokenizer.backend_tokenizer.encode("héllo wörld", add_special_tokens=False).ids
    assert b"".join(token_bytes(tokenizer, i) for i in ids).decode() == "héllo wörld"
    assert token_bytes(tokenizer, 2) == b"<|im_end|>"
    assert token_bytes(tokenizer, 10**6) == b""


# Grammars

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 5}, "sort": {"enum": ["cat", "dog"]}},
    "required": ["name", "sort"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", range(8))
def test_an_answer_follows_its_schema_whatever_the_model_says(ask: Any, seed: int) -> None:
    stream, _ = ask(temperature=1.5, top_p=1.0, seed=seed, grammar=json_grammar(SCHEMA))
    found = json.loads(stream.text)
    assert stream.receipt.finish_reason == "stop"
    assert set(found) == {"name", "sort"}
    assert found["sort"] in ("cat", "dog")
    assert len(found["name"]) <= 5


def test_a_cut_answer_says_so_and_is_the_beginning_of_one(ask: Any) -> None:
    stream, _ = ask(max_tokens=4, grammar=json_grammar(SCHEMA))
    assert stream.receipt.finish_reason == "length"
    assert stream.text.lstrip().startswith("{")


def test_a_grammar_and_penalties_agree(ask: Any) -> None:
    stream, _ = ask(temperature=0.0, frequency_penalty=2.0, grammar=json_grammar(SCHEMA), logit_bias={2: 100.0})
    assert set(json.loads(stream.text)) == {"name", "sort"}


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"not": {"type": "string"}}, {"$ref": "#/nowhere"}])
def test_a_schema_that_cannot_be_followed_is_refused_in_a_sentence(ask: Any, runtime: Runtime, schema: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^The schema cannot be followed: .*\.$"):
        ask(grammar=json_grammar(schema))
    assert runtime.repository.messages("alice") == []


def test_a_schema_of_strange_numbers_is_no_json() -> None:
    with pytest.raises(InvalidInput, match="no JSON"):
        json_grammar({"maximum": float("inf")})


def test_a_killed_answer_in_a_grammar_is_recovered_and_can_go_on(opens: Opens) -> None:
    grammar = json_grammar(SCHEMA)
    with opens() as runtime:
        session = runtime.session("alice")
        stream = iter(session.stream("Say some JSON.", seed=3, grammar=grammar))
        tokens = [next(stream).token for _ in range(4)]
        unfinished = runtime.repository.unfinished("alice")
        assert unfinished is not None
        assert unfinished.sampling["grammar"] == grammar
        # As a killed process would: what it wrote is there, nothing more is said.
        session.copy.release()
        assert len(tokens) == 4
    with opens() as runtime, runtime.session("alice") as session:
        assert [message.role for message in session.messages()] == ["user", "assistant"]
        assert session.head.reason == "interrupted"
        session.acquire()
        assert session.messages()[-1].content
        again = session.chat([Message("user", "More.")], seed=3, grammar=grammar, max_tokens=200)
        assert set(json.loads(again.text)) == {"name", "sort"}


@pytest.mark.parametrize("least", [5e-324, 1e-300, 1e-40])
def test_settings_that_float32_cannot_hold_leave_the_best_token(least: float) -> None:
    best = int(LOGITS.argmax())
    assert set(draws(Sampling(top_p=least), count=20)) == {best}
    assert set(draws(Sampling(temperature=least), count=20)) == {best}
