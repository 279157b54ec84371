"""The commands about memory, over a real store with a tiny model."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perdure.api.cli.app import app
from perdure.config import MemoryOptions
from perdure.runtime import session_memory
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords
from perdure.testing.families import tiny_model

from ..conftest import Opens
from .fakes_cli import FakeRuntime, family, install
from .remembering import ASK, FACT, FLAGS, ports, small, taught, without_a_model

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A store with alice, who recalled something in her last answer, and bob, her fork before that."""
    from perdure.runtime import open as open_model

    from .remembering import SMALL

    folder = tmp_path_factory.mktemp("told")
    with open_model(
        str(model), folder / "store", cache=folder / "cache", threads=1, memory=SMALL, encoder=HashedWords()
    ) as runtime:
        alice = taught(runtime.session("alice"))
        alice.fork("bob").close()
        alice.chat(ASK, max_tokens=6, temperature=0.0)
    return folder / "store"


@pytest.fixture
def read(told: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command over that store, where no model can be loaded."""
    without_a_model(monkeypatch)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, [*words, "--store", str(told)])


def output(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_inspect_tells_of_every_tier(read: Command) -> None:
    text = output(read("inspect", "alice"))
    assert "4 sinks, 32 entries of the summary and the last " in text
    assert "heavy-hitters" in text
    assert "memories (" in text
    shape = json.loads(output(read("inspect", "alice", "--json")))
    assert shape["working"]["tokens"] == shape["tokens"]
    assert shape["working"]["evictions"] > 1
    assert shape["summary"]["entries"] == 32
    assert sum(part["entries"] for part in shape["summary"]["histogram"]) == 32 * 4
    assert shape["episodic"]["memories"] == sum(shape["episodic"]["roles"].values())


def test_inspect_shows_one_tier_as_it_was(read: Command) -> None:
    assert "####" in output(read("inspect", "alice", "--tier", "summary"))
    assert FACT in output(read("inspect", "alice", "--tier", "episodic"))
    assert "sinks" in output(read("inspect", "alice", "--tier", "working"))
    first = json.loads(output(read("inspect", "alice", "--at", "@turn:1", "--tier", "episodic", "--json")))
    assert (first["turn"], first["listed"], first["episodic"]["memories"]) == (1, [], 0)
    assert "working" not in first
    shown = json.loads(output(read("inspect", "alice", "--tier", "episodic", "--json")))["listed"]
    assert shown[0]["text"] == FACT
    assert "nothing yet" in output(read("inspect", "alice", "--at", "@turn:1"))


def test_search_finds_in_all_sessions_or_in_one(read: Command) -> None:
    found = json.loads(output(read("search", "pangolin of Tamsin", "--json")))["memories"]
    assert (found[0]["text"], found[0]["sessions"], found[0]["dropped"]) == (FACT, ["alice", "bob"], None)
    one = json.loads(output(read("search", "pangolin of Tamsin", "-s", "bob", "-k", "1", "--json")))["memories"]
    assert [item["sessions"] for item in one] == [["bob"]]
    assert FACT in output(read("search", "pangolin of Tamsin"))
    every = json.loads(output(read("search", "pangolin of Tamsin", "--explain", "--json")))["memories"]
    assert len(every) > len(found)
    assert "is below" in every[-1]["dropped"]
    text = output(read("search", "pangolin of Tamsin", "--explain"))
    assert "left out: its score" in text
    nothing = read("search", "zeppelin")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "near enough" in nothing.stderr


def test_trace_tells_what_was_recalled_and_why(read: Command) -> None:
    text = output(read("trace", "alice"))
    assert f"turn 6: {ASK}" in text
    assert "6 tokens, " in text
    assert "left out" in text
    shape = json.loads(output(read("trace", "alice", "--json")))
    trace = shape["trace"]
    assert trace["query"] == ASK
    assert trace["chosen"][0]["text"] == FACT
    assert len(trace["chosen"][0]["by_token"]) == shape["metrics"]["generated"]
    assert trace["position"] > 0
    assert trace["considered"][0]["dropped"] is None
    nothing = read("trace", "alice@turn:1")
    assert "recalled nothing" in nothing.stderr
    assert json.loads(output(read("trace", "alice@turn:1", "--json")))["trace"] is None


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["search", " "], 2, "nothing to search for"),
        (["search", "x", "--threshold", "7"], 2, "--threshold"),
        (["search", "x", "-k", "-1"], 2, "-k"),
        (["search", "x", "-s", "nobody"], 3, "no session 'nobody'"),
        (["inspect", "nobody"], 3, "nobody"),
        (["inspect", "alice", "--at", "@turn:99"], 3, "turn"),
        (["inspect", "alice", "--tier", "fast"], 2, "--tier"),
        (["trace", "nobody"], 3, "nobody"),
        (["memory", "pin", "ffffffff", "-s", "alice"], 3, "no memory 'ffffffff'"),
        (["memory", "pin", "ff", "-s", "alice"], 3, "4 or more digits"),
        (["memory", "pin", "ffffffff", "-s", "nobody"], 3, "nobody"),
        (["memory", "pin", "ffffffff", "text", "-s", "alice"], 2, "takes no text"),
        (["memory", "paint", "ffffffff", "-s", "alice"], 2, "ACTION"),
        (["remember", "missing.txt", "-s", "alice"], 2, "missing.txt cannot be read"),
        (["remember", "a", "b", "--name", "x", "-s", "alice"], 2, "--name"),
        (["remember", "-s", "alice"], 2, "FILE"),
        (["remember", "a", "--window", "5", "-s", "alice"], 2, "multiple of 64"),
        (["chat", "hi", "--summary-backend", "magic"], 2, "magic"),
        (["chat", "hi", "--recall", "maybe"], 2, "maybe"),
        (["chat", "hi", "--recall-threshold", "7"], 2, "score from 0 to 1"),
        (["chat", "hi", "--window", "256", "--memory-bytes", "9"], 2, "not both"),
        (["serve", "--sinks", "-1"], 2, "from 0 to 4096"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(read: Command, words: list[str], status: int, sentence: str) -> None:
    result = read(*words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert sentence in result.stderr
    assert result.stderr.startswith("perdure: ")
    assert result.stderr.count("\n") == 1


@pytest.fixture
def write(opens: Opens, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command that may load the tiny model, over a store of its own."""
    monkeypatch.setattr("perdure.runtime.encoder.load", lambda cache: HashedWords())
    monkeypatch.setattr("perdure.runtime.runtime.load_encoder", lambda cache: HashedWords())
    monkeypatch.setenv("PERDURE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PERDURE_MODEL", str(model))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ada")
    return lambda *words, **more: CliRunner().invoke(app, list(words), **more)


def shape(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(result))
    return found


def test_documents_are_remembered_changed_and_forgotten(write: Command, tmp_path: Path) -> None:
    (tmp_path / "ports.md").write_text(ports(40))
    added = shape(write("remember", "ports.md", "-s", "alice", "--json", *FLAGS))
    assert (added["whole"], added["memories"] > 2, added["session"]) == (True, True, "alice")
    assert "already" in output(write("remember", "ports.md", "-s", "alice"))
    note = b"The mayor of Oslo owns a tram.\n"
    piped = shape(write("remember", "-", "-s", "alice", "--name", "note", "--json", input=note))
    assert piped["memories"] == 1
    named = output(write("remember", "ports.md", "-s", "bob", "--name", "The ports"))
    assert named.startswith("bob took in ")
    found = shape(write("search", "mayor of Oslo", "--json"))["memories"][0]
    assert (found["source"], found["role"]) == ("note", "document")
    name = found["id"]
    assert shape(write("memory", "pin", name[:8], "-s", "alice", "--json"))["memory"]["pinned"]
    assert "1 pinned" in output(write("inspect", "alice"))
    edited = shape(write("memory", "edit", name, "The mayor of Oslo sold the tram.", "-s", "alice", "--json"))["memory"]
    assert (edited["id"], edited["pinned"], edited["text"]) == (name, True, "The mayor of Oslo sold the tram.")
    again = shape(write("memory", "edit", name, "-s", "alice", "--json", input="She bought it back.\n"))["memory"]
    assert again["text"] == "She bought it back."
    assert not shape(write("memory", "unpin", name, "-s", "alice", "--json"))["memory"]["pinned"]
    assert f"forgot {name}" in output(write("memory", "forget", name, "-s", "alice"))
    assert write("memory", "forget", name, "-s", "alice").exit_code == 3
    authors = {commit["author"] for commit in shape(write("log", "alice", "-n", "5", "--json"))["commits"]}
    assert authors == {"ada"}
    assert output(write("reset", "alice", "HEAD~1"))
    assert shape(write("memory", "pin", name, "-s", "alice", "--json"))["memory"]["text"] == "She bought it back."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\0\1\2", "control characters"), (b"\xff\xfe\xfd", "not"), (b"  \n", "holds no text"), (b"%PDF-1.4 rubbish", "PDF")],
)
def test_a_file_that_holds_no_text_is_named(write: Command, tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "odd.txt").write_bytes(content)
    result = write("remember", "odd.txt", "-s", "alice")
    assert result.exit_code == 2
    assert "odd.txt" in result.stderr
    assert sentence in result.stderr
    assert write("ls").stdout == ""


