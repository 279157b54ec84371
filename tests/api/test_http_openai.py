"""The official OpenAI client against a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from perdure.errors import StoreFull

from .fakes import FakeRuntime, failing
from .http_server import Api, serving

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def memory(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.model_extra["memory"]
    return found


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "perdure"


def test_an_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny@alice", messages=HELLO, max_completion_tokens=9, seed=1)
    assert answer.choices[0].message.content == "echo 1: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert memory(answer)["session"] == "alice"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


def test_a_stream(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="tiny",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers={"X-Session-ID": "alice"},
        )
    )
    *content, usage = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in content) == "echo 1: hello"
    assert usage.usage is not None
    assert usage.usage.total_tokens == 3
    assert memory(content[0])["session"] == "alice"
    assert len(memory(content[-1])["commit"]) == 64


def test_the_streaming_helper_collects_the_whole_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="tiny", messages=HELLO) as stream:
        assert stream.get_final_completion().choices[0].message.content == "echo 1: hello"


def test_a_conversation_in_the_habit_of_clients(api: Api, client: openai.OpenAI) -> None:
    history: list[ChatCompletionMessageParam] = [{"role": "system", "content": "be kind"}]
    for turn in ("one", "two", "three"):
        history.append({"role": "user", "content": [{"type": "text", "text": turn}]})
        answer = client.chat.completions.create(model="tiny@alice", messages=history)
        history.append({"role": "assistant", "content": answer.choices[0].message.content})
    assert len(api.runtime.talk("alice")) == len(history)
    assert memory(answer)["reconciled"] == "extended"


def test_errors_have_a_code_and_a_sentence(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="tiny", messages=HELLO, extra_body={"conversation": "nobody"})
    assert missing.value.code == "session_not_found"
    assert "nobody" in missing.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="tiny", messages=HELLO, n=3)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "/n")
    with pytest.raises(openai.UnprocessableEntityError) as invalid:
        client.chat.completions.create(model="tiny", messages=HELLO, temperature=9)
    assert invalid.value.param == "/temperature"


def test_a_conflict_that_no_retry_mends_is_not_retried(api: Api, client: openai.OpenAI) -> None:
    api.runtime.say("alice", "one", "two")
    body = {"conversation": "alice", "memory": {"input": "history", "on_divergence": "error"}}
    before = len(api.runtime.opened)
    with pytest.raises(openai.ConflictError) as diverged:
        client.with_options(max_retries=2).chat.completions.create(model="tiny", messages=HELLO, extra_body=body)
    assert diverged.value.code == "history_diverged"
    assert len(api.runtime.opened) == before + 1


def test_a_failure_in_a_stream_reaches_the_caller(api: Api, client: openai.OpenAI) -> None:
    api.runtime.answer = failing(StoreFull("The disk is full; free some space."), 1)
    stream = client.chat.completions.create(model="tiny", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="The disk is full"):
        list(stream)


def test_closing_a_stream_commits_what_was_seen(api: Api, client: openai.OpenAI) -> None:
    api.remember("one")
    with client.chat.completions.create(model="tiny@alice", messages=HELLO, stream=True) as stream:
        next(iter(stream))
    answer = client.with_options(max_retries=5).chat.completions.create(model="tiny@alice", messages=HELLO)
    assert memory(answer)["reconciled"] == "delta"
    assert [content for role, content in api.runtime.talk("alice") if role == "user"] == ["one", "hello", "hello"]


def test_the_client_without_threads(api: Api) -> None:
    """The same from one event loop: two chats at once, one of them streamed, and a refusal."""

    async def streamed(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="tiny@bob", messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def talk() -> None:
        async with openai.AsyncOpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
            whole = client.chat.completions.create(model="tiny@alice", messages=HELLO)
            answer, text = await asyncio.gather(whole, streamed(client))
            assert answer.choices[0].message.content == text == "echo 1: hello"
            plain = await client.completions.create(model="tiny", prompt="Once")
            assert plain.choices[0].text == "echo 1: Once"
            assert len((await client.embeddings.create(model="tiny", input=["a", "b"])).data) == 2
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("nothing")

    asyncio.run(talk())
    assert api.runtime.talk("alice") == api.runtime.talk("bob")
