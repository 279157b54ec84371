"""Server-sent events out of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from .failures import told
from .results import Event, Piece, Reply, reply

DONE = "[DONE]"


class Frame(NamedTuple):
    """One server-sent event."""

    id: str
    event: str
    data: str


class Frames:
    """Cuts a stream of bytes into events. Lines end at newlines alone: JSON may hold any other sign."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterator[Frame]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))

    def _line(self, line: str) -> Iterator[Frame]:
        if not line:
            fields, self._fields = self._fields, {}
            if "data" in fields:
                yield Frame(fields.get("id", ""), fields.get("event", ""), fields["data"])
            return
        name, _, value = line.partition(":")
        if name:
            value = value.removeprefix(" ")
            self._fields[name] = f"{self._fields[name]}\n{value}" if name == "data" and name in self._fields else value


class Answer:
    """A streamed answer as far as it has come."""

    def __init__(self) -> None:
        self._chunk: dict[str, Any] = {}
        self._text: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._memory: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def whole(self) -> bool:
        return self._finish is not None

    def take(self, frame: Frame) -> Piece | None:
        """What a frame adds; None where that is no text. Raises what the server says went wrong."""
        if frame.data == DONE:
            return None
        chunk = json.loads(frame.data)
        if "error" in chunk:
            raise told(chunk["error"])
        self._chunk = chunk
        self._memory = chunk.get("memory") or self._memory
        self._usage = chunk.get("usage") or self._usage
        said = "".join(self._choice(choice) for choice in chunk["choices"])
        self._text.append(said)
        return Piece(said, chunk) if said else None

    def reply(self) -> Reply:
        message = {"content": self.text, "tool_calls": [self._calls[number] for number in sorted(self._calls)]}
        choice = {"message": message, "finish_reason": self._finish}
        return reply({**self._chunk, "choices": [choice], "memory": self._memory, "usage": self._usage})

    def _choice(self, choice: dict[str, Any]) -> str:
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta") or {}
        for call in delta.get("tool_calls") or ():
            known = self._calls.setdefault(call["index"], {"function": {"name": "", "arguments": ""}})
            known.update({name: value for name, value in call.items() if name not in ("index", "function")})
            for name, value in call["function"].items():
                known["function"][name] += value
        return delta.get("content") or ""


def event(frame: Frame) -> Event:
    data = json.loads(frame.data)
    return Event(frame.id, frame.event, data.get("session"), data)
