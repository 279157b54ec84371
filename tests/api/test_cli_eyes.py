"""What `log --graph`, `show`, `inspect` and `trace` draw: on terminals of any width, in plain ASCII, as JSON."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text
from typer.testing import CliRunner, Result

from perdure.api import modelfiles, wiring
from perdure.api.cli import app
from perdure.api.cli.app import main
from perdure.api.cli.screen import level, shares
from perdure.testing.encoder import HashedWords

from .fakes_cli import FakeRuntime, after, family, install
from .remembering import ASK, FACT, SMALL, taught, without_a_model

Draws = Callable[..., str]

EVIL = "\x1b]0;owned\x07[red]loud[/red] \u202eback\u2066 \x9b31m\rgone"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """alice, whose last answer recalled something, bob beside her, merged; a tag with her first turn."""
    from perdure.runtime import open as open_model

    folder = tmp_path_factory.mktemp("eyes")
    with open_model(
        str(model), folder / "store", cache=folder / "cache", threads=1, memory=SMALL, encoder=HashedWords()
    ) as runtime:
        alice = taught(runtime.session("alice"))
        bob = alice.fork("bob")
        bob.chat(f"bob says {EVIL}", max_tokens=4)
        bob.close()
        alice.chat(ASK, max_tokens=6, temperature=0.0)
        runtime.repository.tag("first", "@turn:1", "alice")
        alice.close()
        wiring.merge_branch(runtime.repository, "alice", "bob")
    models = folder / "cache" / "models" / modelfiles_name(folder / "store")
    shutil.copytree(model, models)
    return folder


def modelfiles_name(store: Path) -> str:
    from perdure.runtime.catalogue import folder_name

    with wiring.open_repository(store) as history:
        return folder_name(history.info("alice").model)


@pytest.fixture
def draws(told: Path, monkeypatch: pytest.MonkeyPatch) -> Draws:
    """What a command prints; with `width` on a terminal of so many cells."""
    without_a_model(monkeypatch)
    monkeypatch.setattr(wiring, "cache_path", lambda: told / "cache")
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def drawn(*words: str, width: int | None = None, **env: str) -> str:
        terminal = {} if width is None else {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(width)}
        result: Result = CliRunner().invoke(app, [*words, "--store", str(told / "store")], env={**terminal, **env})
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return drawn


def plain(text: str) -> list[str]:
    """The lines of what went to a terminal, without its colours."""
    return Text.from_ansi(text).plain.splitlines()


EVERY = [
    ["log", "--graph", "--all"],
    ["log", "alice", "--graph"],
    ["show", "alice~1"],
    ["show", "alice"],
    ["show", "bob", "--full"],
    ["inspect", "alice"],
    *(["inspect", "alice", "--tier", tier] for tier in ("working", "episodic", "summary", "fast-weights")),
    ["trace", "alice"],
]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_everything_fits_a_terminal_and_drives_nothing(draws: Draws, words: list[str]) -> None:
    for width in (60, 100, 160):
        text = draws(*words, width=width)
        assert max(map(cell_len, plain(text))) <= width
        assert not set(re.sub(r"\x1b\[[0-9;]*m", "", text)) & set("\x1b\x07\x9b\r\u202e\u2066")
    piped = draws(*words)
    assert piped.isascii()
    assert not set(piped) & set("\x1b\x07\r")


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_without_colours_there_are_none(draws: Draws, words: list[str]) -> None:
    codes = re.findall(r"\x1b\[([0-9;]*)m", draws(*words, width=100, NO_COLOR="1"))
    assert {part for code in codes for part in code.split(";")} <= {"0", "1", "2", ""}


def test_markup_of_users_is_text(draws: Draws) -> None:
    for words in (["log", "bob", "--graph"], ["show", "bob"]):
        assert "[red]loud[/red]" in " ".join(plain(draws(*words, width=160)))
    assert "[red]loud[/red]" in draws("show", "bob")


def test_the_graph_shows_branches_merges_and_what_stands_there(draws: Draws) -> None:
    lines = draws("log", "--graph", "--all").splitlines()
    assert lines[0].startswith("M-.  ")
    assert "(alice) [merge]" in lines[0]
    assert sum("(bob)" in line for line in lines) == sum("(tag: first)" in line for line in lines) == 1
    assert lines[-1].startswith("o ")
    assert len(lines) == 9
    on_terminal = plain(draws("log", "--graph", "--all", width=100))
    assert on_terminal[0].startswith("◆─╮  ")
    assert next(line[5:] for line in lines if "Tamsin" in line)[:10] in on_terminal[1] + on_terminal[2]


def test_the_graph_s_json_has_the_same(draws: Draws) -> None:
    shape = json.loads(draws("log", "--graph", "--all", "--json"))
    assert shape["revision"] is None
    merge, *others = shape["commits"]
    assert (merge["kind"], merge["refs"], merge["lane"]) == ("merge", {"sessions": ["alice"], "tags": []}, 0)
    assert merge["edges"] == [{"lane": 1, "strand": 1, "new": True}]
    assert {parent for commit in shape["commits"] for parent in commit["parents"]} == {c["commit"] for c in others}
    assert all(commit["added_bytes"] > 0 for commit in others if commit["kind"] == "turn")
    alone = json.loads(draws("log", "alice~1", "--graph", "-n", "2", "--json"))
    assert (alone["revision"], len(alone["commits"])) == ("alice~1", 2)
    assert [c["commit"] for c in json.loads(draws("log", "--all", "--json"))["commits"]] == [
        c["commit"] for c in shape["commits"]
    ]
    assert draws("log", "--all").startswith("* ")


def test_a_reflog_is_no_graph(draws: Draws, told: Path) -> None:
    result = CliRunner().invoke(app, ["log", "alice", "--reflog", "--graph", "--store", str(told / "store")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--reflog lists where one session has stood" in result.stderr


def test_show_tells_of_one_turn(draws: Draws) -> None:
    text = draws("show", "alice~1")
    assert ASK in text
    assert FACT not in text
    assert "10 earlier messages; --full shows all" in text
    shape = json.loads(draws("show", "alice~1", "--json"))
    assert f"restored {shape['metrics']['restored']}" in text
    assert shape["recipe_parts"]["dtype"] == "bfloat16"
    assert shape["memory"]["working"]["window"] > 0
    assert "gained memories" in draws("show", "alice")


def test_inspect_draws_the_context_to_scale(draws: Draws) -> None:
    shape = json.loads(draws("inspect", "alice~1", "--json"))
    parts = {part["name"]: part for part in shape["context"]["parts"]}
    working = shape["working"]
    assert parts["summary"]["tokens"] == working["summary"]
    assert parts["window"]["tokens"] == working["window"]
    assert parts["system"]["tokens"] + parts["sinks"]["tokens"] == working["sinks"]
    assert parts["recalled"]["tokens"] == shape["metrics"]["recalled"] > 0
    assert shape["context"]["limit"] == parts["free"]["tokens"] + shape["context"]["used"]
    assert sum(part["bytes"] for name, part in parts.items() if name not in ("free", "recalled")) == working["bytes"]
    bar = draws("inspect", "alice~1").splitlines()[3]
    assert re.fullmatch(r"y*k+m+s+w+\.+//\.+", bar)
    assert len(bar) == 100


def test_the_block_map_knows_what_is_read_and_shared(draws: Draws) -> None:
    blocks = json.loads(draws("inspect", "alice", "--tier", "working", "--json"))["blocks"]
    assert blocks[0]["place"] == "sinks"
    assert [block["place"] for block in blocks[1:]] == sorted(block["place"] for block in blocks[1:])
    assert blocks[-1]["place"] == "window"
    shared = sum(block["sessions"] == ["bob"] for block in blocks)
    assert 0 < shared < len(blocks)
    text = draws("inspect", "alice", "--tier", "working")
    assert f"shared with bob ({shared})" in text
    assert re.search(r"^ *0  k:+[.:=#]+$", text, re.MULTILINE)
    assert "◇" in draws("inspect", "alice", "--tier", "working", width=80)


def test_the_heat_map_has_every_layer_and_head(draws: Draws) -> None:
    (heat,) = json.loads(draws("inspect", "alice", "--tier", "summary", "--json"))["heat"]
    assert heat["kind"] == "mass"
    assert heat["layers"] == list(range(len(heat["values"])))
    assert all(number >= 0 for row in heat["values"] for number in row)
    heads = [line for line in draws("inspect", "alice", "--tier", "summary").splitlines() if line.startswith("head ")]
    assert len(heads) == len(heat["values"][0])


def test_trace_draws_attention_below_or_behind_the_answer_s_tokens(draws: Draws) -> None:
    answer = json.loads(draws("trace", "alice", "--json"))["trace"]["answer"]
    text = json.loads(draws("show", "alice~1", "--json"))["conversation"][-1]["content"]
    assert "".join(item["text"] for item in answer).strip() == text.strip()
    assert all(0 < item["mass"] < 1 for item in answer)
    numbers = draws("trace", "alice").partition("token of the answer")[2].splitlines()[2]
    assert re.findall(r"\d+(?=%)", numbers) == [f"{item['mass']:.0%}"[:-1] for item in answer]
    assert "48;5;" in draws("trace", "alice", width=100)
    assert "left out" in draws("trace", "alice")


def test_without_the_tokenizer_tokens_have_numbers(draws: Draws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wiring, "cache_path", lambda: tmp_path)
    assert json.loads(draws("trace", "alice", "--json"))["trace"]["answer"][0]["text"] is None
    assert "#1 " in draws("trace", "alice")
    assert json.loads(draws("inspect", "alice", "--json"))["context"]["limit"] is None
    assert "free" not in draws("inspect", "alice")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"text_config": {"n_positions": 7}}', '{"max_seq_len": 7}'])
def test_a_configuration_may_say_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "tokenizer.json").write_text(content)
    assert modelfiles.context_length(tmp_path) == (7 if "7" in content else None)
    assert modelfiles.pieces(tmp_path, [1], "x") is None
    assert modelfiles.context_length(None) is None


def test_a_model_s_name_is_no_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wiring, "cache_path", lambda: tmp_path / "cache")
    for name in (str(tmp_path), "../..", ".", "", None):
        assert wiring.model_folder(name) is None


def test_many_names_and_wide_letters_are_cut_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRuntime(family())
    install(monkeypatch, fake)
    line = fake.repository.branches["alice"]
    line.append(after(line[-1], "漢字" * 60, "ja"))
    for number in range(9):
        fake.repository.branches[f"fork{number}"] = list(line)
    env = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "70"}
    found = plain(CliRunner().invoke(app, ["log", "--graph", "--all"], env=env).stdout)
    assert max(map(cell_len, found)) <= 70
    env["COLUMNS"] = "120"
    found = plain(CliRunner().invoke(app, ["log", "--graph", "--all"], env=env).stdout)
    assert max(map(cell_len, found)) <= 120
    assert "(alice, fork0, fork1, fork2, +6)" in found[0]


def test_a_terminal_without_a_letter_gets_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRuntime(family())
    install(monkeypatch, fake)
    line = fake.repository.branches["alice"]
    line.append(after(line[-1], "Où est le café?", "ici"))
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr("sys.argv", ["perdure", "log", "alice", "--graph"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert b"O\\xf9 est le caf\\xe9?" in written.getvalue()


@pytest.mark.parametrize(
    ("amounts", "cells", "found"),
    [
        ([1, 1], 10, [5, 5]),
        ([0, 0], 10, [0, 0]),
        ([1000, 1, 1], 10, [8, 1, 1]),
        ([1, 1, 1], 2, [1, 1, 1]),
        ([2, 0, 1], 6, [4, 0, 2]),
    ],
)
def test_shares_of_a_bar(amounts: list[float], cells: int, found: list[int]) -> None:
    assert shares(amounts, cells) == found


def test_only_nothing_is_blank() -> None:
    assert [level(share, " .#") for share in (0, 0.01, 0.6, 1)] == [" ", ".", "#", "#"]
