"""How an answer is drawn and what form it has, asked for with the official OpenAI client of a real runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from perdure.runtime import Runtime

from .http_server import Api, serving

HELLO: list[Any] = [{"role": "user", "content": "Tell me a story."}]
SCHEMA = {
    "type": "object",
    "properties": {"sort": {"enum": ["cat", "dog"]}, "legs": {"type": "integer", "maximum": 99, "minimum": 0}},
    "required": ["sort", "legs"],
    "additionalProperties": False,
}


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving(runtime) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def say(client: openai.OpenAI, **options: Any) -> Any:
    given = {"model": "model", "messages": HELLO, "max_tokens": 24, "seed": 5, "temperature": 0.9, **options}
    return client.chat.completions.create(**given)


def text(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def test_a_seed_says_the_same_again_and_settings_change_it(client: openai.OpenAI) -> None:
    first = text(say(client))
    assert text(say(client)) == first
    assert text(say(client, seed=6)) != first
    assert text(say(client, frequency_penalty=2, presence_penalty=2)) != first
    assert text(say(client, extra_body={"repetition_penalty": 5})) != first
    assert text(say(client, extra_body={"min_p": 1})) == text(say(client, temperature=0))


def test_a_bias_decides_the_answer(client: openai.OpenAI, runtime: Runtime) -> None:
    token = runtime.loaded.tokenizer.backend_tokenizer.token_to_id("x")
    assert text(say(client, logit_bias={str(token): 100}, max_tokens=3)) == "xxx"
    with pytest.raises(openai.UnprocessableEntityError, match="names token 99999"):
        say(client, logit_bias={"99999": 1})


def test_log_probabilities_in_the_shape_of_chat(client: openai.OpenAI) -> None:
    answer = say(client, logprobs=True, top_logprobs=2)
    listed = answer.choices[0].logprobs.content
    assert len(listed) == answer.usage.completion_tokens
    assert bytes(b for each in listed for b in each.bytes).decode(errors="replace").startswith(text(answer)[:5])
    for each in listed:
        assert len(each.top_logprobs) == 2
        assert each.top_logprobs[0].logprob >= each.top_logprobs[1].logprob
        assert each.logprob <= each.top_logprobs[0].logprob <= 0
    chunks = list(say(client, logprobs=True, stream=True))
    streamed = [score for chunk in chunks if chunk.choices[0].logprobs for score in chunk.choices[0].logprobs.content]
    assert [each.token for each in streamed] == [each.token for each in listed]
    assert streamed[0].top_logprobs == []


def test_a_stop_string_and_what_may_become_one_are_never_shown(client: openai.OpenAI) -> None:
    whole = text(say(client))
    stop = whole[6:9]
    cut = whole[: whole.index(stop)]
    answer = say(client, stop=[stop, "never said"])
    assert (text(answer), answer.choices[0].finish_reason) == (cut, "stop")
    pieces = [chunk.choices[0].delta.content or "" for chunk in say(client, stop=stop, stream=True)]
    assert "".join(pieces) == cut


def test_usage_at_the_end_of_a_stream(client: openai.OpenAI) -> None:
    *_, last = say(client, stream=True, stream_options={"include_usage": True}, max_tokens=4)
    assert last.choices == []
    assert last.usage.completion_tokens == 4


@pytest.mark.parametrize("seed", range(3))
def test_json_by_a_schema(client: openai.OpenAI, seed: int) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA, "strict": True}}
    answer = say(client, response_format=form, seed=seed, temperature=1.5, max_tokens=200)
    assert answer.choices[0].finish_reason == "stop"
    assert set(json.loads(text(answer))) == {"sort", "legs"}


def test_any_json_object(client: openai.OpenAI) -> None:
    answer = say(client, response_format={"type": "json_object"}, temperature=0, max_tokens=200)
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text(answer)), dict)
    assert text(answer).lstrip().startswith("{")


def test_a_cut_answer_says_so(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA}}
    assert say(client, response_format=form, max_tokens=2).choices[0].finish_reason == "length"


def test_the_client_parses_its_own_classes(client: openai.OpenAI) -> None:
    class Animal(BaseModel):
        legs: bool

    answer = client.chat.completions.parse(
        model="model", messages=HELLO, response_format=Animal, max_tokens=100, temperature=1.5
    )
    assert isinstance(answer.choices[0].message.parsed, Animal)


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"not": {"type": "string"}}])
def test_a_schema_that_cannot_be_followed(client: openai.OpenAI, runtime: Runtime, schema: Any) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with pytest.raises(openai.BadRequestError, match="The schema cannot be followed: ") as refused:
        say(client, response_format=form, model="model@alice")
    assert (refused.value.code, refused.value.param) == ("invalid_json_schema", "/response_format/json_schema/schema")
    assert runtime.sessions() == []


def test_formats_that_are_not(api: Api) -> None:
    response = api.chat("hello", response_format={"type": "json_schema"})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "/response_format/json_schema")
    assert api.chat("hello", response_format={"type": "xml"}).status_code == 422


def test_forks_draw_the_same_with_penalties_for_what_was_said_before(api: Api, client: openai.OpenAI) -> None:
    say(client, model="model@alice")
    for name in ("bob", "carol"):
        assert api.post("/v1/sessions/alice/fork", json={"name": name}).status_code == 201
    more: list[Any] = [{"role": "user", "content": "More."}]
    options = {"messages": more, "frequency_penalty": 1.5, "extra_body": {"repetition_penalty": 1.5}}
    assert text(say(client, model="model@bob", **options)) == text(say(client, model="model@carol", **options))
