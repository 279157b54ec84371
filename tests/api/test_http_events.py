"""Events: what is told, taking up a stream again, and clients that are slow or gone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from perdure.api.http.events import frames
from perdure.api.http.feed import Feed
from perdure.api.http.jobs import Cancelled, Chore, Done, Progress
from perdure.memory.amending import merge_branch

from ..conftest import Opens
from .fakes import FakeRuntime
from .http_server import Api, eventually, serving
from .remembering import FILLER, small

Event = tuple[str, str, dict[str, Any]]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


def parsed(text: str) -> list[Event]:
    """(id, kind, data) of each event; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


@contextmanager
def listening(api: Api, session: str | None = None, last: str | None = None) -> Iterator[list[str]]:
    """The text of a stream, growing while the block runs; the client then goes away."""
    path = "/v1/events" if session is None else f"/v1/sessions/{session}/events"
    chunks: list[str] = []
    ready = threading.Event()
    leave = threading.Event()

    def read() -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        with httpx.stream("GET", f"{api.base_url}{path}", headers=headers, timeout=20) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            for chunk in response.iter_text():
                chunks.append(chunk)
                ready.set()
                if leave.is_set():
                    return

    thread = threading.Thread(target=read)
    thread.start()
    assert ready.wait(20)
    try:
        yield chunks
    finally:
        leave.set()
        api.server._tenants.default.feed.tell("over", session)
        thread.join(20)
        assert not thread.is_alive()


def kinds(chunks: list[str], session: str | None = None) -> list[str]:
    return [kind for _, kind, data in parsed("".join(chunks)) if session is None or data["session"] == session]


def test_what_happens_to_sessions_is_told(api: Api) -> None:
    with listening(api) as chunks:
        api.remember("one", session="alice")
        eventually(lambda: "session.loaded" in kinds(chunks))
        api.delete("/v1/sessions/alice")
        eventually(lambda: "session.unloaded" in kinds(chunks))
        assert "session.deleted" in kinds(chunks)
    assert {data["object"] for _, kind, data in parsed("".join(chunks)) if kind != "over"} == {"event"}


def test_a_stream_is_taken_up_where_it_broke_off(api: Api) -> None:
    feed = api.server._tenants.default.feed
    with listening(api) as chunks:
        feed.tell("first", "alice")
        eventually(lambda: "first" in kinds(chunks))
    last = next(name for name, kind, _ in parsed("".join(chunks)) if kind == "first")
    feed.tell("second", "alice")
    feed.tell("third", "bob")
    with listening(api, last=last) as again:
        eventually(lambda: "third" in kinds(again))
        assert [kind for kind in kinds(again) if kind != "over"] == ["second", "third"]
    with listening(api, last="0000-7") as unknown:
        eventually(lambda: "third" in kinds(unknown))
        assert kinds(unknown)[0] == "events.lost"


def test_a_sessions_stream_has_its_events_alone(api: Api) -> None:
    api.runtime.say("alice", "one")
    feed = api.server._tenants.default.feed
    missing = api.get("/v1/sessions/nobody/events")
    assert (missing.status_code, missing.json()["code"]) == (404, "session_not_found")
    with listening(api, "alice") as chunks:
        feed.tell("theirs", "bob")
        feed.tell("ours", "alice")
        eventually(lambda: "ours" in kinds(chunks))
        assert "theirs" not in kinds(chunks)


def test_a_client_that_went_away_is_forgotten(api: Api) -> None:
    feed = api.server._tenants.default.feed
    with httpx.stream("GET", f"{api.base_url}/v1/events", timeout=20) as response:
        pieces = response.iter_bytes()
        next(pieces)
        eventually(lambda: feed.listeners == 1)
    eventually(lambda: feed.listeners == 0)


def test_a_stream_ends_with_the_server() -> None:
    with serving(FakeRuntime()) as api:
        stream = httpx.Client(timeout=20)
        request = stream.send(stream.build_request("GET", f"{api.base_url}/v1/events"), stream=True)
        pieces = request.iter_bytes()
        next(pieces)
    assert list(pieces) == []
    stream.close()


# the feed


def collected(feed: Feed, last: str | None, count: int, ping: float = 20.0) -> list[str]:
    async def read() -> list[str]:
        stream, found = frames(feed, None, last, ping), []
        async for piece in stream:
            found.append(piece.decode())
            if len(found) == count:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return found

    return asyncio.run(read())


