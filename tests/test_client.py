"""perdure.Client and perdure.AsyncClient against a server of this process, and against answers made up."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import perdure
from perdure import AsyncClient, Client, errors
from perdure.api.http import HttpSettings, create_app
from perdure.client import parts, retrying
from perdure.client.failures import BY_CODE, failure
from perdure.client.frames import Frames
from perdure.client.wish import Verb
from perdure.runtime import Runtime
from perdure.runtime import open as open_model
from perdure.testing.encoder import HashedWords

from .api.fakes import FakeRuntime
from .api.http_server import eventually, serving
from .api.remembering import SMALL, ports

KEY_VERBS = {"list", "create", "rotate", "revoke", "quotas", "set_quota"}
FOREIGN = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/conversations", "/v1/embeddings", "/v1/models/")
"""What OpenAI's SDK is for. Traces of answers are Perdure's own."""


def own(operation: str) -> bool:
    return (
        operation == parts.CHAT.operation or operation.endswith("/trace") or not operation.split(" ")[1].startswith(FOREIGN)
    )


def verbs() -> list[Verb[Any, Any]]:
    groups = [parts, *(each for name, each in vars(parts).items() if name.endswith("Verbs"))]
    return [each for group in groups for each in vars(group).values() if isinstance(each, Verb)]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("client")
    options: dict[str, Any] = {"memory": SMALL, "encoder": HashedWords(), "threads": 1, "cache": folder / "cache"}
    with open_model(str(model), folder / "store", **options) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def url(runtime: Runtime) -> Iterator[str]:
    with serving(runtime, HttpSettings(ingest_at_once=500)) as api:
        yield str(api.base_url)


def test_the_names() -> None:
    groups = {"sessions", "memory", "profiles", "keys", "jobs"}
    server = {
        "chat",
        "stream",
        "events",
        "commit",
        "diff",
        "models",
        "running",
        "stats",
        "gc",
        "fsck",
        "metrics",
        "version",
        "audit",
    }
    names = {*groups, *server, "health", "ready", "close", "settings"}
    with Client("http://localhost:1") as client:
        assert {name for name in dir(client) if not name.startswith("_")} == names
        assert {name for name in dir(client.sessions) if not name.startswith("_")} == {
            *("list", "get", "delete", "messages", "log", "fork", "reset", "merge", "export", "import_", "verify"),
            *("branches", "branch", "put_branch", "delete_branch", "tags", "tag", "put_tag", "delete_tag"),
            *("load", "unload", "create", "update", "graph", "blocks", "block", "states"),
        }
        assert {name for name in dir(client.memory) if not name.startswith("_")} == {
            *("search", "add", "add_files", "list", "everything", "get", "edit", "pin", "forget", "trace"),
            *("tiers", "context", "working", "summary", "summary_heads", "probe", "fast_weights"),
        }
        assert {name for name in dir(client.profiles) if not name.startswith("_")} == {
            *("consolidate", "records", "record", "forget", "probe", "mounts", "mount"),
        }
        assert {name for name in dir(client.keys) if not name.startswith("_")} == KEY_VERBS
        assert {name for name in dir(client.jobs) if not name.startswith("_")} == {"list", "get", "cancel", "wait"}
        other = AsyncClient("http://localhost:1")
        for part in ("", *groups):
            mine, theirs = (getattr(each, part) if part else each for each in (client, other))
            assert [n for n in dir(mine) if n[0] != "_"] == [n for n in dir(theirs) if n[0] != "_"]
        asyncio.run(other.close())


def test_every_operation_has_a_verb() -> None:
    paths = create_app(FakeRuntime()).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert {each.operation for each in verbs()} == {operation for operation in served if own(operation)}


def test_every_verb_says_what_it_does() -> None:
    assert all(str(inspect.getdoc(each)).endswith(".") for each in verbs())


def matches(operation: str, request: httpx.Request) -> bool:
    method, template = operation.split(" ")
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
    return request.method == method and re.fullmatch(pattern, request.url.raw_path.decode().partition("?")[0]) is not None


def test_every_verb_works(url: str, tmp_path: Path) -> None:
    """All of them, on a real server with a tiny model."""
    with Client(url) as client:
        asked: list[httpx.Request] = []
        client._http.event_hooks = {"request": [asked.append]}
        sessions, memory = client.sessions, client.memory
        assert (client.health().status, client.ready().status) == ("ok", "ready")
        assert client.version() == perdure.__version__
        assert client.models().data[0].context_length > 0

        reply = client.chat("My dog is called Bruno.", session="alice", max_tokens=4, temperature=0.0)
        assert (reply.session, reply.finish_reason, reply.text != "") == ("alice", "length", True)
        alice = sessions.get("alice")
        assert (alice.head, alice.turns, [each.id for each in sessions.list()]) == (reply.commit, 1, ["alice"])
        assert memory.trace(reply.id)["commit"] == reply.commit
        with client.stream("And you?", session="alice", max_tokens=4, temperature=0.0) as stream:
            text = "".join(piece.text for piece in stream)
        told = stream.reply()
        assert (told.text, told.session, told.usage["completion_tokens"]) == (text, "alice", 4)
        assert [each.role for each in sessions.messages("alice")] == ["user", "assistant"] * 2
        assert [each.id for each in sessions.log("alice", limit=1)] == [told.commit]
        assert client.commit(str(told.commit)[:12]).turn == 2

        bob = sessions.fork("alice", "bob", at="@turn:1")
        assert (bob.head, bob.forked_from) == (reply.commit, "alice")
        apart = client.diff("bob", "alice")
        assert (apart.head_messages[0].content, apart.tiers["episodic"]["changes"]) == ("And you?", [])
        graph = sessions.graph("alice")
        assert [each.branches for each in graph] == [("alice",), ("bob",), ()]
        assert graph.data[0].bytes_added == sum(graph.data[0].added.values()) > 0
        blocks = sessions.blocks("alice", other="bob", limit=1)
        assert (blocks.groups[0].columns["with"][0], blocks.has_more, blocks.groups[0].codec) == (1, True, "raw")
        block = sessions.block("alice", 0)
        assert (block.digest[:16], block.others) == (blocks.groups[0].columns["digest"][0], ("bob",))
        assert sessions.states("alice").reason
        context = memory.context("alice", part="window", limit=8)
        assert [(each.name, each.span["start"], each.more) for each in context.parts] == [("window", 0, True)]
        assert context.free > 0
        assert {each.id for each in sessions.branches("alice")} == {"alice", "bob"}
        assert sessions.branch("alice", "bob").head == bob.head
        assert sessions.put_branch("alice", "carl", at="@turn:1").head == bob.head
        assert sessions.delete_branch("alice", "carl").deleted
        assert sessions.put_tag("alice", "good").commit.id == told.commit
        assert (sessions.tag("alice", "good").id, [each.id for each in sessions.tags("alice")]) == ("good", ["good"])
        assert sessions.delete_tag("alice", "good").deleted
        moved = sessions.reset("alice", "@turn:1", if_head=told.commit)
        assert (moved.head, moved.previous) == (reply.commit, told.commit)

        done = memory.add("alice", "The spare key lies under the third flower pot.", name="notes")
        assert (done.ended, (done.result or {})["memories"]) == (True, 1)
        merged = sessions.merge("bob", "alice", dry_run=True)
        assert (merged.merged, merged.commit) == (True, bob.head)
        found = memory.search("where is the spare key", sessions=["alice"], threshold=0.0)[0]
        assert (found.source, found.sessions, found.dropped) == ("notes", ("alice",), None)
        assert [each.id for each in memory.list("alice", q="flower", pinned=False, sort="tokens")] == [found.id]
        assert (memory.list("alice", q="flour").data, found.source_session, found.vector_rank) == ((), None, 1)
        assert [(each.id, each.sessions) for each in memory.everything(q="flower")] == [(found.id, ("alice",))]
        assert memory.get(found.id).content_sha256 == found.content_sha256
        assert memory.edit(found.id, "It is under the mat.", if_content=found.content_sha256).text == "It is under the mat."
        assert memory.pin(found.id).pinned
        assert memory.forget(found.id).session == "alice"
        (tmp_path / "ports.md").write_text(ports(60))
        progress: list[tuple[int, int | None]] = []
        job = client.jobs.wait(
            memory.add_files("alice", [tmp_path / "ports.md"]), progress=lambda *at: progress.append(at), timeout=60
        )
        assert (job.status, job.done, job.done == job.total) == ("completed", job.total, True)
        assert client.jobs.cancel(job.id).status == "completed"
        whole = memory.tiers("alice")
        for tier, name in (("working", "working"), ("summary", "summary"), ("fast_weights", "fast-weights")):
            assert whole[name].items() <= getattr(memory, tier)("alice").body.items()

        assert job.id in {each.id for each in client.jobs.list()}
        heads = memory.summary_heads("alice")
        assert (heads.commit, heads.layers) == (memory.tiers("alice")["commit"], ())
        assert (memory.probe("alice", "Where is the key?").why, heads.why) == ("nothing has left the window yet",) * 2
        assert client.profiles.probe("alice", "Where is the key?", top=3).records == 0

        job = client.jobs.wait(client.profiles.consolidate("bob", into="user:ada", writer="delta"), timeout=60)
        assert (job.kind, job.ended) == ("consolidate", True)
        assert client.profiles.mount("alice", ["user:ada"]).names == client.profiles.mounts("alice").names == ("user:ada",)
        assert len(client.profiles.records("alice")) >= 0
        for asks in (client.profiles.record, client.profiles.forget):
            with pytest.raises(errors.RevisionNotFound, match="names no record"):
                asks("alice", "abcdef")

        assert sessions.load("alice").expires_at is None
        assert sessions.load("alice", keep_alive="5m").expires_at is not None
        assert "alice" in {each.id for each in client.running()}
        assert sessions.unload("alice").unloaded
        size = sessions.export("alice", tmp_path / "a.bundle")
        assert size == (tmp_path / "a.bundle").stat().st_size > 0
        assert sessions.import_(tmp_path / "a.bundle", name="dora").head == sessions.get("alice").head
        assert client.jobs.wait(sessions.verify("dora", hashes_only=True)).result == {"ok": True, "problems": []}
        assert sessions.delete("dora").deleted
        assert (client.jobs.wait(client.gc(dry_run=True)).result or {})["objects"] >= 0
        assert (client.jobs.wait(client.fsck()).result or {})["ok"]
        stats = client.stats()
        assert (stats.sessions, stats.tenants[0]["tenant"]) == (len(sessions.list()), "default")
        assert stats.tokens["generated"] >= 8
        made = sessions.create("gus", title="A goose", metadata={"kind": "bird"}, system="You honk.")
        assert (made.id, made.title, made.metadata) == ("gus", "A goose", {"kind": "bird"})
        assert sessions.update("gus", title=None, if_head=made.head).title is None
        assert (list(client.keys.list()), next(iter(client.audit(limit=1))).action) == ([], "session.describe")
        with pytest.raises(errors.PerdureError, match="perdure keys create"):
            client.keys.create("bot")
        assert list(client.keys.quotas()) == []
        assert client.keys.set_quota("acme", sessions=7) == next(iter(client.keys.quotas()))
        for changes in (client.keys.rotate, client.keys.revoke):
            with pytest.raises(errors.PerdureError):
                changes("key_none")
        assert "perdure_sessions" in client.metrics()
        with client.events() as everything, client.events("bob") as events:
            sessions.delete("bob")
            assert next(event for event in events if event.kind == "session.deleted").session == "bob"
            assert next(iter(everything)).id
        assert [each.operation for each in verbs() if not any(matches(each.operation, one) for one in asked)] == []


def test_the_same_awaited(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncClient(url) as client:
            reply = await client.chat("Hello.", session="eve", max_tokens=3, temperature=0.0)
            stream = await client.stream("And now?", session="eve", max_tokens=3, temperature=0.0)
            text = "".join([piece.text async for piece in stream])
            told = await stream.reply()
            assert (told.text, told.session, told.commit != reply.commit) == (text, "eve", True)
            both = await asyncio.gather(client.sessions.get("eve"), client.sessions.log("eve"))
            assert both[0].head == both[1].data[0].id
            async with await client.events("eve") as events:
                job = await client.jobs.wait(await client.memory.add("eve", ports(60)))
                assert job.status == "completed"
                assert [event.session async for event in _first(events)] == ["eve"]
            size = await client.sessions.export("eve", tmp_path / "eve.bundle")
            assert size == (tmp_path / "eve.bundle").stat().st_size
            assert (await client.sessions.import_(tmp_path / "eve.bundle", name="frida")).head == (job.result or {})[
                "commit"
            ]
            with pytest.raises(errors.SessionNotFound, match="nobody"):
                await client.sessions.get("nobody")

    async def _first(events: Any) -> Any:
        async for event in events:
            yield event
            break

    asyncio.run(story())


def test_who_stops_reading_cancels_the_answer() -> None:
    fake = FakeRuntime()
    fake.answer = lambda messages: iter(lambda: "on ", None)
    with serving(fake) as api, Client(str(api.base_url)) as client:
        for piece in client.stream("Tell me everything.", session="alice"):
            assert piece.text == "on "
            break
        eventually(lambda: fake.repository.exists("alice") and fake.repository.info("alice").head.turn == 1)


def test_refusals_are_the_errors_of_the_library(url: str) -> None:
    with Client(url, retries=0) as client:
        with pytest.raises(errors.SessionNotFound) as missing:
            client.sessions.get("nobody")
        with pytest.raises(errors.SessionNotFound):
            client.chat("x", session="nobody", create=False)
        with pytest.raises(errors.InvalidName):
            client.chat("x", session="no/body")
        with pytest.raises(errors.InvalidInput, match="temperature") as wrong:
            client.chat("x", temperature="hot")
        with pytest.raises(errors.NotFound):
            client.jobs.get("job_none")
    assert (missing.value.code, missing.value.status) == ("session_not_found", 404)
    assert wrong.value.__dict__["problem"]["errors"][0]["param"] == "/temperature"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "session_busy", errors.SessionBusy),
        (409, "not_fast_forward", errors.Conflict),
        (412, "precondition_failed", errors.Conflict),
        (400, "unsupported_parameter", errors.InvalidInput),
        (404, "route_not_found", errors.NotFound),
        (507, "store_full", errors.StoreFull),
        (401, "no_such_code", errors.ServiceError),
        (500, "internal_error", errors.ServiceError),
    ],
)
def test_codes_and_their_fallbacks(status: int, code: str, kind: type[errors.PerdureError]) -> None:
    error = failure(status, f'{{"code": "{code}", "detail": "A sentence."}}'.encode())
    assert (type(error), str(error), error.code, error.status) == (kind, "A sentence.", code, status)


def test_every_error_has_its_code() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.PerdureError)]
    assert [kind for kind in kinds if BY_CODE[kind.code] is not kind] == []


def test_conflicts_come_along() -> None:
    clash = {"tier": "episodic", "name": "abcd", "ours": "this", "theirs": None}
    error = failure(409, httpx.Response(409, json={"code": "merge_conflict", "detail": "No.", "conflicts": [clash]}).content)
    assert isinstance(error, errors.MergeConflict)
    assert error.clashes[0]._asdict() == clash


def answering(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    asked: list[httpx.Request] = []
    left = list(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handler), asked


OK = httpx.Response(200, json={"status": "ok"})
BUSY = {"code": "session_busy", "detail": "Busy."}

Ask = Callable[[Client], Any]


def asking(ask: Ask, *answers: httpx.Response | Exception, **options: Any) -> list[httpx.Request]:
    transport, asked = answering(*answers)
    with Client(transport=transport, **options) as client:
        ask(client)
    return asked


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("perdure.client.synchronous.time.sleep", waited.append)
    return waited


def test_what_was_refused_is_sent_again_when_the_server_says_so(at_once: list[float]) -> None:
    busy = httpx.Response(409, json=BUSY, headers={"Retry-After": "1"})
    assert len(asking(lambda client: client.health(), busy, OK)) == 2
    assert at_once == [1.0]


def test_what_was_refused_for_good_is_not(at_once: list[float]) -> None:
    for headers in ({}, {"Retry-After": "1", "x-should-retry": "false"}, {"Retry-After": str(int(retrying.LONGEST) + 1)}):
        with pytest.raises(errors.SessionBusy, match=r"Busy\."):
            asking(lambda client: client.health(), httpx.Response(409, json=BUSY, headers=headers))
    assert at_once == []


def test_a_broken_connection(at_once: list[float]) -> None:
    broken = httpx.ReadError("broken")
    assert len(asking(lambda client: client.health(), broken, broken, OK)) == 3
    assert at_once == [0.25, 0.5]
    forks = asking(lambda client: client.gc(), broken, httpx.Response(202, json=JOB))
    assert len({request.headers["Idempotency-Key"] for request in forks}) == 1
    with pytest.raises(errors.Unreachable, match="broken"):
        asking(lambda client: client.chat("x"), broken, OK)
    with pytest.raises(errors.Unreachable, match="too long"):
        asking(lambda client: client.health(), httpx.ReadTimeout("slow"), OK)
    with pytest.raises(errors.Unreachable):
        asking(lambda client: client.health(), broken, OK, retries=0)


JOB = {
    "id": "job_1",
    "kind": "gc",
    "created_at": 1,
    "session": None,
    "status": "queued",
    "result": None,
    "error": None,
    "progress": {"done": 0, "total": None},
}


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:1", retries=0) as client, pytest.raises(errors.Unreachable, match="perdure serve"):
        client.health()


def test_what_is_no_perdure_server() -> None:
    for answer in (httpx.Response(200, text="<html>"), httpx.Response(200, json={"other": 1})):
        with pytest.raises(errors.ServiceError, match="Perdure server"):
            asking(lambda client: client.health(), answer)
    with pytest.raises(errors.ServiceError, match="502"):
        asking(lambda client: client.health(), httpx.Response(502, text="<html>"))


def test_the_key_is_sent_and_never_shown() -> None:
    (request,) = asking(lambda client: client.health(), OK, api_key="secret")
    assert request.headers["Authorization"] == "Bearer secret"
    with Client(api_key="secret") as client:
        assert "secret" not in repr(client.settings)


@pytest.mark.parametrize("options", [{"url": "localhost:8400"}, {"url": ""}, {"timeout": 0}, {"retries": -1}])
def test_settings_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidInput, match="give"):
        Client(**options)


def test_a_stream_that_breaks_off() -> None:
    chunk = '{"id": "c", "choices": [{"delta": {"content": "Hel"}}], "memory": {"session": null}}'
    for end, kind in (
        ('data: {"error": {"message": "Full.", "code": "store_full"}}\n\n', errors.StoreFull),
        ("", errors.Unreachable),
    ):
        transport, _ = answering(httpx.Response(200, text=f"data: {chunk}\n\n{end}"))
        with Client(transport=transport) as client:
            stream = client.stream("x")
            with pytest.raises(kind):
                stream.reply()
            assert stream.text == "Hel"


def test_frames_however_they_are_cut() -> None:
    data = ': ping\n\nid: 1\nevent: a\ndata: {"x": "\u2028"}\r\n\r\ndata: one\ndata: two\n\n'.encode()
    for size in (1, 3, len(data)):
        frames = Frames()
        found = [frame for at in range(0, len(data), size) for frame in frames.feed(data[at : at + size])]
        assert [tuple(frame) for frame in found] == [("1", "a", '{"x": "\u2028"}'), ("", "", "one\ntwo")]


def test_calls_of_functions_out_of_a_stream() -> None:
    pieces = (
        '{"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}',
        '{"index": 0, "function": {"arguments": "{}"}}',
    )
    chunks = [f'{{"id": "c", "choices": [{{"delta": {{"tool_calls": [{each}]}}}}]}}' for each in pieces]
    chunks.append('{"id": "c", "choices": [{"delta": {}, "finish_reason": "tool_calls"}], "memory": {}}')
    text = "".join(f"data: {each}\n\n" for each in (*chunks, "[DONE]"))
    transport, _ = answering(httpx.Response(200, text=text))
    with Client(transport=transport) as client:
        reply = client.stream("x").reply()
    assert reply.tool_calls == ({"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}},)


def test_the_examples_of_the_page_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "client.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for program in programs:
        exec(compile(program.replace("http://127.0.0.1:8400", url), "client.md", "exec"), {})
    told = capsys.readouterr().out
    assert len(programs) == 3
    assert "session_not_found There is no session" in told


def test_the_page_names_every_verb() -> None:
    page = (Path(__file__).parents[1] / "docs" / "client.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `client\.?(\w*)` \| (.*) \|$", page, re.MULTILINE))
    with Client() as client:
        for part, listed in rows.items():
            known = {name for name in dir(getattr(client, part) if part else client) if not name.startswith("_")}
            assert set(re.findall(r"`(\w+)`", listed)) == known - {"close", "settings", *filter(None, rows)}
    assert set(rows) == {"", "sessions", "memory", "profiles", "keys", "jobs"}
