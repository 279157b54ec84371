from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from perdure.api.http import HttpSettings, serve
from perdure.api.http.serve import Server, is_loopback, listen
from perdure.errors import InvalidInput

from .fakes import FakeRuntime

SCRIPT = """
from tests.api.fakes import FakeRuntime
from perdure.api.http import serve
serve(FakeRuntime(), port=0, started=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


STOPPING = """
import itertools, time
from tests.api.fakes import FakeRuntime
from perdure.api.http import HttpSettings, serve
runtime = FakeRuntime()
runtime.answer = lambda _: (str(time.sleep(0.01)) for _ in itertools.count())
serve(runtime, port=0, settings=HttpSettings(grace_seconds=GRACE), started=lambda url: print(url, flush=True))
print(runtime.repository.info("alice").head.reason, flush=True)
"""


@contextmanager
def stopping(grace: int) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, Iterator[str]]]:
    """A server in a process of its own that was told to stop in the middle of an answer."""
    here = Path(__file__).parent.parent.parent
    command = [sys.executable, "-W", "error", "-c", STOPPING.replace("GRACE", str(grace))]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(here)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            with httpx.Client(base_url=process.stdout.readline().strip(), timeout=20) as client:
                sent = {"messages": [{"role": "user", "content": "go on"}], "model": "tiny@alice", "stream": True}
                with client.stream("POST", "/v1/chat/completions", json=sent) as response:
                    lines = response.iter_lines()
                    next(line for line in lines if "None" in line)
                    process.send_signal(signal.SIGTERM)
                    yield process, client, lines
        finally:
            process.kill()


def refused(client: httpx.Client) -> httpx.Response:
    """The first answer of a server that has noticed that it is to stop."""
    while (found := client.get("/v1/models")).status_code == 200:
        pass
    return found


def test_what_is_answered_does_not_wait_for_what_was_sent_before() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_stopping_server_ends_its_streams_and_tells_others_to_come_back() -> None:
    with stopping(1) as (process, client, lines):
        found = refused(client)
        assert (found.status_code, found.json()["code"], found.headers["Retry-After"]) == (503, "unavailable", "2")
        assert client.get("/health").status_code == 200
        *_, last, done = filter(None, lines)
        assert done == "data: [DONE]"
        assert '"finish_reason":"length"' in last
        assert process.stdout is not None
        assert process.stdout.readline() == "cancelled\n"
        assert process.wait(20) == 0


def test_a_second_signal_ends_it_at_once() -> None:
    with stopping(600) as (process, client, _):
        refused(client)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_other_machines_are_refused(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(InvalidInput, match="authentication"):
        serve(FakeRuntime(), host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


def test_an_insecure_server_answers_to_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: list[HttpSettings] = []

    def run(server: Server, _: list[socket.socket]) -> None:
        app = server.config.app
        assert isinstance(app, FastAPI)
        settings.append(app.state.tenants.default.settings)

    monkeypatch.setattr(Server, "run", run)
    serve(FakeRuntime(), "0.0.0.0", 0, insecure=True)
    serve(FakeRuntime(), "127.0.0.1", 0, settings=HttpSettings(allowed_hosts=("memory.example",)))
    assert [each.allowed_hosts for each in settings] == [(), ("memory.example",)]


def test_a_port_that_is_taken_or_impossible() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidInput, match="cannot be opened"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InvalidInput, match="65535"):
        listen("127.0.0.1", 70000)
    with pytest.raises(InvalidInput, match="cannot be opened"):
        listen("no.such.host.invalid", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_caller_close_what_it_owns(number: signal.Signals) -> None:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent.parent)])
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        assert httpx.get(f"{url}/health", headers={"Host": "evil.example"}).status_code == 403
        process.send_signal(number)
        assert process.stdout.readline() == "closed\n"
        assert process.wait(20) == 0
