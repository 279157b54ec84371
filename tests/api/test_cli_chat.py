"""Chat: one prompt, a script, a terminal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from typer.testing import CliRunner, Result

from perdure.api.cli import app, chat
from perdure.api.cli.conversation import COMMANDS, Conversation
from perdure.api.cli.render import receipt_line
from perdure.api.cli.turn import Turn
from perdure.errors import ModelNotFound, PromptTooLong
from perdure.runtime.records import Receipt

from .fakes_cli import FakeRuntime, FakeSession, family, install


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime(family())
    install(monkeypatch, fake)
    return fake


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["chat", *arguments], input=text)


def test_a_prompt_is_answered_and_stored(runtime: FakeRuntime) -> None:
    result = run("-s", "alice", "hello there")
    assert result.exit_code == 0
    assert result.stdout == "You said hello there\n"
    assert runtime.repository.info("alice").head.turn == 3


def test_the_receipt_is_one_line_on_stderr(runtime: FakeRuntime) -> None:
    line = run("-s", "alice", "hello there").stderr.strip()
    head = runtime.repository.info("alice").head.short
    assert line == (
        "↩ restored 13 · reused 0 · prefilled 2 · generated 4 · restore 4.1 ms · read 18.7 MB · wrote 1.5 MB · " + head
    )


def test_notes_follow_on_lines_of_their_own(runtime: FakeRuntime) -> None:
    runtime.turn_notes = ("One block was mended.", "A turn was recovered.")
    lines = run("hello").stderr.splitlines()
    assert [line.strip() for line in lines[1:]] == list(runtime.turn_notes)


def test_replayed_is_named_only_when_there_was_any() -> None:
    assert "replayed" not in receipt_line(Receipt("s", "ab" * 32, ""))
    assert " · replayed 7 · generated" in receipt_line(Receipt("s", "ab" * 32, "", replayed=7))
    assert "guessed" not in receipt_line(Receipt("s", "ab" * 32, ""))
    assert "generated 9 · guessed 5 of 7 · " in receipt_line(Receipt("s", "ab" * 32, "", generated=9, drafted=7, accepted=5))


def test_quiet_leaves_the_answer_alone(runtime: FakeRuntime) -> None:
    result = run("--quiet", "hello")
    assert result.stdout == "You said hello\n"
    assert result.stderr == ""


def test_stdin_is_one_prompt(runtime: FakeRuntime) -> None:
    run("--quiet", text="first line\n/not a command\n")
    assert [message for _, message, _ in runtime.asked] == ["first line\n/not a command"]


def test_an_empty_prompt_is_refused_before_a_model_is_loaded(runtime: FakeRuntime) -> None:
    for result in (run("  "), run(text="\n")):
        assert result.exit_code == 2
        assert result.stderr.startswith("perdure: The prompt is empty")
    assert runtime.opened == []


def test_options_reach_the_session_and_the_draw(runtime: FakeRuntime) -> None:
    run(
        "--system",
        "Be brief.",
        "--as-text",
        "--max-tokens",
        "2",
        "--temperature",
        "0",
        "--seed",
        "7",
        "hello",
        "-s",
        "new",
    )
    assert runtime.opened == [("new", {"create": True, "system": "Be brief.", "as_text": True})]
    assert runtime.asked == [("new", "hello", {"max_tokens": 2, "temperature": 0.0, "seed": 7})]


@pytest.mark.parametrize("wrong", [("--max-tokens", "0"), ("--temperature", "9"), ("--seed", "-1")])
def test_numbers_out_of_range_are_refused_first(runtime: FakeRuntime, wrong: tuple[str, str]) -> None:
    result = run(*wrong, "hello")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert runtime.opened == []


def test_json_is_one_object_with_the_receipt(runtime: FakeRuntime) -> None:
    result = run("-s", "alice", "--json", "hello")
    found = json.loads(result.stdout)
    assert set(found) == {"session", "text", "receipt"}
    assert found["text"] == "You said hello"
    assert set(found["receipt"]) == set(Receipt.__slots__)
    assert found["receipt"]["notes"] == []
    assert result.stderr == ""


def test_a_script_of_lines(runtime: FakeRuntime) -> None:
    result = run("--lines", "-s", "alice", text="hello\n\n//slash\n/fork carol HEAD~1\nhi\n/quit\nnever\n")
    assert result.exit_code == 0
    assert result.stdout == "You said hello\nYou said /slash\nYou said hi\n"
    assert [(name, message) for name, message, _ in runtime.asked] == [
        ("alice", "hello"),
        ("alice", "/slash"),
        ("carol", "hi"),
    ]


def test_a_script_is_echoed_with_the_receipts(runtime: FakeRuntime) -> None:
    lines = run("--lines", "-s", "alice", text="hello\n/quit\n").stderr.splitlines()
    assert lines[0] == "alice> hello"
    assert lines[1].startswith("↩ ")
    assert lines[2] == "alice> /quit"


def test_a_script_with_json_prints_one_object_a_line(runtime: FakeRuntime) -> None:
    result = run("--lines", "--json", text="one\n/log\ntwo\n")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["You said one", "You said two"]
    assert "turn 1" in result.stderr


def test_slash_log_diff_undo_help(runtime: FakeRuntime) -> None:
    result = run("--lines", "-q", "-s", "alice", text="/log\n/diff\n/undo\n/diff HEAD bob\n/help\n")
    assert result.exit_code == 0
    assert result.stdout.count("* ") == 3
    assert "--- alice~1" in result.stdout
    assert "+ user: What is his name?" in result.stdout
    assert "+ user: Tell me a joke." in result.stdout
    assert runtime.repository.info("alice").head.turn == 1
    assert all(f"/{name}" in result.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/nope", "There is no command /nope"),
        ("/", "There is no command /"),
        ("/fork", "/fork is written `/fork NAME [REV]`."),
        ("/undo now", "/undo is written `/undo`."),
        ("/fork 'x", "cannot be read"),
        ("/fork bob", "exists already"),
    ],
)
def test_a_script_ends_at_its_first_error(runtime: FakeRuntime, line: str, sentence: str) -> None:
    result = run("--lines", "-q", "-s", "alice", text=f"{line}\nhello\n")
    assert result.exit_code in (2, 4)
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert runtime.asked == []


def press_ctrl_c(number: int) -> None:
    if number == 1:
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_what_was_streamed(runtime: FakeRuntime) -> None:
    runtime.on_word = press_ctrl_c
    result = run("-s", "alice", "hello")
    assert result.exit_code == 130
    assert result.stdout == "You\n"
    assert runtime.repository.messages("alice")[-1].content == "You"
    assert runtime.repository.info("alice").head.reason == "cancelled"


def _interrupt_twice(_number: int) -> None:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_interrupts(runtime: FakeRuntime) -> None:
    runtime.on_word = _interrupt_twice
    result = run("hello")
    assert result.exit_code == 130
    assert result.stderr == ""


def test_the_handler_of_before_comes_back(runtime: FakeRuntime) -> None:
    before = signal.getsignal(signal.SIGINT)
    run("hello")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_missing_model_is_one_sentence(runtime: FakeRuntime) -> None:
    runtime.fails = ModelNotFound("The model 'x' is not on this machine. Get it with: perdure pull x")
    result = run("hello")
    assert result.exit_code == 3
    assert result.stderr == "perdure: The model 'x' is not on this machine. Get it with: perdure pull x\n"


@pytest.fixture
def terminal() -> Iterator[PipeInput]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


def converse(runtime: FakeRuntime) -> None:
    session = FakeSession(runtime, "alice")
    chat.talk(Conversation(runtime.repository, session, Turn(quiet=True)))  # type: ignore[arg-type]


def test_a_conversation_ends_with_quit(runtime: FakeRuntime, terminal: PipeInput) -> None:
    terminal.send_text("hello\r/quit\r")
    converse(runtime)
    assert [message for _, message, _ in runtime.asked] == ["hello"]


def test_a_conversation_ends_with_ctrl_d(runtime: FakeRuntime, terminal: PipeInput) -> None:
    terminal.send_text("\r\x04")
    converse(runtime)
    assert runtime.asked == []


def test_alt_enter_starts_a_new_line(runtime: FakeRuntime, terminal: PipeInput) -> None:
    terminal.send_text("one\x1b\rtwo\r/quit\r")
    converse(runtime)
    assert [message for _, message, _ in runtime.asked] == ["one\ntwo"]


def test_ctrl_c_at_the_prompt_drops_the_line(runtime: FakeRuntime, terminal: PipeInput) -> None:
    terminal.send_text("half\x03")
    terminal.send_text("whole\r/quit\r")
    converse(runtime)
    assert [message for _, message, _ in runtime.asked] == ["whole"]


def test_the_arrows_find_what_was_said_before(runtime: FakeRuntime, terminal: PipeInput) -> None:
    session = FakeSession(runtime, "alice")
    conversation = Conversation(runtime.repository, session, Turn())  # type: ignore[arg-type]
    history = chat.prompt_session(conversation).history
    assert list(history.load_history_strings()) == ["What is his name?", "My dog is called Bruno."]


def test_an_error_does_not_end_a_conversation(
    runtime: FakeRuntime, terminal: PipeInput, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.fails = PromptTooLong("The prompt has 9000 tokens; shorten it.")
    terminal.send_text("hello\r/nope\r/quit\r")
    converse(runtime)
    said = capsys.readouterr().err
    assert "perdure: The prompt has 9000 tokens; shorten it.\n" in said
    assert "perdure: There is no command /nope" in said
