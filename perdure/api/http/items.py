"""Messages as items of OpenAI's Responses and Conversations: texts, calls, and the outputs of calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...memory.records import Message
from ...runtime.calls import Call, CallFormat, Part


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def answer_item(name: str, text: str | None, status: str = "completed") -> dict[str, Any]:
    """A message of the model; without text it has just begun."""
    content = [] if text is None else [text_part(text)]
    return {"id": name, "type": "message", "role": "assistant", "status": status, "content": content}


def call_item(name: str, call: Call, status: str = "completed") -> dict[str, Any]:
    """A call; its `call_id` follows from the item's id, so that it is the same whenever it is asked for."""
    called = {"call_id": name.replace("fc_", "call_", 1), "name": call.name, "arguments": call.arguments}
    return {"id": name, "type": "function_call", "status": status, **called}


def output_items(stem: str, parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The items of an answer: its texts, blank ones left out, and its calls. An answer of nothing is an empty text."""
    items: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Call):
            items.append(call_item(f"fc_{stem}_{len(items)}", part))
        elif part.strip():
            items.append(answer_item(f"msg_{stem}_{len(items)}", part.rstrip()))
    return items or [answer_item(f"msg_{stem}_0", "")]


def joined(parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts, texts that follow each other as one."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        yield text
        text = ""
        yield part
    yield text


def read(form: CallFormat | None, text: str, names: Iterable[str] | None = None) -> list[Part]:
    """An answer's text, taken apart into texts and calls of these functions (None: of any)."""
    if form is None:
        return [text]
    reader = form.reader(names)
    return list(joined([*reader.push(text), *reader.flush()]))


def message_items(stem: str, message: Message, form: CallFormat | None, called: Iterator[str]) -> list[dict[str, Any]]:
    """The items of one stored message. `called` are the ids of the calls that outputs answer, in order."""
    if message.role == "assistant":
        return output_items(stem, read(form, message.content))
    if message.role == "tool":
        answered = next(called, f"call_{stem}")
        shown = {"call_id": answered, "output": message.content, "status": "completed"}
        return [{"id": f"fco_{stem}", "type": "function_call_output", **shown}]
    content = [{"type": "input_text", "text": message.content}]
    return [{"id": f"msg_{stem}", "type": "message", "role": message.role, "status": "completed", "content": content}]
