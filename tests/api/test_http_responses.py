"""Responses with the official OpenAI client of a real runtime: told in events, gone on from, forked, after a restart."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from perdure.api.http import HttpSettings
from perdure.runtime import Runtime

from ..calling import HERMES_TEMPLATE, WEATHER
from ..conftest import Opens
from .http_server import Api, eventually, serving

STORY = "Once upon a time a lighthouse stood on a rock, and a keeper lived in it with his cat. " * 4
TOOL: dict[str, Any] = {"type": "function", **WEATHER["function"]}


@contextmanager
def client_of(runtime: Runtime, settings: HttpSettings | None = None) -> Iterator[openai.OpenAI]:
    with (
        serving(runtime, settings) as api,
        openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


@pytest.fixture
def client(runtime: Runtime) -> Iterator[openai.OpenAI]:
    with client_of(runtime) as client:
        yield client


def say(client: openai.OpenAI, said: Any, **options: Any) -> Any:
    return client.responses.create(**{"model": "model", "input": said, "max_output_tokens": 12, **options})


def memory(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = response.model_extra["memory"]
    return found


def test_a_response_and_its_text(client: openai.OpenAI, runtime: Runtime) -> None:
    found = say(client, "Hello", metadata={"a": "b"}, temperature=0.5, instructions="Be kind.")
    session = memory(found)["session"]
    assert found.output_text == runtime.repository.messages(session)[-1].content.rstrip()
    assert (found.object, found.status, found.metadata) == ("response", found.status, {"a": "b"})
    assert found.status in ("completed", "incomplete")
    assert found.usage.output_tokens == runtime.repository.info(session).head.metrics["generated"]
    assert found.usage.input_tokens_details.cached_tokens == 0
    assert found.usage.output_tokens_details.model_dump() == {"reasoning_tokens": 0}
    assert 0 <= memory(found)["tokens"]["accepted"] <= memory(found)["tokens"]["drafted"]
    assert [m.role for m in runtime.repository.messages(session)] == ["system", "user", "assistant"]
    cut = say(client, "Hello", max_output_tokens=1)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_events_come_in_order_and_make_the_same_body(client: openai.OpenAI) -> None:
    told = list(say(client, "Hello", stream=True))
    assert [event.sequence_number for event in told] == list(range(len(told)))
    kinds = [event.type for event in told]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:-1] == ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
    final = told[-1].response
    assert "".join(event.delta for event in told if event.type == "response.output_text.delta") == final.output_text
    assert client.responses.retrieve(final.id).output == final.output


def test_two_answers_to_the_same_response_have_branches_of_their_own(client: openai.OpenAI, runtime: Runtime) -> None:
    first = say(client, STORY)
    one = say(client, "And then?", previous_response_id=first.id)
    other = say(client, "Why?", previous_response_id=first.id)
    again = say(client, "And now?", previous_response_id=one.id)
    names = [memory(each)["session"] for each in (first, one, other, again)]
    assert names[0] == names[1] == names[3] != names[2]
    assert memory(one)["parent"] == memory(other)["parent"] == memory(first)["commit"]
    kept = runtime.repository.resolve(memory(first)["commit"]).tokens
    assert memory(one)["tokens"]["restored"] == memory(other)["tokens"]["restored"] == kept > 128
    assert other.usage.input_tokens_details.cached_tokens == kept
    assert one.previous_response_id == other.previous_response_id == first.id
    assert [m.content for m in runtime.repository.messages(names[2])][2] == "Why?"


def test_responses_survive_a_restart_and_an_old_one_can_be_forked(opens: Opens) -> None:
    with opens() as runtime, client_of(runtime) as client:
        told = list(say(client, STORY, stream=True, metadata={"k": "v"}, instructions="Be kind."))
        first = told[-1].response
        second = say(client, "And then?", previous_response_id=first.id)
    with opens() as runtime, client_of(runtime) as client:
        found = client.responses.retrieve(first.id)
        assert found.output == first.output
        assert (found.usage, found.metadata, found.created_at) == (first.usage, {"k": "v"}, first.created_at)
        assert found.instructions == "Be kind."
        again = list(client.responses.retrieve(first.id, stream=True))
        assert [(e.type, e.sequence_number) for e in again] == [(e.type, e.sequence_number) for e in told]
        rest = list(client.responses.retrieve(first.id, stream=True, starting_after=5))
        assert [event.sequence_number for event in rest] == [event.sequence_number for event in told[6:]]
        fork = say(client, "Why?", previous_response_id=first.id)
        assert memory(fork)["session"] != memory(second)["session"]
        assert memory(fork)["parent"] == memory(first)["commit"]
        items = client.responses.input_items.list(first.id, order="asc").data
        (item,) = (each.model_dump() for each in items)
        assert (item["role"], item["content"][0]["text"]) == ("user", STORY)


def test_what_is_not_stored_leaves_nothing_and_reuses_what_was_computed(client: openai.OpenAI, runtime: Runtime) -> None:
    first = say(client, STORY)
    before = [(info.name, info.head) for info in runtime.sessions()]
    found = say(client, "And then?", previous_response_id=first.id, store=False)
    assert memory(found)["commit"] is None
    assert memory(found)["tokens"]["reused"] >= 128
    assert [(info.name, info.head) for info in runtime.sessions()] == before
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(found.id)


def test_what_is_not_there(client: openai.OpenAI) -> None:
    first = say(client, "Hello")
    for wrong in ("resp_x", "nonsense", first.id[:-1] + ("0" if first.id[-1] != "0" else "1")):
        with pytest.raises(openai.NotFoundError) as missing:
            client.responses.retrieve(wrong)
        assert missing.value.code == "response_not_found"
    with pytest.raises(openai.NotFoundError) as missing:
        say(client, "Hello", previous_response_id="resp_x")
    assert missing.value.param == "/previous_response_id"
    with pytest.raises(openai.NotFoundError) as missing:
        say(client, "Hello", conversation="nobody")
    assert missing.value.code == "session_not_found"


def test_deleting_takes_back_the_last_answer_only(client: openai.OpenAI, runtime: Runtime) -> None:
    first = say(client, "Hello")
    second = say(client, "And?", previous_response_id=first.id)
    with pytest.raises(openai.ConflictError) as busy:
        client.responses.delete(first.id)
    assert busy.value.code == "response_in_use"
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)
    assert client.responses.retrieve(first.id).id == first.id
    client.responses.delete(first.id)
    assert runtime.sessions() == []


def test_a_response_in_the_background_is_polled_followed_and_cancelled(client: openai.OpenAI) -> None:
    begun = say(client, "Hello", background=True, max_output_tokens=1500)
    assert begun.status == "in_progress"
    stream = client.responses.retrieve(begun.id, stream=True)
    kinds = []
    for event in stream:
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            cancelled = client.responses.cancel(begun.id)
            assert cancelled.status in ("cancelled", "completed")
    assert kinds[-1] in ("response.incomplete", "response.completed")
    found = client.responses.retrieve(begun.id)
    assert found.status == cancelled.status
    assert found.output == cancelled.output
    done = say(client, "Hello")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(done.id)


def test_a_stream_in_the_background_goes_on_without_its_reader(client: openai.OpenAI) -> None:
    with say(client, "Hello", background=True, stream=True, max_output_tokens=40) as stream:
        begun = next(iter(stream)).response
    eventually(lambda: client.responses.retrieve(begun.id).status != "in_progress")
    assert client.responses.retrieve(begun.id).status in ("completed", "incomplete")


def test_a_response_whose_session_is_still_answering_is_followed_in_a_fork(client: openai.OpenAI) -> None:
    first = say(client, STORY)
    options: dict[str, Any] = {"previous_response_id": first.id, "background": True, "max_output_tokens": 300}
    begun = [say(client, f"Question {number}", **options) for number in range(3)]
    with pytest.raises(openai.ConflictError) as early:
        say(client, "And?", previous_response_id=begun[0].id)
    assert early.value.code == "response_in_use"
    streams: list[Any] = [client.responses.retrieve(each.id, stream=True) for each in begun]
    ended = [list(stream)[-1].response for stream in streams]
    assert len({memory(each)["session"] for each in ended}) == 3
    assert {memory(each)["parent"] for each in ended} == {memory(first)["commit"]}


def test_a_stopping_server_commits_what_was_said_in_the_background(opens: Opens) -> None:
    with opens() as runtime:
        with client_of(runtime, HttpSettings(grace_seconds=0)) as client:
            begun = say(client, "Hello", background=True, max_output_tokens=1500, extra_body={"seed": 1})
            for event in client.responses.retrieve(begun.id, stream=True):
                if event.type == "response.output_text.delta":
                    break
        with client_of(runtime) as client:
            assert client.responses.retrieve(begun.id).status in ("cancelled", "completed")


def test_a_response_that_a_killed_process_left_is_finished_when_it_is_asked_for(opens: Opens) -> None:
    with opens() as runtime:
        session = runtime.session("alice")
        uid = runtime.repository.info("alice").uid
        name = f"resp_{uid}_{'0' * 24}"
        note = {"response": name, "created": 5, "called": [], "echo": {"instructions": None, "background": False}}
        stream = iter(session.stream("Hello", note=note))
        next(stream)
        session.copy.release()
    with opens() as runtime, serving(runtime) as api:
        found = api.get(f"/v1/responses/{name}").json()
        assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": "interrupted"})


def test_the_client_without_threads(runtime: Runtime) -> None:
    """The same from one event loop: whole and streamed at once, gone on from, in the background, in a conversation."""
    options: dict[str, Any] = {"model": "model", "max_output_tokens": 8}

    async def streamed(client: openai.AsyncOpenAI, after: str) -> Any:
        stream = await client.responses.create(input="Why?", previous_response_id=after, stream=True, **options)
        return [event async for event in stream][-1].response

    async def talk(url: str) -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            first = await client.responses.create(input="Hello", **options)
            begun = client.responses.create(input="And?", previous_response_id=first.id, **options)
            one, other = await asyncio.gather(begun, streamed(client, first.id))
            assert {memory(each)["parent"] for each in (one, other)} == {memory(first)["commit"]}
            assert (await client.responses.retrieve(other.id)).output == other.output
            async with client.responses.stream(input="So?", previous_response_id=other.id, **options) as helper:
                told: list[Any] = [event async for event in helper]
            assert told[-1].response.previous_response_id == other.id
            ids = [item.id async for item in client.responses.input_items.list(one.id)]
            assert len(ids) == 1
            waiting = await client.responses.create(input="Later", background=True, **options)
            while (waiting := await client.responses.retrieve(waiting.id)).status in ("queued", "in_progress"):
                await asyncio.sleep(0.005)
            again = [event async for event in await client.responses.retrieve(waiting.id, stream=True, starting_after=1)]
            assert [event.sequence_number for event in again] == list(range(2, 2 + len(again)))
            made = await client.conversations.create()
            said = await client.responses.create(input="Hello", conversation=made.id, **options)
            assert len([item async for item in client.conversations.items.list(made.id)]) == 2
            await client.responses.delete(said.id)
            with pytest.raises(openai.NotFoundError) as missing:
                await client.responses.retrieve(said.id)
            assert missing.value.code == "response_not_found"

    with serving(runtime) as api:
        asyncio.run(talk(f"{api.base_url}/v1"))


def test_json_by_a_schema(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    form: Any = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    with client.responses.stream(model="model", input="Hello", text=form, max_output_tokens=100) as stream:
        assert "ok" in stream.get_final_response().output_text
    found = say(client, "Hello", text=form, max_output_tokens=100)
    assert found.output_text.replace(" ", "").replace("\n", "") in ('{"ok":true}', '{"ok":false}')
    assert client.responses.retrieve(found.id).text.format.type == "json_schema"  # type: ignore[union-attr]
    bad = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "nonsense"}}}
    with pytest.raises(openai.BadRequestError) as refused:
        say(client, "Hello", text=bad)
    assert (refused.value.code, refused.value.param) == ("invalid_json_schema", "/text/format/schema")


def test_a_function_is_called_and_its_output_answered(opens: Opens, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "caller"
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(HERMES_TEMPLATE)
    options: dict[str, Any] = {"model": "caller", "tools": [TOOL], "max_output_tokens": 200, "extra_body": {"seed": 2}}
    with opens(model=str(folder)) as runtime, client_of(runtime) as client:
        told = list(say(client, "Weather?", tool_choice={"type": "function", "name": "weather"}, stream=True, **options))
        assert "response.function_call_arguments.done" in [event.type for event in told]
        call = told[-1].response.output[0]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
        second = say(client, [output], previous_response_id=told[-1].response.id, **options)
        assert memory(second)["tokens"]["restored"] > 100
    with opens(model=str(folder)) as runtime, client_of(runtime) as client:
        assert client.responses.retrieve(told[-1].response.id).output == [call]
        (item,) = client.responses.input_items.list(second.id).data
        assert (item.type, item.call_id) == ("function_call_output", call.call_id)  # type: ignore[union-attr]
        whole = [{"role": "user", "content": "Weather?"}, call.model_dump(exclude_none=True), output]
        assert say(client, whole, store=False, **options).status in ("completed", "incomplete")


@pytest.mark.parametrize(
    ("options", "status", "param"),
    [
        ({"input": []}, 422, "/input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, 400, "/input/0/type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 400, "/input/0/content/0/type"),
        ({"input": [{"role": "assistant", "content": "x"}]}, 422, "/input/0"),
        ({"prompt": {"id": "x"}}, 400, "/prompt"),
        ({"top_logprobs": 2}, 400, "/top_logprobs"),
        ({"background": True, "store": False}, 400, "/store"),
        ({"previous_response_id": "resp_1", "conversation": "x"}, 422, "/previous_response_id"),
        ({"metadata": {"k" * 65: "v"}}, 422, "/metadata"),
        ({"tools": [{"type": "web_search"}]}, 400, "/tools/0/type"),
        ({"tools": [TOOL]}, 400, "/tools"),
    ],
)
def test_what_cannot_be_asked(runtime: Runtime, options: dict[str, Any], status: int, param: str) -> None:
    with serving(runtime) as api:
        response = api.post("/v1/responses", json={"input": "hello", **options})
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text


# Conversations


def test_a_conversation_is_a_session(client: openai.OpenAI, runtime: Runtime) -> None:
    made = client.conversations.create()
    first = say(client, "Hello", conversation=made.id)
    say(client, "And?", conversation={"id": made.id})
    assert memory(first)["session"] == made.id
    assert first.conversation.id == made.id
    items = client.conversations.items.list(made.id, order="asc").data
    assert [item.role for item in items] == ["user", "assistant"] * 2  # type: ignore[union-attr]
    assert client.conversations.items.retrieve(items[0].id or "", conversation_id=made.id) == items[0]
    assert client.conversations.retrieve(made.id).created_at == made.created_at
    with pytest.raises(openai.BadRequestError):
        client.conversations.create(items=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve("msg_99", conversation_id=made.id)
    assert client.conversations.delete(made.id).deleted
    assert runtime.sessions() == []
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_any_session_is_a_conversation(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="model@alice", messages=[{"role": "user", "content": "Hello"}], max_tokens=4)
    assert len(client.conversations.items.list("alice").data) == 2
    assert say(client, "And?", conversation="alice").conversation.id == "alice"


# Completions and embeddings


def test_a_plain_text_is_gone_on_with(client: openai.OpenAI, runtime: Runtime) -> None:
    options: dict[str, Any] = {"model": "model", "prompt": STORY, "max_tokens": 8, "seed": 3}
    whole = client.completions.create(**options, logprobs=2)
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == len(runtime.loaded.tokenizer.backend_tokenizer.encode(STORY).ids)
    scores = whole.choices[0].logprobs
    assert scores is not None
    assert len(scores.tokens or ()) == len(scores.top_logprobs or ()) == whole.usage.completion_tokens
    chunks = list(client.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens_details is not None
    assert (chunks[-1].usage.prompt_tokens_details.cached_tokens or 0) >= 128
    assert runtime.sessions() == []
    for wrong in ({"echo": True}, {"suffix": "x"}, {"best_of": 2}, {"prompt": ["a", "b"]}, {"prompt": [1, 2]}):
        with pytest.raises(openai.BadRequestError):
            client.completions.create(**{**options, **wrong})


def test_embeddings_are_those_that_memories_are_found_by(opens: Opens) -> None:
    from perdure.testing.encoder import HashedWords

    encoder = HashedWords()
    with opens(encoder=encoder) as runtime, client_of(runtime) as client:
        packed = client.embeddings.create(model="model", input=["a cat", "a dog"])
        plain = client.embeddings.create(model="model", input="a cat", encoding_format="float", dimensions=encoder.dim)
        assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)
        assert plain.data[0].embedding == pytest.approx(encoder.encode(["a cat"])[0].tolist())
        assert packed.usage.total_tokens == 4
        for wrong in ({"dimensions": 7}, {"input": [1, 2]}, {"input": [[1], [2]]}):
            with pytest.raises(openai.BadRequestError):
                client.embeddings.create(**dict[str, Any]({"model": "model", "input": "x", **wrong}))
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="text-embedding-3-small", input="x")
        with pytest.raises(openai.UnprocessableEntityError):
            client.embeddings.create(model="model", input=[""])


def test_without_the_encoder_there_are_none(runtime: Runtime) -> None:
    with serving(runtime) as api:
        assert _embed(api).json()["code"] == "model_not_found"


def _embed(api: Api) -> Any:
    return api.post("/v1/embeddings", json={"input": "x"})
