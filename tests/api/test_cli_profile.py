"""Profiles on the command line, over a real store: no model is loaded, and none is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perdure.api import taught
from perdure.api.cli.app import app
from perdure.memory import Repository, amending
from perdure.memory.fastweights import Record
from perdure.testing.records import record

from .fakes_cli import FakeRuntime, family, install
from .records import BOAT, profiles
from .remembering import without_a_model

Command = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def made(store: Path) -> dict[str, Record]:
    return profiles(store)


@pytest.fixture
def do(store: Path, made: dict[str, Record], monkeypatch: pytest.MonkeyPatch) -> Command:
    without_a_model(monkeypatch)
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, [*words, "--store", str(store)])


def output(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def shape(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(result))
    return found


def test_the_branches_that_hold_records_are_listed(do: Command) -> None:
    listed = shape(do("profile", "ls", "--json"))["profiles"]
    assert [(each["name"], each["records"], each["superseded"]) for each in listed] == [("alice", 4, 1), ("bob", 2, 0)]
    assert (listed[0]["bytes"], listed[0]["model"]) == (128, "nowhere")
    text = output(do("profile", "ls"))
    assert "carol" not in text
    assert "128 B" in text


def test_without_any_profile_there_is_a_sentence(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path / "empty"):
        result = CliRunner().invoke(app, ["profile", "ls", "--store", str(place)])
        assert (result.exit_code, result.stdout) == (0, "")
        assert "perdure consolidate" in result.stderr
        Repository.open(tmp_path / "empty").close()


def test_a_profile_shows_its_records(do: Command, made: dict[str, Record]) -> None:
    text = output(do("profile", "show", "alice"))
    assert f"contradicted by {made['again'].id}" in text
    assert made["biscuit"].statement in text
    assert "alice@turn:3" in text
    assert "75%" in text
    assert "4 records (1 superseded), 128 B" in text
    found = shape(do("profile", "show", "alice", "--json"))
    assert [each["id"] for each in found["records"]] == [made[name].id for name in ("old", "biscuit", "again", "said")]
    first, last = found["records"][0], found["records"][-1]
    assert (first["superseded_by"], first["contradicted"]) == (made["again"].id, True)
    assert (last["superseded_by"], last["contradicted"], last["recall"]) == (None, False, 0.75)
    assert last["sources"] == [
        {
            "uid": last["sources"][0]["uid"],
            "session": "alice",
            "deleted": False,
            "turn": 3,
            "span": {"start": 2, "end": 9},
            "episode": None,
        }
    ]
    assert (last["origin_deleted"], found["fast-weights"]["source_deleted"]) == (False, 0)
    assert "deleted" not in text
    assert shape(do("profile", "show", "alice~1", "--json"))["fast-weights"]["records"] == 2
    assert "nothing yet" in output(do("profile", "show", "alice~2"))


def test_where_a_fact_was_said_outlives_the_session(do: Command) -> None:
    assert do("fork", "alice", "dora").exit_code == 0
    assert do("rm", "alice", "--yes").exit_code == 0
    record = shape(do("profile", "show", "dora", "--json"))["records"][-1]
    source = record["sources"][0]
    # The fork still has the commit.
    assert (source["session"], source["deleted"], record["origin_deleted"]) == (None, True, False)
    text = output(do("profile", "show", "dora"))
    assert f"{source['uid'][:8]}@turn:3 (deleted)" in text
    assert "1 record from a session or commit that is deleted" in text
    assert shape(do("profile", "show", "dora", "--json"))["fast-weights"]["source_deleted"] == 1


def test_a_commit_that_is_gone_is_a_source_that_is_deleted(do: Command, store: Path) -> None:
    with Repository.open(store) as repository:
        uid = repository.info("bob").uid
        amending.teach(repository, "bob", [record(BOAT, time_ms=9, uid=uid, origin=b"o" * 32)], title="teach")
    assert "bob@turn:1 (deleted)" in output(do("profile", "show", "bob"))
    found = shape(do("profile", "show", "bob", "--json"))["records"][-1]
    assert (found["sources"][0]["session"], found["sources"][0]["deleted"]) == ("bob", True)
    assert found["origin_deleted"]


def test_inspect_tells_what_is_known_and_by_whom(do: Command, made: dict[str, Record]) -> None:
    text = output(do("inspect", "carol"))
    assert "4 records (1 superseded), 128 B; 0 its own" in text
    assert "mounts alice: 4 records, 128 B" in text
    tier = output(do("inspect", "carol", "--tier", "fast-weights"))
    assert "HELD BY" in tier
    assert made["said"].statement in tier
    found = shape(do("inspect", "carol", "--tier", "fast-weights", "--json"))
    assert found["fast-weights"] == {
        "records": 4,
        "superseded": 1,
        "source_deleted": 0,
        "own": 0,
        "bytes": 128,
        "mounts": [{"name": "alice", "records": 4, "bytes": 128, "missing": False}],
    }
    assert [each["branches"] for each in found["listed"]] == [["alice"]] * 4
    assert "working" not in found
    assert "HELD BY" not in output(do("inspect", "alice", "--tier", "fast-weights"))
    assert "nothing yet: `perdure consolidate`" in output(do("inspect", "carol", "--at", "HEAD~1"))
    assert shape(do("inspect", "carol", "--json"))["fast-weights"] == found["fast-weights"]


def test_what_is_mounted_last_and_the_sessions_own_word_count_most(do: Command, made: dict[str, Record]) -> None:
    output(do("profile", "mount", "carol", "bob"))
    states = {
        each["id"]: (each["branches"], each["superseded_by"])
        for each in shape(do("inspect", "carol", "--tier", "fast-weights", "--json"))["listed"]
    }
    assert states[made["biscuit"].id] == (["alice"], made["waffle"].id)
    assert states[made["waffle"].id] == (["bob"], None)
    assert states[made["old"].id] == (["alice", "bob"], made["again"].id)
    output(do("profile", "mount", "alice", "bob"))
    own = {each["id"]: each for each in shape(do("inspect", "alice", "--tier", "fast-weights", "--json"))["listed"]}
    assert own[made["waffle"].id]["superseded_by"] == made["biscuit"].id


def test_profiles_are_mounted_and_unmounted(do: Command) -> None:
    first = shape(do("profile", "mount", "carol", "bob", "alice", "--json"))
    assert [each["name"] for each in first["mounts"]] == ["alice", "bob"]
    assert output(do("profile", "mount", "carol", "bob")).startswith("carol mounts alice, bob; commit ")
    assert shape(do("log", "carol", "--json"))["commits"][0]["commit"] == first["commit"]
    assert shape(do("log", "carol", "--json"))["commits"][0]["author"] == "ada"
    assert output(do("profile", "unmount", "carol", "alice")).startswith("carol mounts bob; ")
    assert output(do("profile", "unmount", "carol", "bob")).startswith("carol mounts nothing; ")
    refused = do("profile", "unmount", "carol", "bob")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert "does not mount 'bob'; it mounts nothing." in refused.stderr


def test_a_profile_that_is_gone_is_named_and_left_out(do: Command) -> None:
    output(do("rm", "alice", "--yes"))
    assert "mounts alice: not there any more" in output(do("inspect", "carol"))
    assert shape(do("inspect", "carol", "--json"))["fast-weights"]["mounts"][0]["missing"]
    mounted = do("profile", "mount", "carol", "bob")
    assert output(mounted).startswith("carol mounts bob; ")
    assert "alice is not there any more" in mounted.stderr


def test_two_profiles_are_compared(do: Command, made: dict[str, Record]) -> None:
    text = output(do("profile", "diff", "alice", "bob"))
    assert "--- alice: 3 records alone" in text
    assert "+++ bob: 1 record alone" in text
    assert "1 record in both" in text
    assert f"+ {made['waffle'].id}  {made['waffle'].statement}" in text
    assert "! alice has 'Biscuit', bob has 'Waffle'; 'Waffle' is the later word." in text
    found = shape(do("profile", "diff", "alice", "bob", "--json"))
    assert [each["id"] for each in found["both"]] == [made["old"].id]
    assert {each["ours"]["value"]: each["holds"] for each in found["conflicts"]} == {"Biscuit": "Waffle", "Osprey": "Osprey"}
    same = shape(do("profile", "diff", "alice", "alice", "--json"))
    assert (same["ours"], same["theirs"], same["conflicts"]) == ([], [], [])


def test_one_profile_is_merged_into_another(do: Command, made: dict[str, Record]) -> None:
    text = output(do("profile", "merge", "alice", "bob"))
    assert "! alice has 'Biscuit', bob has 'Waffle'; 'Waffle' is the later word." in text
    assert "alice took in 1 record of bob. `perdure reset alice HEAD~1` takes it back." in text
    holds = {each["value"]: each["superseded_by"] for each in shape(do("profile", "show", "alice", "--json"))["records"]}
    assert holds["Biscuit"] == made["waffle"].id
    assert holds["Waffle"] is None
    again = shape(do("profile", "merge", "alice", "bob", "--json"))
    assert again["theirs"] == []
    assert "nothing was changed" in output(do("profile", "merge", "alice", "bob"))
    output(do("reset", "alice", "HEAD~1"))
    assert len(shape(do("profile", "show", "alice", "--json"))["records"]) == 4
    assert len(shape(do("profile", "show", "bob", "--json"))["records"]) == 2


def test_a_record_is_forgotten_and_the_one_before_it_holds_again(do: Command, made: dict[str, Record]) -> None:
    result = do("profile", "forget", "alice", made["again"].id[:6])
    assert output(result).startswith(f"alice forgot {made['again'].id}: ")
    assert f"{made['old'].id} holds again: {made['old'].statement}" in result.stderr
    gone = shape(do("profile", "forget", "alice", made["said"].id, "--json"))
    assert (gone["profile"], gone["record"]["id"]) == ("alice", made["said"].id)
    assert [each["id"] for each in shape(do("profile", "show", "alice", "--json"))["records"]] == [
        made["old"].id,
        made["biscuit"].id,
    ]


def test_profiles_are_forked_exported_and_imported_like_any_branch(do: Command, tmp_path: Path) -> None:
    output(do("fork", "alice", "user:alice"))
    output(do("export", "user:alice", str(tmp_path / "a.perdure")))
    output(do("import", str(tmp_path / "a.perdure"), "--as", "other"))
    assert len(shape(do("profile", "show", "other", "--json"))["records"]) == 4
    assert shape(do("profile", "diff", "other", "alice", "--json"))["ours"] == []


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["show", "nobody"], 3, "nobody"),
        (["mount", "nobody", "alice"], 3, "no session 'nobody'"),
        (["mount", "carol", "nobody"], 3, "`perdure consolidate SESSION --into nobody` makes it"),
        (["mount", "carol", "carol"], 2, "the session itself"),
        (["mount", "carol", "no name"], 2, "no profile name"),
        (["mount", "carol"], 2, "NAME"),
        (["unmount", "nobody", "alice"], 3, "no session 'nobody'"),
        (["unmount", "carol", "bob"], 3, "it mounts alice"),
        (["diff", "alice", "nobody"], 3, "nobody"),
        (["merge", "alice", "nobody"], 3, "no session 'nobody'"),
        (["merge", "nobody", "alice"], 3, "`perdure fork alice nobody` makes it"),
        (["merge", "alice", "alice"], 2, "the same profile"),
        (["forget", "nobody", "ffff"], 3, "no session 'nobody'"),
        (["forget", "alice", "ffffffff"], 3, "names no record"),
        (["forget", "alice", "ff"], 3, "4 or more digits"),
        (["forget", "carol", "ffffffff"], 3, "names no record"),
        (["paint"], 2, "No such command 'paint'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(do: Command, words: list[str], status: int, sentence: str) -> None:
    result = do("profile", *words) if words != ["paint"] else CliRunner().invoke(app, ["profile", "paint"])
    assert (result.exit_code, result.stdout) == (status, "")
    assert sentence in result.stderr
    assert result.stderr.startswith("perdure: ")
    assert result.stderr.count("\n") == 1


def test_an_id_that_several_records_begin_with(do: Command, store: Path, made: dict[str, Record]) -> None:
    from dataclasses import replace

    digits = made["said"].id
    twin = replace(made["biscuit"], id=digits[:8] + "0" * 8, time_ms=9)
    with Repository.open(store) as repository:
        amending.teach(repository, "alice", [twin], title="teach")
    refused = do("profile", "forget", "alice", digits[:8])
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert "names 2 records" in refused.stderr
    assert output(do("profile", "forget", "alice", digits))


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    for words in (["profile", "show", "alice"], ["profile", "mount", "a", "b"], ["consolidate", "alice", "--dry-run"]):
        result = CliRunner().invoke(app, [*words, "--store", str(tmp_path / "nothing")])
        assert result.exit_code == 5
        assert not (tmp_path / "nothing").exists()


def test_the_bare_command_says_that_profiles_are_branches() -> None:
    text = " ".join(CliRunner().invoke(app, ["profile"]).stdout.split())
    assert "fork, log, diff, tag, reset, export, import and rm work on profiles" in text
    assert all(f" {name} " in text for name in ("ls", "show", "mount", "unmount", "diff", "merge", "forget"))


def test_a_session_that_somebody_writes_is_busy(do: Command, store: Path) -> None:
    with Repository.open(store) as repository:
        copy = repository.working_copy("carol")
        copy.acquire()
        result = do("profile", "mount", "carol", "bob")
        copy.release()
    assert result.exit_code == 4
    assert do("profile", "mount", "carol", "bob").exit_code == 0


def test_the_server_is_told_what_its_sessions_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(family())
    install(monkeypatch, runtime)
    for words in ([], ["--profile", "bob", "--profile", "alice", "--profile", "bob"]):
        assert CliRunner().invoke(app, ["serve", *words]).exit_code == 0
    assert runtime.profiles == [(), ("bob", "alice")]
    runtime.fails = LookupError("the model must not be loaded")
    for name, status, sentence in (("nobody", 3, "--into nobody"), ("a b", 2, "profile name")):
        result = CliRunner().invoke(app, ["serve", "--profile", name])
        assert result.exit_code == status
        assert sentence in result.stderr


def test_the_server_says_which_profile_is_another_models(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeRuntime(family()))
    monkeypatch.setattr(taught, "foreign", lambda history, name, weights: name == "bob")
    result = CliRunner().invoke(app, ["serve", "--profile", "alice", "--profile", "bob"])
    assert result.exit_code == 0
    assert "bob was taught to another model; what it knows stays closed to tiny." in result.stderr
    assert "alice was" not in result.stderr


def test_chat_mounts_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(family())
    install(monkeypatch, runtime)
    assert CliRunner().invoke(app, ["chat", "hi", "-s", "alice", "--profile", "bob"]).exit_code == 0
    assert runtime.mounted == [("alice", ("bob",))]
    assert CliRunner().invoke(app, ["chat", "hi", "-s", "alice"]).exit_code == 0
    assert len(runtime.mounted) == 1
    runtime.fails = LookupError("the model must not be loaded")
    for name, status, sentence in (("nobody", 3, "--into nobody"), ("alice", 2, "itself"), ("a b", 2, "profile name")):
        result = CliRunner().invoke(app, ["chat", "hi", "-s", "alice", "--profile", name])
        assert result.exit_code == status
        assert sentence in result.stderr