def test_a_slow_client_is_told_what_it_missed_and_holds_nobody_up() -> None:
    feed = Feed(kept=3)

    async def read() -> list[str]:
        stream = frames(feed, None, None)
        found = [(await anext(stream)).decode()]
        for number in range(10):
            feed.tell(f"kind{number}")
        found += [(await anext(stream)).decode() for _ in range(4)]
        await stream.aclose()  # type: ignore[attr-defined]
        return found

    events = parsed("".join(asyncio.run(read())))
    assert [kind for _, kind, _ in events] == ["events.lost", "kind7", "kind8", "kind9"]
    assert events[0][2] == {"lost": 7}
    assert feed.listeners == 0


def test_silence_is_broken_by_comments() -> None:
    assert collected(Feed(), None, 3, ping=0.01) == [": listening\n\n", ": ping\n\n", ": ping\n\n"]


@pytest.mark.parametrize("name", ["", "x", "7", "{word}-", "{word}-99", "{word}--1", "{word}-1x", "{word}-" + "9" * 30])
def test_ids_of_another_server_are_not_taken_for_its_own(name: str) -> None:
    feed = Feed()
    feed.tell("one")
    word = feed.name(1).partition("-")[0]
    assert feed.number(feed.name(1)) == 1
    assert feed.number(name.format(word=word)) is None


def test_a_closed_feed_ends_its_streams() -> None:
    feed = Feed()
    feed.close()
    assert collected(feed, None, 99) == [": listening\n\n"]


def test_how_far_a_job_is_is_told() -> None:
    def counts(progress: Progress, cancelled: Cancelled) -> Done:
        for number in range(1, 4):
            progress(number, 3)
        return Done({}, True)

    with serving(FakeRuntime()) as api:
        hub = api.server._tenants.default
        job = hub.jobs.run(Chore("count", counts, about="alice"))
        told = [(each.kind, each.data) for each in hub.feed.after(0).found if each.session == "alice"]
        assert [told[0][0], told[-1][0]] == ["job.started", "job.completed"]
        assert {kind for kind, _ in told[1:-1]} == {"job.progress"}
        assert told[1][1] == {"job": job.id, "kind": "count", "done": 1, "total": 3}
        assert told[-2][1]["done"] == 3


# a real store


def test_memories_moves_and_jobs_are_told(opens: Opens) -> None:
    with small(opens) as runtime, serving(runtime) as api:
        feed = api.server._tenants.default.feed

        def told(session: str = "alice") -> list[tuple[str, Any]]:
            api.server._tenants.default.watcher.look()
            return [(each.kind, each.data) for each in feed.after(0).found if each.session == session]

        for turn in range(4):
            api.remember(f"{turn} " + FILLER * 2, max_tokens=4, memory={"input": "delta"})
        found = told()
        first = found[0]
        assert (first[0], first[1]["reason"], first[1]["forked_from"]) == ("session.created", "create", None)
        commits = [data for kind, data in found if kind == "commit.created"]
        assert [data["turn"] for data in commits] == [1, 2, 3, 4]
        assert [data["parent"] for data in commits[1:]] == [data["commit"] for data in commits[:-1]]
        assert any(kind == "memory.evicted" for kind, _ in found)
        assert any(kind == "memory.learned" and data["tier"] == "episodic" for kind, data in found)
        job = api.post("/v1/sessions/alice/ingest", json={"text": "The harbour is closed.", "name": "book"}).json()
        kinds = [kind for kind, _ in told()]
        assert (
            kinds.index("job.started") < len(kinds) - kinds[::-1].index("memory.learned") < kinds.index("job.completed") + 1
        )
        ended = next(data for kind, data in told() if kind == "job.completed")
        assert (ended["job"], ended["kind"]) == (job["id"], "ingest")
        memory = api.get("/v1/sessions/alice/memory/episodic", params={"order": "desc", "limit": 1}).json()["data"][0]["id"]
        api.delete(f"/v1/memory/{memory}", params={"session": "alice"})
        assert ("memory.forgotten", [memory]) in [(kind, data.get("ids")) for kind, data in told()]
        api.post("/v1/sessions/alice/fork", json={"name": "bob", "at": "@turn:2"})
        assert told("bob")[0][1]["forked_from"] == "alice"
        api.post("/v1/sessions/alice/reset", json={"to": "@turn:3"})
        moved = [data for kind, data in told() if kind == "branch.moved"]
        assert [data["reason"][:8] for data in moved] == ["reset to"]
        merge_branch(runtime.repository, "bob", "alice")
        assert [data["kind"] for kind, data in told("bob") if kind == "commit.created"] == ["merge"]