def test_a_model_that_cannot_recall_is_named(write: Command, tmp_path: Path) -> None:
    (tmp_path / "tram.md").write_text("The mayor of Oslo owns a tram.")
    folder = str(tiny_model("mamba", tmp_path / "mamba"))
    result = write("remember", "tram.md", "-s", "alice", "-m", folder)
    assert result.exit_code == 0
    assert "answers recall nothing" in result.stderr
    assert shape(write("search", "mayor of Oslo", "--json"))["memories"][0]["kv"] is None
    assert shape(write("inspect", "alice", "--json"))["episodic"]["bytes"] == 0
    assert "answers recall nothing" in write("remember", "tram.md", "-s", "bob", "--recall", "off").stderr
    assert "answers recall" not in write("remember", "tram.md", "-s", "carol", *FLAGS).stderr


def test_ctrl_c_keeps_what_was_remembered(write: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ports.md").write_text(ports(400))
    amend = Session.amend

    def pressed(self: Session, *arguments: Any) -> Any:
        done = amend(self, *arguments)
        signal.raise_signal(signal.SIGINT)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Session, "amend", pressed)
        result = write("remember", "ports.md", "-s", "alice")
    assert result.exit_code == 130
    assert f"Interrupted. alice took in {session_memory.AT_ONCE} memories" in result.stdout
    rest = shape(write("remember", "ports.md", "-s", "alice", "--json"))
    assert rest["whole"]
    assert shape(write("inspect", "alice", "--json"))["episodic"]["memories"] == rest["memories"] + session_memory.AT_ONCE


