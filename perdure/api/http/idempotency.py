"""Idempotency-Key: a POST that is sent again under the same key gets the answer that the first one got."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from blake3 import blake3
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .caller import CALLER, Caller
from .problems import problem

DAY = 24 * 3600.0
KEPT = 1000
"""Answers that are kept at most, the latest ones, in this process's memory."""

LARGEST = 1 << 20
"""Bytes of an answer that is kept; a larger one is given once."""

STREAMED = ("/v1/chat/completions", "/v1/responses")
"""Where answers are long streams, and sent again at will."""

NAME = "idempotency-key"
REPLAYED = "idempotency-replayed"

SECRET = "/v1/keys"
"""Where answers hold secrets, which are not kept."""


@dataclass(slots=True)
class Answer:
    """The answer to a key; `start` is None while it is made. `sent` is the digest of the request's body, if it was read."""

    began: float
    sent: bytes | None = None
    start: Message | None = None
    body: bytearray = field(default_factory=bytearray)


class Answers:
    """The answers of one application by whose they are, path and key, for a day at most."""

    def __init__(self, kept: int = KEPT, now: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._now = now
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()

    def claim(self, name: tuple[str, str]) -> Answer | None:
        """The answer that a key has already, or None: then it is the caller's to give."""
        with self._lock:
            while self._answers and next(iter(self._answers.values())).began < self._now() - DAY:
                self._answers.popitem(last=False)
            found = self._answers.get(name)
            if found is None:
                self._answers[name] = Answer(self._now())
                if len(self._answers) > self._kept:
                    self._answers.popitem(last=False)
            return found

    def keep(self, name: tuple[str, str], answer: Answer | None) -> None:
        """The answer that was given; None frees the key, for a request that failed may be sent again."""
        with self._lock:
            if answer is None:
                self._answers.pop(name, None)
            elif name in self._answers:
                self._answers[name] = replace(answer, began=self._answers[name].began)


class Idempotent:
    """ASGI middleware. Answers that are no success are not kept: what failed can be tried again under its key."""

    def __init__(self, app: ASGIApp, answers: Answers | None = None) -> None:
        self._app = app
        self._answers = answers or Answers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get(NAME) if scope["type"] == "http" and scope["method"] == "POST" else None
        if not key or scope["path"] in STREAMED or scope["path"].startswith(SECRET):
            await self._app(scope, receive, send)
            return
        if len(key) > 255:
            detail = f"The Idempotency-Key has {len(key)} characters; use at most 255."
            await problem(scope["path"], 422, "invalid_parameter", detail, param="/Idempotency-Key")(scope, receive, send)
            return
        path = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        name = (f"{whose(scope[CALLER])} {path}", key)
        found = self._answers.claim(name)
        if found is None:
            await self._first(name, scope, receive, send)
        else:
            await _again(found, scope, receive, send)

    async def _first(self, name: tuple[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request be answered, and keep a success."""
        recorder = _Recorder(receive, send)
        kept = None
        try:
            await self._app(scope, recorder.receive, recorder.send)
            kept = recorder.answer()
        finally:
            self._answers.keep(name, kept)


def whose(caller: Caller) -> str:
    """Whom an answer belongs to."""
    return caller.tenant if caller.key is None else caller.key.id


class _Recorder:
    """Hands a request and its answer on, and remembers the one by its digest and the other as it is."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._hasher = blake3()
        self._read = False
        self._start: Message = {"status": 500}
        self._body = bytearray()
        self._whole = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._read |= message["type"] == "http.request"
        self._hasher.update(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = {**message, "headers": list(message["headers"])}
        elif len(self._body) <= LARGEST:
            self._body += message.get("body", b"")
            self._whole = not message.get("more_body", False)
        await self._send(message)

    def answer(self) -> Answer | None:
        """What is to be kept; None for what is no success, was cut short or is too large."""
        good = 200 <= self._start["status"] < 300 and self._whole and len(self._body) <= LARGEST
        return Answer(0.0, self._hasher.digest() if self._read else None, self._start, self._body) if good else None


async def _again(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """The answer once more, if it is to the same request."""
    if answer.start is None:
        detail = "A request with this Idempotency-Key is being answered; wait for its answer, then send it again."
        await problem(scope["path"], 409, "request_in_progress", detail)(scope, receive, send)
    elif answer.sent not in (None, await _digest(receive)):
        detail = "This Idempotency-Key belongs to another request; give a new request a key of its own."
        await problem(scope["path"], 422, "idempotency_key_reused", detail)(scope, receive, send)
    else:
        headers: list[Any] = [*answer.start["headers"], (REPLAYED.encode(), b"true")]
        await send({**answer.start, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(answer.body)})


async def _digest(receive: Receive) -> bytes:
    hasher = blake3()
    while True:
        message = await receive()
        hasher.update(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return hasher.digest()
