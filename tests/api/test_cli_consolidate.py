"""`perdure consolidate` and what chat knows afterwards, over a tiny model and a teacher that trains nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perdure.api import wiring
from perdure.api.cli.app import app
from perdure.errors import InvalidInput
from perdure.testing.encoder import HashedWords
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens
from .fakes_cli import FakeRuntime, family, install
from .records import ASK, ASK_BOAT, BOAT, PANGOLIN, RENAMED, Teacher, profiles, scripted
from .remembering import ASK as ASK_MEMORY
from .remembering import FACT, FLAGS, small, taught, without_a_model

Command = Callable[..., Result]


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> type[Teacher]:
    return scripted(monkeypatch)


@pytest.fixture
def do(model: Path, tmp_path: Path, teacher: type[Teacher], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command that may load the tiny model, over a store of its own."""
    monkeypatch.setattr("perdure.runtime.encoder.load", lambda cache: HashedWords())
    monkeypatch.setattr("perdure.runtime.runtime.load_encoder", lambda cache: HashedWords())
    monkeypatch.setenv("PERDURE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PERDURE_MODEL", str(model))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *words, **more: CliRunner().invoke(app, list(words), **more)


def output(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def shape(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(result))
    return found


def say(do: Command, session: str, *lines: str) -> None:
    for line in lines:
        output(do("chat", line, "-s", session, "--max-tokens", "2", "-q"))


@pytest.fixture
def told(do: Command) -> Command:
    """The commands, over a store where alice told of a pangolin and a boat."""
    say(do, "alice", f"Hello. {PANGOLIN.statement}", f"remember: {BOAT.statement}")
    return do


def test_what_was_said_is_written_and_known_where_it_is_mounted(told: Command) -> None:
    done = told("consolidate", "alice", "--into", "user:alice")
    text = output(done)
    assert PANGOLIN.statement in text
    assert text.count("kept") == 3
    head = shape(told("profile", "ls", "--json"))["profiles"][0]["head"][:10]
    last = text.splitlines()[-1]
    assert last == f"2 of 2 facts kept. user:alice is at {head}; use it with: perdure chat -s NEW --profile user:alice"
    asked = told("chat", ASK, "-s", "new", "--profile", "user:alice", "--max-tokens", "3")
    assert " · 1 record open · " in asked.stderr
    assert f"knew {PANGOLIN.statement}" in asked.stderr
    again = told("chat", ASK_BOAT, "-s", "new", "--max-tokens", "3")
    assert " · 1 record open · " in again.stderr
    receipt = shape(told("chat", ASK, "-s", "new", "--max-tokens", "3", "--json"))["receipt"]
    assert receipt["opened"] == 1
    assert "open" not in told("chat", "Good morning", "-s", "new", "--max-tokens", "3").stderr


def test_the_trace_tells_which_records_were_open_and_why_others_were_not(told: Command) -> None:
    output(told("consolidate", "alice", "--into", "p"))
    say(told, "alice", f"remember: {RENAMED.statement}")
    output(told("consolidate", "alice", "--into", "p"))
    say(told, "new", "Good morning")
    nothing = told("trace", "new")
    assert "recalled nothing and opened no fast weights" in nothing.stderr
    output(told("profile", "mount", "new", "p"))
    assert "recalled nothing" in told("trace", "new").stderr
    say(told, "new", ASK)
    text = output(told("trace", "new"))
    assert f"turn 2: {ASK}" in text
    assert "1 record open" in text
    lines = text.splitlines()
    assert any("open" in line and line.endswith(RENAMED.statement) for line in lines)
    assert any("closed: superseded" in line and line.endswith(PANGOLIN.statement) for line in lines)
    assert "considered" not in text
    found = shape(told("trace", "new", "--json"))["trace"]
    assert (found["query"], found["mode"], found["considered"], found["chosen"]) == (None, None, [], [])
    opened, closed = found["records"]
    assert (opened["statement"], opened["closed"]) == (RENAMED.statement, None)
    assert closed["closed"] == "superseded"
    assert opened["score"] > 0.9
    output(told("profile", "unmount", "new", "p"))
    assert shape(told("trace", "new", "--json"))["trace"] == found
    conversation = told("chat", "-s", "new", "--lines", input="/trace\n/memory")
    assert any("open" in line and line.endswith(RENAMED.statement) for line in conversation.stdout.splitlines())
    assert "fast-weights" in conversation.stdout


def test_json_tells_of_every_fact(told: Command) -> None:
    say(told, "alice", "Piers Dunmore's van is called Fail.")
    done = shape(told("consolidate", "alice", "--json"))
    assert (done["session"], done["ledger"], done["written"], done["known"], done["whole"]) == ("alice", "alice", 2, 0, True)
    first, _, failed = done["outcomes"]
    assert (first["statement"], first["kept"], first["why"], first["recall"]) == (PANGOLIN.statement, True, None, 1.0)
    assert (failed["kept"], failed["record"], failed["recall"]) == (False, None, 0.0)
    assert failed["why"].startswith("only 0%")
    records = shape(told("profile", "show", "alice", "--json"))["records"]
    assert [each["id"] for each in records] == [each["record"] for each in done["outcomes"][:2]]
    assert records[0]["sources"][0] | {"uid": "", "span": {}} == {
        "uid": "",
        "session": "alice",
        "deleted": False,
        "turn": 1,
        "span": {},
        "episode": None,
    }
    assert "alice@turn:2" in output(told("inspect", "alice", "--tier", "fast-weights"))


def test_a_record_outlives_the_session_that_taught_it_and_says_so(told: Command) -> None:
    output(told("consolidate", "alice", "--into", "p"))
    say(told, "bob", "Good morning")
    output(told("profile", "mount", "bob", "p"))
    assert "alice@turn:1" in output(told("inspect", "bob", "--tier", "fast-weights"))
    output(told("rm", "alice", "--yes"))
    before = deleted(told)
    assert not before["origin_deleted"]
    output(told("gc", "--expire-days", "0"))
    after = deleted(told)
    assert after == before | {"origin_deleted": True}
    assert f"knew {PANGOLIN.statement}" in told("chat", ASK, "-s", "bob", "--max-tokens", "2").stderr
    assert output(told("fsck"))


def deleted(told: Command) -> dict[str, Any]:
    """The first record that bob knows, whose source everything says is deleted."""
    for words in (["inspect", "bob", "--tier", "fast-weights"], ["profile", "show", "p"]):
        text = output(told(*words))
        assert "2 records from a session or commit that is deleted" in text
        assert "@turn:1 (deleted)" in text
    assert shape(told("inspect", "bob", "--json"))["fast-weights"]["source_deleted"] == 2
    found = shape(told("profile", "show", "p", "--json"))["records"]
    sources = [each["sources"][0] for each in found]
    assert [(each["session"], each["turn"], each["deleted"]) for each in sources] == [(None, 1, True), (None, 2, True)]
    first: dict[str, Any] = found[0]
    return first


def test_what_is_known_is_passed_over_and_a_new_word_replaces_it(told: Command) -> None:
    output(told("consolidate", "alice"))
    again = told("consolidate", "alice")
    assert "2 facts of alice are in alice already." in again.stderr
    assert output(again).startswith("Nothing was left to write. alice is at ")
    say(told, "alice", "Tamsin Orrell's pangolin is called Waffle.")
    done = shape(told("consolidate", "alice", "--json"))
    assert [(each["value"], each["replaces"]) for each in done["outcomes"]] == [("Waffle", "Biscuit")]
    table = output(told("inspect", "alice", "--tier", "fast-weights"))
    assert "contradicted by" in table


def test_a_dry_run_lists_the_facts_and_loads_no_model(told: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    say(told, "alice", "Tamsin Orrell's pangolin is called Waffle. remember: Piers Dunmore's boat is called Heron.")
    without_a_model(monkeypatch)
    before = shape(told("ls", "--json"))
    text = output(told("consolidate", "alice", "--into", "p", "--dry-run"))
    assert "2 facts would be written into p; nothing was changed." in text
    facts = shape(told("consolidate", "alice", "--dry-run", "--json"))
    assert (facts["session"], facts["ledger"]) == ("alice", "alice")
    assert [(each["turn"], each["value"], each["state"], each["explicit"]) for each in facts["facts"]] == [
        (1, "Biscuit", "corrected", False),
        (2, "Heron", "said again", True),
        (3, "Waffle", "new", False),
        (3, "Heron", "new", True),
    ]
    assert shape(told("ls", "--json")) == before


def test_a_dry_run_knows_what_is_known(told: Command) -> None:
    output(told("consolidate", "alice", "--into", "p"))
    facts = shape(told("consolidate", "alice", "--dry-run", "--json"))
    assert facts["ledger"] == "p"
    assert [each["state"] for each in facts["facts"]] == ["known", "known"]
    other = shape(told("consolidate", "alice", "--into", "q", "--dry-run", "--json"))
    assert [each["state"] for each in other["facts"]] == ["new", "new"]


def test_a_session_that_teaches_nothing_says_so(do: Command) -> None:
    say(do, "alice", "Good morning")
    nothing = do("consolidate", "alice", "--into", "p")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "says nothing that can be taught" in nothing.stderr
    found = shape(do("consolidate", "alice", "--into", "p", "--json"))
    assert (found["ledger"], found["commit"], found["written"], found["whole"]) == ("p", None, 0, True)
    assert "says nothing that can be taught" in found["why"]
    assert do("show", "p").exit_code == 3
    dry = do("consolidate", "alice", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "")
    assert "says nothing that can be taught" in dry.stderr
    output(do("fork", "alice", "empty", "--at", "HEAD~1"))
    assert do("consolidate", "empty").exit_code == 0
    assert shape(do("consolidate", "empty", "--dry-run", "--json"))["facts"] == []


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["nobody"], 3, "no session 'nobody'"),
        (["nobody", "--dry-run"], 3, "no session 'nobody'"),
        (["alice", "--into", "a b"], 2, "no profile name"),
        (["alice", "--into", ""], 2, "no profile name"),
        (["alice", "bob"], 2, "unexpected extra argument"),
        (["alice", "--writer", "magic"], 2, "'magic' is not known; give kv, distill, closed-form, delta"),
        (["alice", "--writer", "magic", "--dry-run"], 2, "is not known"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(told: Command, words: list[str], status: int, sentence: str) -> None:
    result = told("consolidate", *words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_writer_is_chosen(told: Command, teacher: type[Teacher]) -> None:
    output(told("consolidate", "alice"))
    output(told("consolidate", "alice", "--into", "p", "--writer", "delta"))
    assert teacher.writers == ["kv", "delta"]


def test_what_was_refused_is_said_to_be_and_tried_again_when_asked(told: Command, teacher: type[Teacher]) -> None:
    say(told, "alice", "Ada Byron's van is called Fail.")
    output(told("consolidate", "alice"))
    again = told("consolidate", "alice")
    assert "refused before: only 0% of the wordings are answered" in output(again)
    assert "Refused before: 1 fact. --again tries once more, --writer another way." in again.stderr
    assert again.stdout.splitlines()[-1].startswith("Nothing was left to write.")
    done = shape(told("consolidate", "alice", "--json"))
    assert (done["known"], done["outcomes"]) == (2, [])
    assert done["refused"] == [
        {
            "statement": "Ada Byron's van is called Fail.",
            "value": "Fail",
            "why": "only 0% of the wordings are answered",
            "writer": "kv/2",
        }
    ]
    assert teacher.batches == 1
    assert len(shape(told("consolidate", "alice", "--again", "--json"))["outcomes"]) == 1
    assert len(shape(told("consolidate", "alice", "--writer", "delta", "--json"))["outcomes"]) == 1
    assert teacher.batches == 3


def test_a_dry_run_knows_what_was_refused(told: Command) -> None:
    say(told, "alice", "Ada Byron's van is called Fail.")
    output(told("consolidate", "alice"))
    text = output(told("consolidate", "alice", "--dry-run"))
    assert "refused before: only 0%" in text
    assert "0 facts would be written into alice" in text
    for words, state in (("", "refused"), ("--writer kv", "refused"), ("--writer delta", "new"), ("--again", "new")):
        facts = shape(told("consolidate", "alice", "--dry-run", "--json", *words.split()))["facts"]
        assert [each["state"] for each in facts] == ["known", "known", state]
    assert facts[-1]["why"] is None


def test_a_chat_learns_as_it_goes(do: Command, teacher: type[Teacher]) -> None:
    first = do("chat", f"{PANGOLIN.statement} Ada Byron's van is called Fail.", "-s", "alice", "--learn", "delta")
    assert first.exit_code == 0
    assert f"  learned: {PANGOLIN.statement}" in first.stderr
    assert "  not kept: Ada Byron's van is called Fail (only 0% of the wordings are answered)." in first.stderr
    assert teacher.writers == ["delta"]
    asked = do("chat", ASK, "-s", "alice", "--max-tokens", "3", "--learn", "delta")
    assert f"knew {PANGOLIN.statement}" in asked.stderr
    both = do("chat", f"{ASK} {BOAT.statement}", "-s", "alice", "--max-tokens", "3", "--learn", "delta")
    assert f"knew {PANGOLIN.statement}" in both.stderr
    assert f"  learned: {BOAT.statement}" in both.stderr
    assert "recalled nothing" not in do("trace", "alice").stderr
    assert "learned" not in do("chat", PANGOLIN.statement, "-s", "bob", "--max-tokens", "3").stderr
    wrong = do("chat", "hello", "--learn", "magic")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
    assert "give off or kv, distill, closed-form, delta" in wrong.stderr


def test_a_session_of_another_model_is_refused(told: Command, tmp_path: Path) -> None:
    other = tiny_llama(tmp_path / "other", dtype="float32")
    refused = told("consolidate", "alice", "-m", str(other))
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert refused.stderr.startswith("perdure: ")


def test_a_profile_of_another_model_is_mounted_with_a_warning(do: Command, tmp_path: Path) -> None:
    profiles(tmp_path / "store")
    result = do("chat", "hello", "-s", "new", "--profile", "bob", "--max-tokens", "2")
    assert result.exit_code == 0
    assert "bob was taught to another model" in result.stderr
    assert shape(do("inspect", "new", "--json"))["fast-weights"]["mounts"][0]["records"] == 2


def test_an_ephemeral_session_keeps_nothing(opens: Opens, teacher: type[Teacher]) -> None:
    with opens(encoder=HashedWords()) as runtime, pytest.raises(InvalidInput, match="ephemeral"):
        wiring.consolidate(runtime.ephemeral(), None, progress=lambda done, total: None)


def test_ctrl_c_keeps_what_was_written(do: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(batch: int) -> None:
        if batch == 2:
            signal.raise_signal(signal.SIGINT)

    statements = [f"Tamsin Orrell's thing{chr(97 + n)} is called Rex." for n in range(14)]
    say(do, "alice", " ".join(statements))
    with monkeypatch.context() as patch:
        scripted(patch, pressed)
        result = do("consolidate", "alice", "--into", "p")
    assert result.exit_code == 130
    assert "Interrupted. The same command goes on from there." in result.stderr
    assert result.stdout.splitlines()[-1].startswith("10 of 10 facts kept. p is at ")
    with monkeypatch.context() as patch:
        scripted(patch)
        rest = shape(do("consolidate", "alice", "--into", "p", "--json"))
    assert (rest["written"], rest["known"], rest["whole"]) == (4, 10, True)


def test_recalling_after_a_turn_that_only_opened_records(opens: Opens, do: Command) -> None:
    with small(opens) as runtime:
        taught(runtime.session("alice"))
    say(do, "alice", PANGOLIN.statement)
    output(do("consolidate", "alice"))
    output(do("chat", ASK, "-s", "alice", "--max-tokens", "2", "--recall", "off", *FLAGS))
    assert " · recalled " in do("chat", ASK_MEMORY, "-s", "alice", "--max-tokens", "2", *FLAGS).stderr
    assert FACT in output(do("trace", "alice"))


def test_the_server_is_told_when_to_consolidate(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(family())
    install(monkeypatch, runtime)
    for words in (["serve"], ["serve", "--consolidate-idle", "90"]):
        assert CliRunner().invoke(app, words).exit_code == 0
    assert CliRunner(env={"PERDURE_CONSOLIDATE_IDLE": "2.5"}).invoke(app, ["serve"]).exit_code == 0
    assert runtime.consolidate_idle == [None, 90.0, 2.5]
    assert CliRunner().invoke(app, ["serve", "--consolidate-idle", "-1"]).exit_code == 2
