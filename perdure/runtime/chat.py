"""From messages to tokens: the model's chat template, fed piece by piece as a conversation grows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Protocol

from jinja2 import TemplateError

from ..errors import InvalidInput
from .calls import CallFormat, format_of

FALLBACK_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['role'] | capitalize }}:\n{{ message['content'] }}{{ eos_token or '' }}\n\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
"""For a model without a chat template: `User:` on a line of its own, the text, the end token if any, an empty line."""

FALLBACK_STOPS = ("\nUser:", "\nSystem:", "\nTool:")

END_TOKENS = frozenset(
    ("<|endoftext|>", "<|end_of_text|>", "</s>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>")
)
"""Control tokens that end an answer in whichever vocabulary has them."""

STAND_INS = range(0x100000, 0x10FFFE)
"""Private characters that stand in for control tokens typed by people while a template is rendered."""


class ChatMessage(Protocol):
    """What a message must have; `memory.records.Message` does."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...


class TemplateRewrites(Exception):
    """The template renders the past differently once the conversation goes on.

    `tokens` is the whole prompt; the session rewinds to its longest common prefix with what was fed and feeds the rest.
    """

    def __init__(self, tokens: list[int]) -> None:
        super().__init__("The chat template rewrites earlier messages.")
        self.tokens = tokens


