"""Chat formatting against the tokenizer's own rendering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.errors import InvalidInput
from perdure.memory.records import Message
from perdure.runtime.chat import FALLBACK_STOPS, ChatFormat, TemplateRewrites
from perdure.testing.tiny import END_OF_TURN, tiny_llama

CONTROL = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")

REWRITING = (
    "{% for m in messages %}{% if m['role'] == 'assistant' and not loop.last %}"
    "{{ '<|im_start|>assistant\n' + m['content'].split('</think>')[-1] + '<|im_end|>' }}"
    "{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRIMMING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + (m['content'] | trim) + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
OPENED = TRIMMING.replace("'<|im_start|>assistant\n' }}", "'<|im_start|>assistant\n<think>\n' }}")
STRICT = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TRIMMING


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("chat") / "model")


def tokenizer_of(folder: Path, template: str | None = None) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if template is not None:
        tokenizer.chat_template = template or None
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return tokenizer_of(folder)


@pytest.fixture(scope="module")
def chat(tokenizer: Any) -> ChatFormat:
    return ChatFormat(tokenizer)


def conversation(*contents: str) -> list[Message]:
    return [Message("assistant" if i % 2 else "user", text) for i, text in enumerate(contents)]


def rendered(tokenizer: Any, messages: list[Message], **options: Any) -> list[int]:
    plain = [{"role": m.role, "content": m.content} for m in messages]
    found = tokenizer.apply_chat_template(plain, tokenize=True, return_dict=False, **options)
    return list(found)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
typed = st.lists(st.one_of(texts, st.sampled_from(CONTROL)), max_size=5).map("".join)


@given(contents=st.lists(texts, min_size=1, max_size=5), system=st.none() | texts)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_whole_prompt_is_what_the_tokenizer_makes_of_it(
    chat: ChatFormat, tokenizer: Any, contents: list[str], system: str | None
) -> None:
    messages = ([Message("system", system)] if system is not None else []) + conversation(*contents)
    assert chat.prompt(messages) == rendered(tokenizer, messages, add_generation_prompt=True)


@given(contents=st.lists(typed, min_size=1, max_size=4))
@settings(deadline=None, max_examples=100)
def test_control_tokens_in_messages_are_plain_text(chat: ChatFormat, tokenizer: Any, contents: list[str]) -> None:
    messages = conversation(*contents)
    tokens = chat.prompt(messages)
    assert tokens == rendered(tokenizer, messages, add_generation_prompt=True, sanitize_control_tokens=True)
    assert tokens.count(END_OF_TURN) == len(messages)
    assert all(text in tokenizer.decode(tokens) for text in contents)


@given(contents=st.lists(typed, min_size=3, max_size=7).filter(lambda c: len(c) % 2 == 1))
@settings(deadline=None, max_examples=60)
def test_turn_after_turn_gives_the_whole_prompt(chat: ChatFormat, contents: list[str]) -> None:
    messages = conversation(*contents)
    fed = chat.delta([], messages[:1], tail_is_open=False)
    for turn in range(1, len(messages), 2):
        answer = messages[turn]
        fed += encoded(chat, answer.content)
        fed += chat.delta(messages[: turn + 1], messages[turn + 1 : turn + 2], tail_is_open=True)
    assert fed == chat.prompt(messages)


def encoded(chat: ChatFormat, text: str) -> list[int]:
    return list(chat._literal.encode(text, add_special_tokens=False).ids)


def test_the_delta_closes_the_open_answer(chat: ChatFormat, tokenizer: Any) -> None:
    delta = chat.delta(conversation("Hi", "Hello"), [Message("user", "Bye")], tail_is_open=True)
    assert tokenizer.decode(delta) == "<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    assert delta[0] in chat.stop_tokens


def test_a_closed_history_is_continued_where_the_template_ended(chat: ChatFormat, tokenizer: Any) -> None:
    history = [*conversation("Hi", "Hello"), Message("system", "Be brief")]
    delta = chat.delta(history, [Message("user", "Bye")], tail_is_open=False)
    assert tokenizer.decode(delta) == "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(chat.delta(history, [], tail_is_open=False)) == "<|im_start|>assistant\n"


def test_a_template_that_rewrites_the_past_says_so_with_the_whole_prompt(folder: Path) -> None:
    chat = ChatFormat(tokenizer_of(folder, REWRITING))
    history, new = conversation("Hi", "<think>hm</think>Hello"), [Message("user", "Bye")]
    with pytest.raises(TemplateRewrites) as caught:
        chat.delta(history, new, tail_is_open=True)
    assert caught.value.tokens == chat.prompt([*history, *new])
    assert chat.delta(conversation("Hi", "Hello"), new, tail_is_open=True)


def test_a_long_chat_goes_on_behind_the_answer_whatever_the_template_rewrites(folder: Path) -> None:
    tokenizer = tokenizer_of(folder, REWRITING)
    chat = ChatFormat(tokenizer)
    history, new = conversation("Hi", "<think>hm</think>Hello"), [Message("user", "Bye")]
    plain = chat.delta(conversation("Hi", "Hello"), new, tail_is_open=True)
    assert chat.continued(history, new) == plain


def test_a_prompt_that_history_does_not_repeat_is_a_rewrite(folder: Path) -> None:
    chat = ChatFormat(tokenizer_of(folder, OPENED))
    with pytest.raises(TemplateRewrites):
        chat.delta(conversation("Hi", "Hello"), [Message("user", "Bye")], tail_is_open=True)


def test_a_trimmed_answer_stays_as_it_was_generated(folder: Path) -> None:
    tokenizer = tokenizer_of(folder, TRIMMING)
    delta = ChatFormat(tokenizer).delta(conversation("Hi", " Hello \n"), [Message("user", "Bye")], tail_is_open=True)
    assert tokenizer.decode(delta) == "<|im_end|><|im_start|>user\nBye<|im_end|><|im_start|>assistant\n"


def test_the_templates_refusal_is_handed_on(folder: Path) -> None:
    chat = ChatFormat(tokenizer_of(folder, STRICT))
    with pytest.raises(InvalidInput, match="refuses this conversation: System role not supported"):
        chat.prompt([Message("system", "Be kind"), Message("user", "Hi")])


def test_nothing_to_answer_is_refused(chat: ChatFormat) -> None:
    with pytest.raises(InvalidInput, match="at least one message"):
        chat.prompt([])
    with pytest.raises(InvalidInput, match="Only an answer"):
        chat.delta(conversation("Hi"), [Message("user", "Bye")], tail_is_open=True)


def test_stop_tokens_come_from_model_tokenizer_and_template(tokenizer: Any) -> None:
    assert ChatFormat(tokenizer, eos=[77]).stop_tokens == {77, END_OF_TURN, 0}


def test_a_model_without_a_template_speaks_the_plain_format(folder: Path) -> None:
    tokenizer = tokenizer_of(folder, "")
    tokenizer.bos_token = None
    chat = ChatFormat(tokenizer)
    assert tokenizer.decode(chat.prompt(conversation("Hi"))) == "User:\nHi<|im_end|>\n\nAssistant:\n"
    delta = chat.delta(conversation("Hi", " Hello"), [Message("user", "Bye")], tail_is_open=True)
    assert tokenizer.decode(delta) == "<|im_end|>\n\nUser:\nBye<|im_end|>\n\nAssistant:\n"
    assert chat.stop_strings == FALLBACK_STOPS
    assert not chat.has_template


def test_a_tokenizer_without_its_json_form_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"tokenizer\.json"):
        ChatFormat(object())


def test_count(chat: ChatFormat) -> None:
    assert chat.count("") == 0
    assert chat.count("<|im_end|>") > 1
