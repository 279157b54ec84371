"""The tools of agents, asked by MCP's own client: in this process, over stdin and stdout, and over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextContent

from perdure.api.http import HttpSettings
from perdure.api.http.mcp import PATH
from perdure.api.mcp.server import make_server
from perdure.api.mcp.stdio import OwnDesk
from perdure.api.mcp.tools import TOOLS
from perdure.memory import Repository
from perdure.runtime import Runtime
from perdure.runtime import open as open_model
from perdure.runtime.session_memory import Added
from perdure.testing.encoder import HashedWords
from perdure.testing.tiny import tiny_llama

from ..runtime.tiny_bert import tiny_bert
from .fakes import FakeMemory, FakeRuntime
from .http_server import WAIT, serving
from .remembering import SMALL

FACT = "My cousin Tamsin keeps a pangolin called Biscuit."
NAMES = ["memory_search", "memory_add", "memory_forget", "session_list", "session_fork", "session_diff"]

Place = tuple[Any, Path]
"""What a client connects to, and the store behind it."""


class Asked:
    """Calls of tools by one client, which holds each answer against the schema that the tool gives of itself."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **given: Any) -> Any:
        result = await self.client.call_tool(tool, given)
        assert not result.is_error, result.content
        assert said(result)
        return result.structured_content

    async def refused(self, tool: str, **given: Any) -> tuple[str, str]:
        """The code and the sentence of a call that is refused."""
        result = await self.client.call_tool(tool, given)
        assert result.is_error, result.content
        sentence = said(result)
        assert sentence.endswith(".")
        assert "Traceback" not in sentence
        return (result.meta or {})["perdure/code"], sentence