class ChatFormat:
    """One tokenizer's way to write a conversation.

    Control tokens come from the template only: a control token that stands in a message is plain text. Safe to use from
    several threads.
    """

    def __init__(self, tokenizer: Any, *, eos: Iterable[int] = ()) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise InvalidInput("The model's tokenizer has no tokenizer.json form, which Perdure needs to talk to it.")
        backend.no_truncation()
        backend.no_padding()
        self._tokenizer = tokenizer
        self._backend = backend
        self._eos = frozenset(eos)
        added = backend.get_added_tokens_decoder()
        self._controls = {token.content: i for i, token in added.items() if token.special and token.content}
        # A control token set before the text keeps tokenizers from treating its first word as the start of a document.
        self._anchor = next((t.content for t in added.values() if t.special and not (t.lstrip or t.rstrip)), "")
        self._control = _alternatives(self._controls)
        self._tools: list[Any] = []

    def offering(self, tools: Sequence[Mapping[str, Any]]) -> ChatFormat:
        """The same with functions that the model may call, each as in OpenAI's `tools`."""
        offers = copy(self)
        offers._tools = list(tools)
        return offers

    @cached_property
    def calls(self) -> CallFormat | None:
        """How the model calls functions; None where its template offers none, or in a form that is not known here."""
        probe = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}
        said = [_Plain("user", "?")]
        try:
            offered = self.offering([probe]).prompt(said) != self.offering([]).prompt(said)
        except InvalidInput:
            return None
        return format_of(self.template, self._controls) if offered else None

    @property
    def template(self) -> str:
        """The template in force."""
        return self._tokenizer.chat_template if self.has_template else FALLBACK_TEMPLATE

    @property
    def has_template(self) -> bool:
        return isinstance(self._tokenizer.chat_template, str) and bool(self._tokenizer.chat_template)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Strings that end an answer; only models without a template need them."""
        return () if self.has_template else FALLBACK_STOPS

    @cached_property
    def stop_tokens(self) -> frozenset[int]:
        """The tokens that end an answer: the model's, the tokenizer's and the template's."""
        known = {i for name, i in self._controls.items() if name in END_TOKENS}
        own = {self._tokenizer.eos_token_id} - {None}
        return self._eos | known | own | self._closing()

    def prompt(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The tokens of a whole conversation, ready for the model to answer."""
        return self.delta((), messages, tail_is_open=False)

    def delta(self, history: Sequence[ChatMessage], new: Sequence[ChatMessage], *, tail_is_open: bool) -> list[int]:
        """The tokens to feed after those of `history`, so that the model answers `new`.

        With `tail_is_open` the last message of `history` is an answer of the model: its content was fed, its closing
        tokens were not; otherwise all of `history` was fed as the template writes it. Raises TemplateRewrites if the
        template does not write `history` in the same way as before, InvalidInput if it refuses the messages.
        """
        if not history and not new:
            raise InvalidInput("There is nothing to answer: give at least one message.")
        writer = _Writer(self, [*history, *new])
        return self._encode(self._tail(writer, len(history), tail_is_open), writer, first=not history)

    def around(
        self, history: Sequence[ChatMessage], new: Sequence[ChatMessage], before: str, after: str, *, tail_is_open: bool
    ) -> tuple[list[int], list[int]]:
        """`delta` for a last message that reads `before`, something that is put there by other means, `after`.

        Gives the tokens up to that place and those behind it. Raises as `delta` does.
        """
        writer = _Writer(self, [*history, *new])
        writer.contents[-1] = before + writer.gap + after
        tail = self._tail(writer, len(history), tail_is_open)
        head, gap, rest = tail.partition(writer.gap)
        if not gap or writer.gap in rest:
            raise InvalidInput("The model's chat template does not write a message as it is, so nothing can be put into it.")
        return self._encode(head, writer, first=not history), self._encode(rest, writer, first=False)

    def continued(self, history: Sequence[ChatMessage], new: Sequence[ChatMessage]) -> list[int]:
        """The tokens after the last message of `history`, an answer, whatever the template now writes before it.

        For a conversation whose past cannot be fed again. Raises InvalidInput where the answer cannot be found.
        """
        writer = _Writer(self, [*history, *new])
        marked = writer.render(len(writer.roles), ask=True, marked=len(history) - 1)
        _, mark, tail = marked.partition(writer.mark)
        if not mark or writer.mark in tail:
            raise InvalidInput("The model's chat template does not write earlier answers, so this long chat cannot go on.")
        return self._encode(tail, writer, first=False)

    def text(self, text: str) -> list[int]:
        """The tokens of a plain text within a conversation."""
        return self._plain(text, first=False)

    def document(self, text: str) -> list[int]:
        """The tokens of a text that is no conversation, begun as the tokenizer begins one; control tokens count as such."""
        return list(self._backend.encode(text).ids)

    def _tail(self, writer: _Writer, fed: int, tail_is_open: bool) -> str:
        whole = writer.render(len(writer.roles), ask=True)
        tail = (self._open_tail if tail_is_open else self._closed_tail)(writer, whole, fed)
        if tail is None:
            raise TemplateRewrites(self._encode(whole, writer, first=True))
        return tail

    def ends(self, messages: Sequence[ChatMessage], whole: Sequence[int], since: int) -> list[int]:
        """Where the messages numbered `since` and higher end in the tokens of the whole conversation, `whole`."""
        writer, found = _Writer(self, messages), []
        for count in range(since + 1, len(messages) + 1):
            part = self._encode(writer.render(count, ask=False), writer, first=True)
            found.append(
                next((i for i, (a, b) in enumerate(zip(part, whole, strict=False)) if a != b), min(len(part), len(whole)))
            )
        return found

    def opens(self, messages: Sequence[ChatMessage]) -> int:
        """How many of the last tokens of a prompt open the answer and say nothing of the question; at least one."""
        writer = _Writer(self, messages)
        whole, past = (writer.render(len(writer.roles), ask=ask) for ask in (True, False))
        tail = self._encode(whole[len(past) :], writer, first=False) if whole.startswith(past) else []
        same = self._encode(whole, writer, first=True)[-len(tail) :] == tail if tail else False
        return len(tail) if same else 1

    @cached_property
    def ending(self) -> tuple[int, ...]:
        """The token that ends an answer in a conversation, if the template writes one."""
        return tuple(sorted(self._closing()))

    def count(self, text: str) -> int:
        """How many tokens a plain text has."""
        return len(self._plain(text, first=False))

    def _closed_tail(self, writer: _Writer, whole: str, fed: int) -> str | None:
        past = writer.render(fed, ask=False) if fed else ""
        return whole[len(past) :] if whole.startswith(past) else None

    def _open_tail(self, writer: _Writer, whole: str, fed: int) -> str | None:
        """What the template writes after the answer, if everything up to the answer's end is as it was fed."""
        if not fed or writer.roles[fed - 1] != "assistant":
            raise InvalidInput("Only an answer of the model can be continued; the last message is none.")
        asked = writer.render(fed - 1, ask=True) if fed > 1 else ""
        answer = writer.contents[fed - 1]
        marked = writer.render(len(writer.roles), ask=True, marked=fed - 1)
        before, mark, tail = marked.partition(writer.mark)
        if not mark or writer.mark in tail or (asked and before != asked):
            return None
        # Templates may trim an answer; what was fed stays as it was generated.
        kept = {answer, answer.strip(), answer.rstrip(), answer.lstrip()}
        return tail if whole in {before + text + tail for text in kept} else None

    def _closing(self) -> set[int]:
        """The control token that the template writes right after an answer."""
        try:
            writer = _Writer(self, [_Plain("user", "?"), _Plain("assistant", "!")])
            tail = writer.render(2, ask=False, marked=1).partition(writer.mark)[2]
        except InvalidInput:
            return set()
        found = self._control.match(tail.lstrip())
        return {self._controls[found.group()]} if found else set()

    def _render(self, messages: list[dict[str, str]], tools: list[Any], ask: bool) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages, tools=tools or None, tokenize=False, add_generation_prompt=ask, chat_template=self.template
                )
            )
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            sentence = str(error).rstrip(".") or type(error).__name__
            raise InvalidInput(f"The model's chat template refuses this conversation: {sentence}.") from error

    def _encode(self, text: str, writer: _Writer, *, first: bool) -> list[int]:
        if not writer.restore:
            return self._ids(self._backend, text, first)
        tokens: list[int] = []
        end = 0
        for found in self._control.finditer(text):
            tokens += self._plain(writer.restored(text[end : found.start()]), first=first and not tokens)
            tokens.append(self._controls[found.group()])
            end = found.end()
        return tokens + self._plain(writer.restored(text[end:]), first=first and not tokens)

    def _plain(self, text: str, *, first: bool) -> list[int]:
        if not text:
            return []
        if not self._control.search(text):
            return self._ids(self._backend, text, first)
        return list(self._literal.encode(text, add_special_tokens=False).ids)

    def _ids(self, backend: Any, text: str, first: bool) -> list[int]:
        if first or not self._anchor:
            return list(backend.encode(text, add_special_tokens=False).ids)
        return list(backend.encode(self._anchor + text, add_special_tokens=False).ids[1:])

    @cached_property
    def _literal(self) -> Any:
        """A copy of the tokenizer to which control tokens are text."""
        from tokenizers import Tokenizer

        copy = Tokenizer.from_str(self._backend.to_str())
        copy.encode_special_tokens = True
        return copy


