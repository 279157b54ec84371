"""Functions offered to the model, with the official OpenAI client: scripted answers first, then a real model."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from perdure.runtime.calls import format_of

from ..calling import HERMES_TEMPLATE, WEATHER
from ..conftest import Opens
from .fakes import FakeRuntime
from .http_server import Api, serving

HELLO: list[Any] = [{"role": "user", "content": "How is the weather?"}]
CALLS = '<tool_call>\n{"name": "weather", "arguments": {"city": "%s"}}\n</tool_call>'
WANTED = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture
def api() -> Iterator[Api]:
    runtime = FakeRuntime()
    runtime.calls = format_of(HERMES_TEMPLATE, {})
    with serving(runtime) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def script(api: Api, *pieces: str) -> None:
    api.runtime.answer = lambda _: iter(pieces)


def say(client: openai.OpenAI, messages: list[Any] = HELLO, **options: Any) -> Any:
    given: dict[str, Any] = {"model": "tiny@alice", "messages": messages, "tools": [WEATHER], **options}
    return client.chat.completions.create(**given)


def test_calls_are_told_apart_from_text(api: Api, client: openai.OpenAI) -> None:
    script(api, "Let me look.\n", CALLS[:20], CALLS[20:] % "Bern", "\n", CALLS % "Rome")
    answer = say(client)
    message = answer.choices[0].message
    assert (message.content, answer.choices[0].finish_reason) == ("Let me look.", "tool_calls")
    assert [call.function.name for call in message.tool_calls] == ["weather"] * 2
    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == ["Bern", "Rome"]
    assert len({call.id for call in message.tool_calls}) == 2


def test_the_client_without_threads(api: Api) -> None:
    """Calls from one event loop, whole and streamed, and their outputs answered."""
    script(api, "Let me look.\n", CALLS[:20], CALLS[20:] % "Bern")
    options: dict[str, Any] = {"messages": HELLO, "tools": [WEATHER]}

    async def talk() -> None:
        async with openai.AsyncOpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
            chats = client.chat.completions
            whole = (await chats.create(model="tiny@alice", **options)).choices[0].message
            async with chats.stream(model="tiny@bob", **options) as stream:
                told = (await stream.get_final_completion()).choices[0].message
            for message in (told, whole):
                assert message.content is not None
                assert message.content.strip() == "Let me look."
                calls: list[Any] = list(message.tool_calls or [])
                assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Bern"}]
            script(api, "Sunny there.")
            output = {"role": "tool", "tool_call_id": calls[0].id, "content": "20"}
            said = [*HELLO, whole.model_dump(exclude_none=True), output]
            last = await chats.create(model="tiny@alice", **options | {"messages": said})
            assert last.choices[0].message.content == "Sunny there."

    asyncio.run(talk())
    assert [role for role, _ in api.runtime.talk("alice")] == ["user", "assistant", "tool", "assistant"]


def test_a_call_alone_has_no_content(api: Api, client: openai.OpenAI) -> None:
    script(api, CALLS % "Bern")
    assert say(client).choices[0].message.content is None
    script(api, "Just text")
    answer = say(client, [{"role": "user", "content": "Again"}])
    assert (answer.choices[0].message.tool_calls, answer.choices[0].finish_reason) == (None, "stop")


def test_calls_in_a_stream(api: Api, client: openai.OpenAI) -> None:
    script(api, "Well. ", *(CALLS % "Bern"), *(CALLS % "Rome"))
    with client.chat.completions.stream(model="tiny", messages=HELLO, tools=[WEATHER]) as stream:  # type: ignore[list-item]
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert final.message.content == "Well. "
    assert [call.function.arguments for call in final.message.tool_calls or ()] == ['{"city": "Bern"}', '{"city": "Rome"}']


def test_results_go_on_in_the_same_session_however_the_client_spells_the_call(api: Api, client: openai.OpenAI) -> None:
    script(api, CALLS % "Bern")
    first = say(client).choices[0].message
    called = first.model_dump(exclude_none=True)
    called["tool_calls"][0]["function"]["arguments"] = '{"city":"Bern"}'
    result = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": ""}
    script(api, "It is sunny.")
    answer = say(client, [*HELLO, called, result])
    assert answer.model_extra["memory"]["reconciled"] == "extended"
    assert [role for role, _ in api.runtime.talk("alice")] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("choice", ["none", "auto", "required", WANTED])
def test_what_may_be_called(api: Api, client: openai.OpenAI, choice: Any) -> None:
    script(api, CALLS % "Bern")
    answer = say(client, tool_choice=choice, parallel_tool_calls=False)
    assert (answer.choices[0].message.tool_calls is None) == (choice == "none")
    assert ("grammar" in api.runtime.sampled[-1]) == (choice not in ("none", "auto"))


def test_a_call_or_the_wanted_json(api: Api, client: openai.OpenAI) -> None:
    script(api, "{}")
    assert say(client, response_format={"type": "json_object"}).choices[0].message.content == "{}"
    assert "answer: %json" in api.runtime.sampled[-1]["grammar"]


@pytest.mark.parametrize(
    ("field", "value", "status", "param"),
    [
        ("tools", [{"type": "custom", "custom": {"name": "x"}}], 400, "/tools/0/type"),
        ("tools", [{"type": "function", "function": {"name": "no spaces"}}], 422, "/tools/0/function/name"),
        ("tools", [WEATHER, WEATHER], 422, "/tools"),
        ("tool_choice", {"type": "function", "function": {"name": "other"}}, 422, "/tool_choice"),
    ],
)
def test_tools_that_cannot_be(api: Api, field: str, value: Any, status: int, param: str) -> None:
    response = api.chat("hello", **{"tools": [WEATHER], field: value})
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


def test_parameters_that_no_call_can_be_held_to(api: Api) -> None:
    bad = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "nonsense"}}}}}
    response = api.chat("hello", tools=[bad], tool_choice="required")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json_schema")
    assert api.chat("hello", tools=[bad]).status_code == 200


def test_a_model_without_functions(api: Api) -> None:
    api.runtime.calls = None
    response = api.chat("hello", tools=[WEATHER])
    assert (response.status_code, response.json()["code"]) == (400, "unsupported_parameter")
    assert response.json()["error"]["param"] == "/tools"
    assert api.chat("hello", tools=[WEATHER], tool_choice="none").status_code == 200


def test_a_real_model_is_held_to_the_call_that_is_required(opens: Opens, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "caller"
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(HERMES_TEMPLATE)
    with opens(model=str(folder)) as runtime, serving(runtime) as api:
        with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
            options: dict[str, Any] = {"model": "caller@alice", "tool_choice": WANTED, "max_tokens": 200, "seed": 2}
            first = say(client, **options).choices[0]
            assert first.finish_reason == "tool_calls"
            call = first.message.tool_calls[0]
            assert json.loads(call.function.arguments)["city"] in ("Bern", "Rome")
            sent = first.message.model_dump(exclude_none=True)
            result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny."}
            second = say(client, [*HELLO, sent, result], **{**options, "tool_choice": "auto", "max_tokens": 8})
        told = second.model_extra["memory"]
        assert told["reconciled"] == "extended"
        assert told["tokens"]["restored"] > 50 > told["tokens"]["prefilled"]