def test_a_receipt_says_what_was_recalled(opens: Opens, write: Command) -> None:
    with small(opens) as runtime:
        taught(runtime.session("alice"))
    result = write("chat", "-s", "alice", ASK, "--max-tokens", "4", *FLAGS)
    assert result.exit_code == 0
    assert " tokens of 1 memory, best: My cousin Tamsin" in result.stderr
    assert "% of the attention)" in result.stderr
    assert " · recalled " in result.stderr
    quiet = write("chat", "-s", "alice", ASK, "--max-tokens", "4", "--recall", "off")
    assert "memory, best" not in quiet.stderr


def test_memory_is_at_hand_in_a_conversation(opens: Opens, write: Command, tmp_path: Path) -> None:
    with small(opens) as runtime:
        taught(runtime.session("alice"))
    (tmp_path / "tram.md").write_text("The mayor of Oslo owns a tram.")
    lines = ["/memory", "/trace", "/remember tram.md", "/search the mayor of Oslo", "/search zeppelin", ASK, "/trace"]
    result = write("chat", "-s", "alice", "--lines", "--max-tokens", "4", *FLAGS, input="\n".join(lines))
    assert result.exit_code == 0, result.stderr
    assert "entries of the summary" in result.stdout
    assert "alice took in 1 memory, " in result.stderr
    assert "The mayor of Oslo owns a tram." in result.stdout
    assert "near enough" in result.stderr
    assert "\nconsidered ---" in result.stdout
    assert write("chat", "-s", "alice", "--lines", input="/remember nothing.txt").exit_code == 2
    assert write("chat", "-s", "alice", "--lines", input="/search").exit_code == 2


def test_the_options_reach_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(family())
    install(monkeypatch, runtime)
    flags = [*FLAGS, "--summary-backend", "none", "--recall", "text", "--recall-threshold", "0.5", "--episode-tokens", "16"]
    flags += ["--learn", "delta"]
    small = MemoryOptions(window=128, block=128, sinks=4, backend="none", summary=32)
    wanted = replace(small, episode_tokens=16, recall="text", threshold=0.5, learn="delta")
    for words in (["chat", "hello"], ["serve"]):
        assert CliRunner().invoke(app, [*words, *flags]).exit_code == 0
        assert runtime.memory_options.pop() == wanted
    assert CliRunner().invoke(app, ["chat", "hello", "--memory-bytes", "1000000"]).exit_code == 0
    assert runtime.memory_options.pop() == MemoryOptions(budget_bytes=1_000_000)
    assert CliRunner().invoke(app, ["chat", "hello"]).exit_code == 0
    assert runtime.memory_options.pop() == MemoryOptions()


@pytest.mark.parametrize("words", [["chat", "hello"], ["serve"]])
def test_guessing_can_be_left(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    runtime = FakeRuntime(family())
    install(monkeypatch, runtime)
    for flags in ([], ["--no-speculate"], ["--speculate"]):
        assert CliRunner().invoke(app, [*words, *flags]).exit_code == 0
    monkeypatch.setenv("PERDURE_SPECULATE", "0")
    assert CliRunner().invoke(app, words).exit_code == 0
    assert runtime.speculates == [True, False, True, False]