class _Plain:
    def __init__(self, role: str, content: str) -> None:
        self.role = role
        self.content = content


class _Writer:
    """Renders prefixes of one conversation, control tokens in its messages replaced by private characters."""

    def __init__(self, chat: ChatFormat, messages: Sequence[ChatMessage]) -> None:
        self._render = chat._render
        used = {char for m in messages for char in m.content + m.role if ord(char) in STAND_INS}
        free = (chr(code) for code in STAND_INS if chr(code) not in used)
        self.mark, self.gap = next(free), next(free)
        texts = [*(m.content + "\n" + m.role for m in messages), *_strings(chat._tools)]
        typed = sorted({name for text in texts for name in chat._control.findall(text)})
        self.restore = {next(free): name for name in typed}
        hide = {name: char for char, name in self.restore.items()}
        self._hidden: Callable[[str], str] = lambda text: chat._control.sub(lambda found: hide[found.group()], text)
        self.roles = [self._hidden(m.role) for m in messages]
        self.contents = [self._hidden(m.content) for m in messages]
        self.tools = [_mapped(tool, self._hidden) for tool in chat._tools]

    def render(self, count: int, *, ask: bool, marked: int = -1) -> str:
        """The first `count` messages as text; the content of message `marked` is the mark instead."""
        contents = [self.mark if i == marked else text for i, text in enumerate(self.contents[:count])]
        pairs = zip(self.roles, contents, strict=False)
        return self._render([{"role": role, "content": content} for role, content in pairs], self.tools, ask)

    def restored(self, text: str) -> str:
        return "".join(self.restore.get(char, char) for char in text)


def _strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in _strings(part))
    elif isinstance(value, Sequence):
        yield from (text for part in value for text in _strings(part))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with all its strings changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): _mapped(part, change) for name, part in value.items()}
    return [_mapped(part, change) for part in value] if isinstance(value, Sequence) else value


def _alternatives(names: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the names, the longest first; nothing if there are none."""
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
