"""Calls of functions, which a model writes as text: read out of an answer, written for a past one, and required.

Three forms are known, by what the chat template tells of them:

    Hermes, Qwen   <tool_call> {"name": ..., "arguments": {...}} </tool_call>, any number, after any text
    Mistral        [TOOL_CALLS][{"name": ..., "arguments": {...}}, ...], or [TOOL_CALLS]name[ARGS]{...}
    Llama 3        {"name": ..., "parameters": {...}} as the whole answer, several parted by semicolons
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

HERMES, MISTRAL, LLAMA = "hermes", "mistral", "llama"
ARGS = "[ARGS]"
OTHER_FORMS = ("<function=", "<arg_key>", "<invoke")
"""What templates hold whose calls are no JSON."""


class Call(NamedTuple):
    """A function's name, and its arguments as JSON."""

    name: str
    arguments: str


Part = str | Call


@dataclass(frozen=True, slots=True)
class CallFormat:
    """One family's form of calls: `opens` and `closes` stand around one, `argument` names their arguments.

    `tokens` are the ids of those of its marks that are control tokens.
    """

    family: str
    opens: str
    closes: str
    argument: str
    tokens: Mapping[str, int]
    spelled: bool = False

    @property
    def marks(self) -> Collection[str]:
        """Control tokens that are part of an answer's text."""
        return self.tokens.keys()

    def reader(self, names: Iterable[str] | None) -> Reader:
        """Reads one answer in which calls of these functions (None: of any) may stand."""
        return Reader(self, None if names is None else frozenset(names))

    def write(self, text: str, calls: Sequence[Call]) -> str:
        """An answer's text with calls behind it, as the model would have written it."""
        written = [self._written(call) for call in calls]
        if self.family == MISTRAL and not self.spelled:
            written = [f"{self.opens}[{', '.join(written)}]"]
        return (text.rstrip() + "\n" if text.strip() else "") + ("; " if self.family == LLAMA else "\n").join(written)

    def grammar(self, tools: Sequence[Mapping[str, Any]], whitespace: str, schema: Mapping[str, Any] | None = None) -> str:
        """Lark in which an answer is one call of one of these functions (OpenAI's `tools`), or JSON by `schema`."""
        rules = [self._rule(number, tool["function"], whitespace) for number, tool in enumerate(tools)]
        heads = [f"call_{number}" for number in range(len(rules))]
        if schema is not None:
            heads.append("answer")
            rules.append(f"answer: %json {_stated(schema, whitespace)}\n")
        return f"start: {' | '.join(heads)}\n" + "".join(rules)

    def _written(self, call: Call) -> str:
        if self.spelled:
            return f"{self.opens}{call.name}{ARGS}{call.arguments}"
        body = f'{{"name": {json.dumps(call.name)}, "{self.argument}": {call.arguments}}}'
        return f"{self.opens}\n{body}\n{self.closes}" if self.family == HERMES else body

    def _rule(self, number: int, function: Mapping[str, Any], whitespace: str) -> str:
        arguments = _arguments(function.get("parameters") or {})
        if self.spelled:
            head, body, end = f"{self._mark(self.opens)} {json.dumps(function['name'])} {self._mark(ARGS)}", arguments, ""
        else:
            head, end = f"{self._mark(self.opens)}", self._mark(self.closes)
            parts = {"name": {"const": function["name"]}, self.argument: arguments}
            body = {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
        if self.family == HERMES:
            head, end = f'{head} "\\n"', f'"\\n" {end}'
        if self.family == MISTRAL and not self.spelled:
            head, end = f'{head} "["', '"]"'
        # Definitions are looked up from the root of the document.
        shared: dict[str, Any] = {name: arguments[name] for name in ("$defs", "definitions") if name in arguments}
        stated = _stated({**body, **shared}, whitespace)
        return f"call_{number}: {head} document_{number} {end}\ndocument_{number}: %json {stated}\n"

    def _mark(self, mark: str) -> str:
        if not mark:
            return ""
        return f"<[{self.tokens[mark]}]>" if mark in self.tokens else json.dumps(mark)


def format_of(template: str, controls: Mapping[str, int]) -> CallFormat | None:
    """The form of calls that a chat template tells of. `controls` are the tokenizer's control tokens."""
    if any(other in template for other in OTHER_FORMS):
        return None
    if "<tool_call>" in template:
        return _format(HERMES, "<tool_call>", "</tool_call>", "arguments", controls)
    if "[TOOL_CALLS]" in template:
        return _format(MISTRAL, "[TOOL_CALLS]", "", "arguments", controls, ARGS in template)
    if "parameters" in template and ("ipython" in template or "python_tag" in template):
        return _format(LLAMA, "", "", "parameters", controls)
    return None


def _format(
    family: str, opens: str, closes: str, argument: str, controls: Mapping[str, int], spelled: bool = False
) -> CallFormat:
    tokens = {mark: controls[mark] for mark in (opens, closes, ARGS) if mark in controls}
    return CallFormat(family, opens, closes, argument, tokens, spelled)


def _arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a call's arguments: no others than those it names, unless it says so or is put together of others."""
    listed = "properties" in parameters and not {"$ref", "anyOf", "oneOf", "allOf"} & parameters.keys()
    return {"type": "object", **({"additionalProperties": False} if listed else {}), **parameters}


def _stated(schema: Mapping[str, Any], whitespace: str) -> str:
    return json.dumps({**schema, "x-guidance": {"whitespace_pattern": whitespace}})


class Reader:
    """Takes an answer in pieces and gives its text and its calls, in order. What may become a call is held back.

    What looks like a call and is none, or calls a function that was not offered, is text.
    """

    def __init__(self, form: CallFormat, names: Collection[str] | None) -> None:
        self._form = form
        self._names = names
        self._held = ""
        self._inside = False

    def push(self, text: str) -> list[Part]:
        self._held += text
        return [part for part in self._parts() if part]

    def flush(self) -> list[Part]:
        """What is left, once nothing more comes."""
        held, self._held = self._held, ""
        return list(self._read(held)) if held else []

    def _parts(self) -> Iterator[Part]:
        form = self._form
        if form.family == LLAMA:
            if self._held.strip() and not self._held.lstrip().startswith("{"):
                yield self._release(len(self._held))
            return
        while True:
            if not self._inside:
                at = self._held.find(form.opens)
                yield self._release(len(self._held) - _overlap(self._held, form.opens) if at < 0 else at)
                if at < 0:
                    return
                self._inside = True
            end = self._held.find(form.closes) if form.closes else -1
            if end < 0:
                return
            self._inside = False
            yield from self._read(self._release(end + len(form.closes)))

    def _release(self, count: int) -> str:
        given, self._held = self._held[:count], self._held[count:]
        return given

    def _read(self, text: str) -> Iterator[Part]:
        """The calls that a text consists of, or the text itself."""
        calls = list(_calls(self._form, text))
        known = [call for call in calls if call is not None and (self._names is None or call.name in self._names)]
        if calls and len(known) == len(calls):
            yield from known
        else:
            yield text


def canonical(text: str) -> str:
    """One spelling for all texts that mean the same calls, so that what a client sends back is known again."""
    for form in _FORMS:
        if (form.opens or "{") in text:
            calls = list(_calls(form, text[text.find(form.opens) :]))
            if calls and all(call is not None for call in calls):
                before = text[: text.find(form.opens)].strip()
                spelled = [[c.name, json.loads(c.arguments)] for c in calls if c is not None]
                return f"{before}\n{json.dumps(spelled, sort_keys=True)}"
    return text


def _calls(form: CallFormat, text: str) -> Iterator[Call | None]:
    """The calls in a text that holds nothing else; None for what is none."""
    for part in _bodies(form, text):
        name, mark, rest = part.partition(ARGS)
        if form.family == MISTRAL and mark:
            arguments = _json(rest)
            yield Call(name.strip(), json.dumps(arguments, ensure_ascii=False)) if isinstance(arguments, dict) else None
            continue
        found = _json(part)
        for item in found if isinstance(found, list) else [found]:
            yield _call(item)


def _bodies(form: CallFormat, text: str) -> Iterator[str]:
    if form.family == LLAMA:
        yield from _documents(text)
        return
    for part in text.split(form.opens)[1:]:
        yield part.partition(form.closes)[0] if form.closes else part


def _documents(text: str) -> Iterator[str]:
    """JSON documents parted by semicolons; what follows the last of them as one more."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        try:
            _, end = decoder.raw_decode(rest)
        except ValueError:
            end = len(rest)
        yield rest[:end]
        rest = rest[end:].lstrip(" \n;")


def _call(item: Any) -> Call | None:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return None
    arguments = item.get("arguments", item.get("parameters"))
    arguments = _json(arguments) if isinstance(arguments, str) else arguments
    return Call(item["name"], json.dumps(arguments, ensure_ascii=False)) if isinstance(arguments, dict) else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` that begins `mark`."""
    return next((n for n in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:n])), 0)


_FORMS = (
    CallFormat(HERMES, "<tool_call>", "</tool_call>", "arguments", {}),
    CallFormat(MISTRAL, "[TOOL_CALLS]", "", "arguments", {}),
    CallFormat(LLAMA, "", "", "parameters", {}),
)
