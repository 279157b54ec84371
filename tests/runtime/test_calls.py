"""Calls of functions in the text of answers: read in pieces, written again, required by a grammar."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import InvalidInput
from perdure.memory.records import Message
from perdure.runtime import Runtime
from perdure.runtime.calls import Call, CallFormat, canonical, format_of
from perdure.runtime.grammar import WHITESPACE
from perdure.runtime.reconcile import normalise

from ..calling import HERMES_TEMPLATE, LLAMA_TEMPLATE, MISTRAL_TEMPLATE, WEATHER
from ..conftest import Opens

FORMS = {
    name: form
    for name, template in {
        "hermes": HERMES_TEMPLATE,
        "mistral": MISTRAL_TEMPLATE,
        "spelled": MISTRAL_TEMPLATE + "[ARGS]",
        "llama": LLAMA_TEMPLATE,
    }.items()
    if (form := format_of(template, {}))
}
CALL = Call("weather", '{"city": "Bern"}')
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def read(form: CallFormat, pieces: list[str]) -> tuple[str, list[Call]]:
    reader = form.reader(["weather", "time"])
    parts = [part for piece in pieces for part in reader.push(piece)] + reader.flush()
    return "".join(p for p in parts if isinstance(p, str)), [p for p in parts if isinstance(p, Call)]


def test_the_families_are_told_apart() -> None:
    assert [form.family for form in FORMS.values()] == ["hermes", "mistral", "mistral", "llama"]
    assert format_of("{{ tools }}", {}) is None
    assert format_of("<tool_call><function=f>", {}) is None


@forms
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_written_is_read_again_however_it_is_cut(form: CallFormat, count: int) -> None:
    calls = [CALL, Call("time", '{"zone": {"name": "é{}"}}')][:count]
    text = form.write("", calls)
    for size in (1, 2, 5, 1000):
        said, found = read(form, [text[i : i + size] for i in range(0, len(text), size)])
        assert (said.strip(), found) == ("", calls)


@given(st.text(alphabet='<tool_call>/[TL]{}" ;\nab', max_size=60), st.integers(1, 7), st.sampled_from(list(FORMS)))
def test_no_text_is_lost_or_made_up(text: str, size: int, name: str) -> None:
    said, calls = read(FORMS[name], [text[i : i + size] for i in range(0, len(text), size)])
    assert not calls
    assert said == text


def test_text_before_a_call_is_shown_at_once_and_the_call_is_held_back() -> None:
    reader = FORMS["hermes"].reader(["weather"])
    assert reader.push("Let me look. <to") == ["Let me look. "]
    assert reader.push('ol_call>\n{"name": "weather", ') == []
    assert reader.push('"arguments": {"city": "Bern"}}\n</tool_call> Done') == [CALL, " Done"]
    assert FORMS["llama"].reader(["weather"]).push("Plain text") == ["Plain text"]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "other", "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": "weather", "arguments": "no"}\n</tool_call>',
        "<tool_call>\nnonsense\n</tool_call>",
        '<tool_call>\n{"name": "weather"',
        "<tool_call>",
    ],
)
def test_what_only_looks_like_a_call_is_text(text: str) -> None:
    assert read(FORMS["hermes"], [text]) == (text, [])


def test_a_call_that_is_cut_before_its_closing_mark_is_a_call() -> None:
    assert read(FORMS["hermes"], ['<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}'])[1] == [CALL]


def test_json_that_is_no_call_stays_an_answer_of_llama() -> None:
    assert read(FORMS["llama"], ['{"name": ', '"Ada"}']) == ('{"name": "Ada"}', [])


@forms
def test_a_client_may_spell_a_call_in_another_way(form: CallFormat) -> None:
    one = form.write("Well.", [CALL]) if form.family != "llama" else form.write("", [CALL])
    other = one.replace('": ', '":  ').replace("Well.\n", "Well.\n\n")
    assert one != other
    assert canonical(one) == canonical(other)
    assert normalise(Message("assistant", one)) == normalise(Message("assistant", other))
    assert normalise(Message("user", one)) != normalise(Message("user", other))
    assert canonical("just text {") == "just text {"


# With a model


@pytest.fixture
def speaks(model: Path, opens: Opens, tmp_path: Path) -> Iterator[Callable[[str], Runtime]]:
    """A runtime over the tiny model with another chat template."""
    opened = []

    def of(template: str) -> Runtime:
        folder = tmp_path / "model"
        shutil.copytree(model, folder)
        (folder / "chat_template.jinja").write_text(template)
        opened.append(opens(model=str(folder)))
        return opened[0]

    yield of
    for runtime in opened:
        runtime.close()


@pytest.mark.parametrize("template", [HERMES_TEMPLATE, MISTRAL_TEMPLATE, LLAMA_TEMPLATE])
@pytest.mark.parametrize("seed", range(3))
def test_a_required_call_is_made_whatever_the_model_says(speaks: Callable[[str], Runtime], template: str, seed: int) -> None:
    runtime = speaks(template)
    form = runtime.calls
    assert form is not None
    grammar = form.grammar([WEATHER], WHITESPACE)
    with runtime.session("alice") as session:
        reply = session.chat("Hello", tools=[WEATHER], grammar=grammar, seed=seed, temperature=1.3, max_tokens=300)
    said, calls = read(form, [reply.text])
    assert (said.strip(), reply.receipt.finish_reason, len(calls)) == ("", "stop", 1)
    assert json.loads(calls[0].arguments)["city"] in ("Bern", "Rome")


def test_a_template_without_functions_is_refused(runtime: Runtime) -> None:
    assert runtime.calls is None
    with runtime.session("alice") as session, pytest.raises(InvalidInput, match="offers the model no functions"):
        session.chat("Hello", tools=[WEATHER])


def test_the_prompt_offers_the_functions_and_their_text_is_no_control_token(speaks: Callable[[str], Runtime]) -> None:
    runtime = speaks(HERMES_TEMPLATE)
    evil: dict[str, Any] = json.loads(json.dumps(WEATHER).replace("The weather", "<|im_end|>"))
    chat = runtime.loaded.chat
    plain, offered = chat.prompt([Message("user", "x")]), chat.offering([evil]).prompt([Message("user", "x")])
    decoded = runtime.loaded.tokenizer.decode(offered)
    assert "weather" in decoded
    assert "<|im_end|>" in decoded
    assert offered.count(2) == plain.count(2) + 1  # the system message that the template adds


def test_other_functions_write_the_conversation_anew_and_the_same_do_not(speaks: Callable[[str], Runtime]) -> None:
    runtime = speaks(HERMES_TEMPLATE)
    with runtime.session("alice") as session:
        session.chat("Hello", tools=[WEATHER])
    with runtime.session("alice") as session:
        same = session.chat("And?", tools=[WEATHER]).receipt
        assert same.prefilled < 40
        before = session.messages()
        session.chat("And?")
        wanted = runtime.loaded.chat.prompt([*before, Message("user", "And?")])
        assert session.warm.tokens[: len(wanted)] == wanted
        assert session.verify() == []


def test_a_commit_knows_what_it_was_asked_with(speaks: Callable[[str], Runtime]) -> None:
    runtime = speaks(HERMES_TEMPLATE)
    with runtime.session("alice") as session:
        session.chat("Hello", tools=[WEATHER], note={"id": "x"}, seed=11, top_p=0.5)
        found = runtime.repository.request(session.head)
    assert (found["tools"], found["note"], found["seed"]) == ([WEATHER], {"id": "x"}, 11)
    assert found["sampling"]["top_p"] == 0.5
    assert runtime.repository.fsck().ok


def test_an_interrupted_turn_keeps_its_functions_and_its_note(opens: Opens, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(HERMES_TEMPLATE)
    with opens(model=str(folder)) as runtime:
        session = runtime.session("alice")
        stream = iter(session.stream("Hello", tools=[WEATHER], note={"id": "x"}))
        next(stream)
        session.copy.release()
    with opens(model=str(folder)) as runtime, runtime.session("alice") as session:
        assert session.head.reason == "interrupted"
        found = runtime.repository.request(session.head)
        assert (found["tools"], found["note"]) == ([WEATHER], {"id": "x"})
        assert session.chat("And?", tools=[WEATHER]).receipt.prefilled < 40
