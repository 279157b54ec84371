"""The application on a real socket, in a thread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from perdure.api.http import HttpSettings, create_app
from perdure.api.http.serve import Server, listen, url

from .fakes import FakeRuntime

WAIT = 20.0


class Api(httpx.Client):
    """A client of a running server, with the runtime behind it."""

    def __init__(self, base_url: str, runtime: FakeRuntime, server: Server) -> None:
        super().__init__(base_url=base_url, timeout=WAIT)
        self.runtime = runtime
        self.server = server

    def chat(self, *messages: str | dict[str, Any], headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """Plain strings take turns: user, assistant, user..."""
        roles = ("user", "assistant")
        listed = [{"role": roles[n % 2], "content": m} if isinstance(m, str) else m for n, m in enumerate(messages)]
        return self.post("/v1/chat/completions", json={"messages": listed, **body}, headers=headers)

    def remember(self, *messages: str | dict[str, Any], session: str = "alice", **body: Any) -> dict[str, Any]:
        """A chat in a session that succeeds; the answer's `memory`."""
        response = self.chat(*messages, headers={"X-Session-ID": session}, **body)
        assert response.status_code == 200, response.text
        memory: dict[str, Any] = response.json()["memory"]
        return memory


@contextmanager
def serving(runtime: Any, settings: HttpSettings | None = None) -> Iterator[Api]:
    with listen("127.0.0.1", 0) as listener:
        ready = threading.Event()
        address = url("127.0.0.1", listener)
        server = Server(create_app(runtime, settings=settings), (settings or HttpSettings()).grace_seconds)
        server.on_start = ready.set
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(WAIT)
            with Api(address, runtime, server) as api:
                yield api
        finally:
            server.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()


def eventually(condition: Callable[[], Any]) -> None:
    """Wait for something that another thread is about to do."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def frames(response: httpx.Response) -> list[Any]:
    """The data of an event stream; nothing but data lines is allowed in it."""
    blocks = response.text.strip().split("\n\n")
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    return [block[6:] if block == "data: [DONE]" else json.loads(block[6:]) for block in blocks]