def said(result: CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


def with_client(place: Any, story: Callable[[Asked], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        with anyio.fail_after(2 * WAIT):
            async with Client(place, **options) as client:
                await story(Asked(client))

    anyio.run(run)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose cache holds a tiny model and a tiny encoder under the names of the embedded ones."""
    home = tmp_path_factory.mktemp("home")
    tiny_llama(home / "cache" / "perdure" / "models" / "smollm2-135m-instruct", dtype="bfloat16")
    tiny_bert(home / "cache" / "perdure" / "models" / "all-minilm-l6-v2")
    return home


def command(home: Path, store: Path) -> StdioServerParameters:
    places = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    env = {**os.environ, **places, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return StdioServerParameters(command=sys.executable, args=["-m", "perdure", "mcp", "--store", str(store)], env=env)


def loads(model: Path, store: Path) -> Runtime:
    options: dict[str, Any] = {"memory": SMALL, "encoder": HashedWords(), "threads": 1, "cache": store.parent / "cache"}
    return open_model(str(model), store, **options)


@pytest.fixture
def own(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("perdure.runtime.encoder.load", lambda cache: HashedWords())
    with OwnDesk(tmp_path / "store", lambda: loads(model, tmp_path / "store")) as desk:
        yield make_server(desk), tmp_path / "store"


@pytest.fixture
def served(model: Path, tmp_path: Path) -> Iterator[Place]:
    with loads(model, tmp_path / "store") as runtime, serving(runtime) as api:
        yield f"{api.base_url}/mcp", tmp_path / "store"


@pytest.fixture(params=["here", "stdio", "http"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "stdio":
        home: Path = request.getfixturevalue("home")
        return stdio_client(command(home, tmp_path / "store")), tmp_path / "store"
    found: Place = request.getfixturevalue({"here": "own", "http": "served"}[request.param])
    return found


@contextmanager
def busy(store: Path, session: str) -> Iterator[None]:
    """Another writer of a session, in this process."""
    with Repository.open(store, create=False) as repository:
        copy = repository.working_copy(session)
        copy.acquire()
        try:
            yield
        finally:
            copy.release()


def test_every_tool_and_every_mistake(place: Place) -> None:
    where, store = place

    async def story(ask: Asked) -> None:
        assert [tool.name for tool in (await ask.client.list_tools()).tools] == NAMES
        assert await ask("session_list") == {"sessions": [], "total": 0}
        assert await ask("memory_search", query="pangolin") == {"memories": []}

        added = await ask("memory_add", text=FACT, title="family")
        assert (added["session"], added["memories"], added["created"]) == ("default", 1, True)
        again = await ask("memory_add", text=FACT, title="family")
        assert (again["memories"], again["created"]) == (0, False)
        found = (await ask("memory_search", query=FACT, threshold=0))["memories"]
        assert [(each["text"], each["source"], each["sessions"]) for each in found] == [(FACT, "family", ["default"])]

        forked = (await ask("session_fork", session="default", name="try", at="HEAD"))["session"]
        assert (forked["forked_from"], forked["head"]) == ("default", again["commit"])
        listed = await ask("session_list", limit=1)
        assert (len(listed["sessions"]), listed["total"]) == (1, 2)
        both = await ask("session_diff", base="default", head="try")
        assert (both["base"], both["head_messages"]) == (both["head"], [])

        name = found[0]["id"]
        code, sentence = await ask.refused("memory_forget", id=name)
        assert (code, "default, try" in sentence) == ("conflict", True)
        gone = await ask("memory_forget", id=name[:6], session="try")
        assert (gone["id"], gone["forgotten"], gone["previous"]) == (name, FACT, again["commit"])
        found = (await ask("memory_search", query=FACT, threshold=0))["memories"]
        assert [each["sessions"] for each in found] == [["default"]]
        assert (await ask("memory_search", query=FACT, threshold=0, sessions=["try"]))["memories"] == []
        assert await ask.refused("memory_forget", id=name, session="try") == (
            "revision_not_found",
            f"There is no memory {name!r} in session 'try'; memory_search finds them.",
        )
        await mistakes(ask)
        await beside_a_writer(ask)

    async def beside_a_writer(ask: Asked) -> None:
        with busy(store, "default"):
            name = (await ask("memory_search", query=FACT, threshold=0))["memories"][0]["id"]
            for tool, given in (("memory_add", {"text": "Something else."}), ("memory_forget", {"id": name})):
                code, sentence = await ask.refused(tool, **given)
                assert (code, "Wait" in sentence or "wait" in sentence) == ("session_busy", True)
            assert (await ask("session_fork", session="default", name="beside"))["session"]["forked_from"] == "default"
        assert (await ask("memory_add", text="Something else."))["memories"] == 1

    with_client(where, story)


async def mistakes(ask: Asked) -> None:
    missing = ("session_not_found", "There is no session 'nobody'; session_list names those that exist.")
    assert await ask.refused("memory_search", query="x", sessions=["nobody"]) == missing
    assert await ask.refused("session_fork", session="nobody", name="x") == missing
    assert await ask.refused("memory_forget", id="abcdef", session="nobody") == missing
    assert (await ask.refused("memory_add", text="x", session="nobody"))[1].startswith("There is no session 'nobody'; set ")
    assert (await ask.refused("memory_add", text="x", session="no/body", create=True))[0] == "invalid_name"
    assert (await ask.refused("session_fork", session="default", name="try"))[0] == "session_exists"
    assert (await ask.refused("session_fork", session="default", name="x", at="@turn:99"))[0] == "revision_not_found"
    assert (await ask.refused("session_diff", base="default", head="nothing"))[0] == "revision_not_found"
    for tool, given in (
        ("memory_search", {"query": " "}),
        ("memory_search", {"query": "x", "limit": 0}),
        ("memory_search", {"query": "x", "limit": "many"}),
        ("memory_search", {"query": ["x"]}),
        ("memory_search", {"query": "x", "threshold": 2}),
        ("memory_search", {"query": "x", "sessions": []}),
        ("memory_search", {"query": "x", "speed": "fast"}),
        ("memory_search", {}),
        ("memory_add", {"text": " \n"}),
        ("memory_forget", {"id": "../etc"}),
        ("session_list", {"limit": None}),
        ("session_diff", {"base": "", "head": "default"}),
    ):
        assert (await ask.refused(tool, **given))[0] in ("invalid_parameter", "invalid_input")
    with pytest.raises(MCPError, match="There is no tool 'memory_burn'; the tools are memory_search, "):
        await ask.client.call_tool("memory_burn", {})


def test_what_an_agent_is_told(own: Place) -> None:
    async def story(ask: Asked) -> None:
        assert "Search memory before" in str(ask.client.instructions)
        for tool in (await ask.client.list_tools()).tools:
            assert tool.input_schema["additionalProperties"] is False
            assert tool.output_schema is not None
            assert len(str(tool.description)) > 60
            assert all(each.get("description") for each in tool.input_schema["properties"].values())
            assert tool.annotations is not None
            assert tool.annotations.destructive_hint == (tool.name == "memory_forget")

    with_client(own[0], story)
    assert [tool.name for tool in TOOLS] == NAMES


def test_a_crash_is_one_sentence(own: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(Repository, "sessions", lambda self: 1 / 0)

    async def story(ask: Asked) -> None:
        code, sentence = await ask.refused("session_list")
        assert (code, "division" in sentence) == ("internal_error", False)

    with_client(own[0], story)
    assert "ZeroDivisionError" in caplog.text


class Slow:
    """Stands for a memory that takes long: it begins, tells so, and ends when nobody waits for it any more."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def add(self, head: Any, progress: Callable[[int, int], None], cancelled: Callable[[], bool]) -> Added:
        progress(1, 100)
        deadline = time.monotonic() + WAIT
        while not cancelled() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.ended.append("cancelled" if cancelled() else "late")
        return Added(1, 7, head, False)


def cancelled_while_adding(where: Any, slow: Slow, mode: Any) -> None:
    async def story(ask: Asked) -> None:
        begun = anyio.Event()

        async def told(progress: float, total: float | None, message: str | None) -> None:
            begun.set()

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: ask.client.call_tool("memory_add", {"text": "x"}, progress_callback=told))
            await begun.wait()
            group.cancel_scope.cancel()
        while not slow.ended:
            await anyio.sleep(0.005)
        assert slow.ended == ["cancelled"]
        assert (await ask.client.call_tool("session_list", {})).is_error is False

    with_client(where, story, mode=mode)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_cancelled_call_ends_its_work(own: Place, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    slow = Slow()

    def add(self: OwnDesk, session: str, title: str, text: str, watch: Any) -> Added:
        return slow.add(None, watch.progress, watch.cancelled)

    monkeypatch.setattr(OwnDesk, "add", add)
    cancelled_while_adding(own[0], slow, mode)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_cancelled_call_ends_its_work_over_http(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    slow = Slow()

    def add(self: FakeMemory, parts: Any, *, progress: Any, cancelled: Any) -> Added:
        return slow.add(self._session.head, progress, cancelled)

    monkeypatch.setattr(FakeMemory, "add", add)
    with serving(FakeRuntime()) as api:
        cancelled_while_adding(f"{api.base_url}/mcp", slow, mode)


def test_http_refuses_what_is_no_agent() -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with serving(FakeRuntime(), HttpSettings(body_limit=2_000)) as api:
        for body in (b"rubbish", b"[]", b'{"jsonrpc": "1.0"}', b""):
            answer = api.post("/mcp", content=body, headers={"Content-Type": "application/json"})
            assert 400 <= answer.status_code < 500
        foreign = api.post("/mcp", json=hello, headers={"Origin": "https://elsewhere.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_origin")
        large = api.post("/mcp", json={**hello, "params": {"x": "y" * 3_000}})
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert api.post("/mcp", json=hello, headers={"Mcp-Session-Id": "nobody's"}).status_code == 404
        assert api.put("/mcp", json=hello).status_code == 405


def test_a_listening_client_holds_up_no_end() -> None:
    """A client of the older protocol keeps a stream open; the server stops long before its grace is over."""
    listens = threading.Event()

    async def story(url: str) -> None:
        async with Client(url, mode="legacy") as client:
            await client.list_tools()
            listens.set()
            while (await client.call_tool("session_list", {})).is_error is False:
                await anyio.sleep(0.05)

    def listen(url: str) -> None:
        with suppress(Exception):  # whatever the client makes of a server that went
            anyio.run(story, url)

    with serving(FakeRuntime(), HttpSettings(grace_seconds=4 * int(WAIT))) as api:
        thread = threading.Thread(target=listen, args=(f"{api.base_url}/mcp",))
        thread.start()
        assert listens.wait(WAIT)
    thread.join(WAIT)
    assert not thread.is_alive()


def test_stdout_is_the_protocol_and_nothing_else(home: Path, tmp_path: Path) -> None:
    served = command(home, tmp_path / "store")
    lines = ["rubbish", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})]
    done = subprocess.run(
        [served.command, *served.args],
        env=served.env,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in done.stdout.splitlines())
    assert "Traceback" not in done.stderr


def test_nothing_but_remembering_loads_a_model(home: Path, tmp_path: Path) -> None:
    """Not even torch, where nothing is remembered yet and nothing is searched."""
    program = (
        "import sys, anyio; from pathlib import Path; from mcp import Client\n"
        "from perdure.api.mcp.server import make_server; from perdure.api.mcp.stdio import OwnDesk\n"
        "async def main(desk):\n"
        "    async with Client(make_server(desk)) as client:\n"
        "        assert not (await client.call_tool('session_list', {})).is_error\n"
        "        assert (await client.call_tool('session_diff', {'base': 'a', 'head': 'b'})).is_error\n"
        "def no_model(): raise AssertionError\n"
        "with OwnDesk(Path(sys.argv[1]), no_model) as desk: anyio.run(main, desk)\n"
        "sys.exit('transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "store")], check=False, timeout=120)
    assert done.returncode == 0


def test_the_page_names_every_tool_and_its_configurations_are_json() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == NAMES
    stdio, http = (json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    assert stdio["mcpServers"]["perdure"] == {"command": "perdure", "args": ["mcp"]}
    assert http["mcpServers"]["perdure"]["url"].endswith(PATH)
