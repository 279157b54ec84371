"""The server over a real runtime with a tiny model, spoken to by the official OpenAI client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from perdure.runtime import Runtime

from ..conftest import Opens
from .http_server import Api, serving

STORY = "Once upon a time a lighthouse stood on a rock, and a keeper lived in it with his cat. " * 8


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving(runtime) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def say(client: openai.OpenAI, *messages: str, session: str | None = "alice", **options: Any) -> Any:
    listed = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(messages)]
    headers = {"X-Session-ID": session} if session else {}
    return client.chat.completions.create(
        model="model",
        messages=listed,  # type: ignore[arg-type]
        max_tokens=16,
        extra_headers=headers,
        **options,
    )


def test_a_resent_history_is_continued_and_its_tokens_are_cached(client: openai.OpenAI, runtime: Runtime) -> None:
    first = say(client, STORY)
    second = say(client, STORY, first.choices[0].message.content, "And then?")
    kept = runtime.repository.log("alice")[1].tokens
    assert second.usage.prompt_tokens_details.cached_tokens == kept
    assert second.usage.prompt_tokens > kept
    assert len(runtime.repository.messages("alice")) == 4
    assert second.model_extra["memory"]["reconciled"] == "extended"


def test_a_diverging_history_forks_and_the_original_stays(client: openai.OpenAI, runtime: Runtime) -> None:
    first = say(client, STORY)
    say(client, STORY, first.choices[0].message.content, "And then?")
    before = runtime.repository.info("alice").head
    other = say(client, STORY, first.choices[0].message.content, "Start over, please.")
    fork = other.model_extra["memory"]["session"]
    assert fork != "alice"
    assert runtime.repository.info("alice").head == before
    assert [m.content for m in runtime.repository.messages(fork)][2] == "Start over, please."
    assert other.usage.prompt_tokens_details.cached_tokens > 0


def test_a_stream_and_its_memory(client: openai.OpenAI, runtime: Runtime) -> None:
    chunks = list(say(client, "Hello.", stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == runtime.repository.messages("alice")[-1].content
    assert chunks[-1].usage.total_tokens > 0


def test_without_a_session_nothing_is_kept_but_prefixes_are_shared(client: openai.OpenAI, runtime: Runtime) -> None:
    say(client, STORY, session=None)
    again = say(client, STORY, session=None)
    assert again.usage.prompt_tokens_details.cached_tokens >= 128
    assert runtime.sessions() == []


def test_a_session_survives_the_server(opens: Opens) -> None:
    for turn in range(2):
        with opens() as runtime, serving(runtime) as api:
            memory = api.remember("Hello." if turn == 0 else "Still there?", max_tokens=8)
            assert (memory["tokens"]["restored"] > 0) == (turn > 0)


def test_another_writer_makes_it_busy(opens: Opens, client: openai.OpenAI) -> None:
    say(client, "Hello.")
    with opens() as other:
        held = other.session("alice")
        held.acquire()
        with pytest.raises(openai.ConflictError) as caught:
            say(client, "Me too.")
        held.release()
    assert caught.value.response.json()["code"] == "session_busy"
    say(client, "Now me.")


def test_forks_reads_and_health(api: Api, client: openai.OpenAI) -> None:
    say(client, STORY)
    fork = api.post("/v1/sessions/alice/fork", json={"name": "bob"})
    assert fork.status_code == 201
    assert fork.json()["bytes_copied"] == 0
    assert {item["id"] for item in api.get("/v1/sessions").json()["data"]} == {"alice", "bob"}
    assert api.get("/v1/sessions/bob/messages").json()["data"][0]["content"] == STORY
    assert api.get("/health").status_code == api.get("/health/ready").status_code == 200
