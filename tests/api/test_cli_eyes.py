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
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner, Result

from perdure.api import modelfiles, wiring
from perdure.api.blocks import Held
from perdure.api.cli import app
from perdure.api.cli.app import main
from perdure.api.cli.map_render import block_lines, heat_lines
from perdure.api.cli.screen import level, screen, shares
from perdure.memory.blockmap import Block, Group
from perdure.memory.heads import Heads, Layer
from perdure.testing.encoder import HashedWords

from .fakes_cli import FakeRuntime, after, family, install
from .http_server import serving
from .remembering import ASK, FACT, SMALL, taught, without_a_model

Draws = Callable[..., str]

EVIL = "\x1b]0;owned\x07[red]loud[/red] \u202eback\u2066 \x9b31m\rgone"


ASKED = ("memory/context", "blocks", "memory/summary/heads", "graph")


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
        with serving(runtime) as api:
            served = [api.get(f"/v1/sessions/alice/{path}").json() for path in ASKED]
    (folder / "rest.json").write_text(json.dumps(served), encoding="utf-8")
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
    assert (merge["kind"], merge["branches"], merge["tags"], merge["lane"]) == ("merge", ["alice"], [], 0)
    assert merge["edges"] == [{"lane": 1, "strand": 1, "new": True}]
    assert {parent for commit in shape["commits"] for parent in commit["parents"]} == {c["commit"] for c in others}
    assert all(commit["bytes_added"] == sum(commit["added"].values()) > 0 for commit in shape["commits"])
    assert all(commit["added"]["working"] > 0 for commit in others if commit["kind"] == "turn")
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
    assert re.search(r"^added +\S+ \S+: working .*, log ", text, re.MULTILINE)
    shape = json.loads(draws("show", "alice~1", "--json"))
    assert f"restored {shape['metrics']['restored']}" in text
    assert shape["recipe_parts"]["dtype"] == "bfloat16"
    assert shape["memory"]["working"]["window"] > 0
    assert (shape["branches"], shape["bytes_added"]) == ([], sum(shape["added"].values()))
    assert "gained memories" in draws("show", "alice")


def test_inspect_draws_the_context_to_scale(draws: Draws) -> None:
    shape = json.loads(draws("inspect", "alice~1", "--json"))
    context, working = shape["context"], shape["working"]
    parts = {part["name"]: part for part in context["parts"]}
    assert list(parts) == ["system", "sinks", "summary", "window", "recalled"]
    assert (parts["summary"]["tokens"], parts["window"]["tokens"]) == (working["summary"], working["window"])
    assert sum(part["tokens"] for part in parts.values()) == working["entries"]
    assert sum(part["bytes"] for part in parts.values()) + context["fixed_bytes"] == working["bytes"]
    assert sum(each["tokens"] for each in context["last_recalled"]) == shape["metrics"]["recalled"] > 0
    assert (context["free"], context["then"]) == (context["limits"]["context"] - working["entries"], "end")
    bar = draws("inspect", "alice~1").splitlines()[3]
    assert re.fullmatch(r"y*k+s+w+m+\.+//\.+", bar)
    assert len(bar) == 100


def test_both_interfaces_tell_the_same(draws: Draws, told: Path) -> None:
    """What the server says of a commit is what the commands say, member by member."""
    inspected = {tier: json.loads(draws("inspect", "alice", "--tier", tier, "--json")) for tier in ("working", "summary")}
    shown = json.loads(draws("show", "alice", "--json"))
    context, blocks, heads, graph = json.loads((told / "rest.json").read_text(encoding="utf-8"))
    mine = inspected["working"]["context"]
    assert [{name: part[name] for name in mine["parts"][0]} for part in context["parts"]] == mine["parts"]
    assert {name: context[name] for name in ("backend", "fixed_bytes", "last_recalled")}.items() <= mine.items()
    assert context["limits"]["context"] == mine["limits"]["context"]
    mine = inspected["working"]["blocks"]
    assert {name: blocks[name] for name in mine} == mine
    mine = inspected["summary"]["heads"]
    assert {name: heads[name] for name in mine} == mine
    (node,) = (each for each in graph["data"] if each["id"] == shown["commit"])
    assert {name: node[name] for name in ("branches", "tags", "bytes_added", "added")}.items() <= shown.items()


def test_the_block_map_knows_what_is_read_and_shared(draws: Draws) -> None:
    found = json.loads(draws("inspect", "alice", "--tier", "working", "--json"))["blocks"]
    (group,) = found["groups"]
    columns = group["columns"]
    tiers = [found["tiers"][each] for each in columns["tier"]]
    assert (tiers[0], tiers[-1]) == ("sink", "window")
    assert "summary" in tiers
    ((name, shared),) = ((each["session"], each["blocks"]) for each in group["shared"])
    assert name == "bob"
    assert columns["sessions"] == [2] * shared + [1] * (len(tiers) - shared)
    text = draws("inspect", "alice", "--tier", "working")
    assert f"shared with bob ({shared})" in text
    assert re.search(r"^ *0  k[.:Ss=#]+$", text, re.MULTILINE)
    assert "◇" in draws("inspect", "alice", "--tier", "working", width=80)


def test_a_block_that_is_gone_is_drawn_as_gone() -> None:
    block = Block(0, 0, 64, b"x" * 32, 10, "window")
    group = Group("full", (), b"r" * 32, (block, block._replace(number=1, start=64, nbytes=0)))
    out = screen(Console(file=io.StringIO(), width=80))
    lines = [line.plain for line in block_lines([Held(group, {})], out)]
    assert lines[1] == " 0  #!"
    assert lines[-1] == "! not in the store, computed again when needed: 1 block"


def test_the_heat_map_has_every_layer_and_head(draws: Draws) -> None:
    layers = json.loads(draws("inspect", "alice", "--tier", "summary", "--json"))["heads"]["layers"]
    assert [each["layer"] for each in layers] == list(range(len(layers)))
    assert all(score >= 0 for each in layers for score in each["scores"])
    heads = [line for line in draws("inspect", "alice", "--tier", "summary").splitlines() if line.startswith("head ")]
    assert len(heads) == len(layers[0]["scores"])


@pytest.mark.parametrize("opened", [(2, 5), (2,)])
def test_norms_of_a_memory_are_drawn_by_layer_where_these_are_known(opened: tuple[int, ...]) -> None:
    layers = tuple(Layer(number, (0,), (0.0,), (None,), (None,), (0.0,), ((),)) for number in (2, 5))
    norms = (tuple((float(number),) for number in opened),)
    found = Heads("infini", 9, "", 0.0, "delta", "ab", ((0, 4),), (), layers, ((0, 1),), norms)
    lines = [line.plain for line in heat_lines(found, screen(Console(file=io.StringIO(), width=80)))]
    assert lines[0].startswith("norm of the memory of fixed size")
    assert lines[1].split() == ["layer", "2" if len(opened) == 2 else "0"]
    assert lines[2].startswith("head 0")


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
    assert json.loads(draws("inspect", "alice", "--json"))["context"]["limits"]["context"] is None
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
