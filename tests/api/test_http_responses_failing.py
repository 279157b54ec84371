"""What a client of Responses sees when an answer breaks off, or its server is busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from perdure.errors import StoreFull

from .fakes import FakeRuntime, failing, parrot
from .http_server import Api, serving


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


def post(api: Api, **body: Any) -> httpx.Response:
    return api.post("/v1/responses", json={"input": "hello", **body})


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream; each is named as its data says."""
    blocks = [block.split("\n") for block in response.text.strip().split("\n\n")]
    found = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in found]
    return found


@pytest.mark.parametrize("body", [{}, {"stream": True}, {"store": False}])
def test_a_failure_before_the_first_piece_is_an_error_response(api: Api, body: dict[str, Any]) -> None:
    api.runtime.answer = failing(StoreFull("The disk is full; free some space."), 0)
    response = post(api, **body)
    assert (response.status_code, response.json()["code"]) == (507, "store_full")
    api.runtime.answer = parrot
    assert post(api).json()["output"][0]["content"][0]["text"] == "echo 1: hello"


def test_a_failure_in_the_middle_is_the_last_event_or_the_error_of_the_whole(api: Api) -> None:
    api.runtime.answer = failing(StoreFull("The disk is full; free some space."), 9)
    last = events(post(api, stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "The disk is full; free some space."}
    response = post(api)
    assert (response.status_code, response.json()["code"]) == (507, "store_full")
    begun = post(api, background=True).json()
    assert api.get(f"/v1/responses/{begun['id']}").status_code in (200, 404)


def test_a_conversation_that_is_answering_is_busy(api: Api) -> None:
    api.runtime.say("alice", "one")
    session = api.runtime.session("alice")
    session._write()
    response = post(api, conversation="alice")
    assert (response.status_code, response.json()["code"]) == (409, "session_busy")
    session.release()
    assert post(api, conversation="alice").json()["conversation"] == {"id": "alice"}


def test_instructions_come_first_and_once(api: Api) -> None:
    for _ in range(2):
        assert post(api, conversation="bob", instructions="Be kind.", memory={"create": True}).status_code == 404
    api.runtime.session("bob").close()
    for told in ("Be kind.", "Be kind.", "Be brief.", None, "Be brief."):
        post(api, conversation="bob", instructions=told)
    roles = [(role, text) for role, text in api.runtime.talk("bob") if role != "assistant"]
    assert roles == [
        ("system", "Be kind."),
        ("user", "hello"),
        ("user", "hello"),
        ("system", "Be brief."),
        ("user", "hello"),
        ("user", "hello"),
        ("user", "hello"),
    ]


def test_errors_reach_the_callers_of_the_official_client(api: Api) -> None:
    api.runtime.answer = failing(StoreFull("The disk is full; free some space."), 0)
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.InternalServerError, match="The disk is full"):
            client.responses.create(model="tiny", input="hello")
        with pytest.raises(openai.NotFoundError) as missing:
            client.responses.create(model="gpt-4", input="hello")
        assert missing.value.code == "model_not_found"


def test_unknown_fields_and_unknown_events_numbers(api: Api) -> None:
    response = post(api, mirostat=2)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "/mirostat")
    assert post(api, reasoning={"effort": "low"}, include=["reasoning.encrypted_content"], truncation="auto").is_success
    assert api.get("/v1/responses/resp_1?stream=true&starting_after=-7").status_code == 422
