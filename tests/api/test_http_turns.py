"""Requests that meet: busy sessions, clients that go away, a server that stops."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from perdure.api.http import HttpSettings
from perdure.api.http.boundary import Boundary
from perdure.memory import records

from .fakes import FakeRuntime, parrot
from .http_server import WAIT, Api, eventually, serving


class Held:
    """An answer that gives one piece and then waits."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, messages: list[records.Message]) -> Iterator[str]:
        yield "first "
        if messages[-1].content == "hold":
            self.go.wait(WAIT)
        yield "second"


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


@pytest.fixture
def held(api: Api) -> Iterator[Held]:
    held = Held()
    api.runtime.answer = held
    yield held
    held.go.set()


def request(session: str, text: str = "hold", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "model": f"tiny@{session}", **more}


def test_a_second_request_is_busy_at_once_while_others_are_answered(api: Api, held: Held) -> None:
    with api.stream("POST", "/v1/chat/completions", json=request("alice", stream=True)) as first:
        assert next(first.iter_lines()).startswith("data: ")
        second = api.post("/v1/chat/completions", json=request("alice", "me too"))
        assert (second.status_code, second.json()["code"]) == (409, "session_busy")
        assert second.headers["Retry-After"] == "1"
        assert "x-should-retry" not in second.headers
        assert api.delete("/v1/sessions/alice").json()["code"] == "session_busy"
        assert api.post("/v1/chat/completions", json=request("bob", "hello")).status_code == 200
        assert api.get("/v1/sessions/alice/messages").status_code == 200
        held.go.set()
    assert api.runtime.repository.exists("alice")


def test_a_session_is_free_as_soon_as_its_answer_has_ended(api: Api) -> None:
    for number in range(20):
        api.post("/v1/chat/completions", json=request("alice", f"turn {number}", stream=True)).raise_for_status()
    assert api.runtime.repository.branch("alice").writer is None


def test_a_session_held_by_another_process_is_busy(api: Api) -> None:
    api.runtime.say("alice", "one")
    api.runtime.repository.branch("alice").writer = object()
    response = api.post("/v1/chat/completions", json=request("alice", "two"))
    assert (response.status_code, response.headers["Retry-After"]) == (409, "1")
    api.runtime.repository.branch("alice").writer = None
    assert api.post("/v1/chat/completions", json=request("alice", "two")).status_code == 200


def test_a_client_that_leaves_a_stream_has_what_it_saw_committed(api: Api, held: Held) -> None:
    with api.stream("POST", "/v1/chat/completions", json=request("alice", stream=True)) as response:
        lines = (line for line in response.iter_lines() if "first" in line)
        assert next(lines)
    eventually(lambda: cancelled(api))
    held.go.set()
    eventually(lambda: api.runtime.repository.branch("alice").writer is None)
    assert api.runtime.talk("alice") == [("user", "hold"), ("assistant", "first ")]
    assert api.runtime.repository.info("alice").head.reason == "cancelled"


def test_nothing_is_written_to_a_client_that_is_gone() -> None:
    """The loop finds out that a connection is lost when it next has its turn, though all of the stream is there already."""
    written, gone = [], asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(1000):
                yield b"%d" % number

        await StreamingResponse(parts())(scope, receive, send)

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        written.append(message)
        if message.get("body") == b"2":
            asyncio.get_running_loop().call_soon(gone.set)

    scope = {"type": "http", "asgi": {"spec_version": "2.3"}, "method": "GET", "path": "/", "headers": []}
    asyncio.run(Boundary(app, HttpSettings(), lambda: False)(scope, receive, send))
    assert 4 <= len(written) < 10


def test_a_client_that_leaves_before_an_answer_stops_it(api: Api, held: Held) -> None:
    with pytest.raises(httpx.ReadTimeout):
        api.post("/v1/chat/completions", json=request("alice"), timeout=0.3)
    eventually(lambda: cancelled(api))
    held.go.set()
    eventually(lambda: api.runtime.repository.branch("alice").head.turn == 1)
    assert api.runtime.talk("alice")[-1] == ("assistant", "first ")


def cancelled(api: Api) -> bool:
    return any(stream.cancelled for stream in api.runtime.streams)


def test_stopping_the_server_commits_what_is_under_way() -> None:
    runtime = FakeRuntime()
    pause = threading.Event()
    runtime.answer = lambda _: (str(pause.wait(0.01)) for _ in itertools.count())
    url, body = "/v1/chat/completions", request("alice", stream=True)
    with serving(runtime, HttpSettings(grace_seconds=0)) as api, api.stream("POST", url, json=body) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if "False" in line)
        api.server.should_exit = True
        *_, last, done = filter(None, lines)
    assert done == "data: [DONE]"
    assert '"finish_reason":"length"' in last
    assert "The server stopped" in last
    assert runtime.talk("alice")[-1][1].startswith("False")
    assert runtime.repository.info("alice").head.reason == "cancelled"
    assert runtime.repository.branch("alice").writer is None
    assert runtime.closed == ["alice"]


def test_a_request_whose_client_left_while_it_waited_writes_nothing() -> None:
    runtime = FakeRuntime()
    held = runtime.answer = Held()
    with serving(runtime, HttpSettings(workers=1)) as api:
        url = "/v1/chat/completions"
        with api.stream("POST", url, json=request("alice", stream=True)) as response:
            assert next(response.iter_lines())
            with pytest.raises(httpx.ReadTimeout):
                api.post(url, json=request("bob", "hello"), timeout=0.3)
            assert api.get("/health").status_code == 200
            held.go.set()
        eventually(lambda: api.post(url, json=request("carol", "hello")).status_code == 200)
        assert not runtime.repository.exists("bob")
        assert api.post(url, json=request("bob", "hello")).json()["memory"]["reconciled"] == "started"


def test_the_warmest_sessions_stay_open_and_all_are_closed_at_the_end() -> None:
    runtime = FakeRuntime()
    with serving(runtime, HttpSettings(warm_sessions=2)) as api:
        for name in ("a", "b", "a", "c", "a"):
            api.post("/v1/chat/completions", json=request(name, f"hello {len(runtime.sampled)}")).raise_for_status()
        assert runtime.opened == ["a", "b", "c"]
        assert runtime.closed == ["b"]
    assert sorted(runtime.closed, key=str) == ["a", "b", "c"]


def test_a_warm_session_that_was_deleted_elsewhere_is_made_anew(api: Api) -> None:
    api.post("/v1/chat/completions", json=request("alice", "one")).raise_for_status()
    api.runtime.repository.remove("alice")
    memory = api.post("/v1/chat/completions", json=request("alice", "two")).json()["memory"]
    assert memory["reconciled"] == "started"
    assert api.runtime.closed == ["alice"]


def test_many_clients_of_one_session_lose_nothing(api: Api) -> None:
    api.runtime.answer = parrot
    done: list[int] = []

    def client(number: int) -> None:
        while api.post("/v1/chat/completions", json=request("alice", f"from {number}")).status_code == 409:
            pass
        done.append(number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    said = [content for role, content in api.runtime.talk("alice") if role == "user"]
    assert sorted(said) == [f"from {number}" for number in range(6)]
    assert sorted(done) == list(range(6))


def test_a_stopping_server_takes_nothing_more(api: Api) -> None:
    app = api.server.config.app
    assert isinstance(app, FastAPI)
    app.state.tenants.default.turns.cancel()
    for response in (api.get("/health/ready"), api.post("/v1/chat/completions", json=request("alice", "hello"))):
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert api.get("/health").status_code == 200
