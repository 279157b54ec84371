"""POST /v1/chat/completions: OpenAI's shape, plus a `memory` object that says what was remembered and reused."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ...runtime.calls import Call
from ...runtime.records import ModelInfo, Receipt, Score
from .hub import Answers, Hub, hub
from .openapi import STREAM
from .ports import RuntimePort
from .problems import error_object, refusals
from .response_log import COMPLETION, new_name
from .schemas import ChatRequest
from .seat import Seat, Seating, Target, target
from .turns import Attached, Called, Finished, Piece, Spoken, Turn
from .warm import WarmSessions

router = APIRouter(tags=["chat"])


@router.post("/v1/chat/completions", response_class=JSONResponse, responses={200: STREAM, **refusals(404, 409)})
async def complete(body: ChatRequest, request: Request, hub: Annotated[Hub, Depends(hub)]) -> Response:
    """Answer the last message. With a session named, the answer is remembered and its state kept."""
    suffix = hub.split_model(body.model)
    asked = await asyncio.to_thread(body.asked, hub.runtime.calls)
    wanted = target(body, request.headers, hub.settings, suffix)
    await hub.make_way(wanted.name)
    turn = hub.turns.begin(ChatSeating(hub.runtime, hub.turns.warm, body, wanted), asked)
    with cancelled_on_error(turn):
        async with cancelled_on_disconnect(request, turn):
            # Whatever fails before the first piece is an error response and not half a stream.
            first = await turn.next()
            shape = Shape(hub.runtime.model, hub.answers, turn.attached.note)
            if not body.stream:
                return await _whole(shape, first, turn)
        include_usage = body.stream_options is not None and body.stream_options.include_usage
        frames = _frames(shape, first, turn, include_usage)
        return EventStream(frames, turn, headers=_headers(turn.attached.session, None))


class ChatSeating(Seating):
    """A chat, whose answer is kept under its id where `store` says so and a session remembers it."""

    def __init__(self, runtime: RuntimePort, warm: WarmSessions, body: ChatRequest, target: Target) -> None:
        super().__init__(runtime, warm, body, target)
        self._kept, self._metadata = bool(body.store), body.metadata or {}

    def _noted(self, seat: Seat) -> Seat:
        if not self._kept or seat.name is None:
            return seat
        name = new_name(self._runtime.repository.info(seat.name).uid, COMPLETION)
        return seat._replace(note={"completion": name, "created": int(time.time()), "metadata": dict(self._metadata)})


class Shape:
    """Builds the bodies of one answer."""

    def __init__(self, model: ModelInfo, answers: Answers, note: Mapping[str, Any] | None = None) -> None:
        """`note` is what the commit keeps of an answer that is stored under its id."""
        known = note or {"completion": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time())}
        self._answers = answers
        self._head = {"id": known["completion"], "created": known["created"], "model": model.name}
        self._head["system_fingerprint"] = model.fingerprint[:16]

    def whole(self, attached: Attached, receipt: Receipt, said: Sequence[Piece | Called]) -> dict[str, Any]:
        return {**self.answer(receipt, said), "memory": self.memory(attached, receipt)}

    def answer(self, receipt: Receipt, said: Sequence[Piece | Called]) -> dict[str, Any]:
        calls = [each.call for each in said if isinstance(each, Called)]
        text = "".join(each.text for each in said if isinstance(each, Piece))
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message["content"] = text.strip() or None
            message["tool_calls"] = [self.call(number, call) for number, call in enumerate(calls)]
        scores = [each.score for each in said if isinstance(each, Piece) and each.score is not None]
        ending = {"finish_reason": finish_reason(receipt, called=bool(calls)), "logprobs": logprobs(scores)}
        choice = {"index": 0, "message": message, **ending}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage(receipt)}

    def call(self, number: int, call: Call) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": f"call_{str(self._head['id'])[9:29]}{number:04}", "type": "function", "function": function}

    def deltas(self, number: int, call: Call) -> Iterator[dict[str, Any]]:
        """A call as a stream tells it: whose arguments come, then the arguments."""
        whole = self.call(number, call)
        yield {"tool_calls": [{"index": number, **whole, "function": {"name": call.name, "arguments": ""}}]}
        yield {"tool_calls": [{"index": number, "function": {"arguments": call.arguments}}]}

    def memory(self, attached: Attached, receipt: Receipt) -> dict[str, Any]:
        """What became of the conversation; from now on the answer's id leads to its commit."""
        told = memory(attached, receipt)
        self._answers.note(str(self._head["id"]), told["commit"])
        return told

    def chunk(
        self, delta: Mapping[str, Any] | None, finish: str | None = None, scores: Sequence[Score] = (), **extra: Any
    ) -> dict[str, Any]:
        """A streamed piece; without a delta it has no choices, as OpenAI's usage chunk."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs(scores)}
        choices = [] if delta is None else [choice]
        return {**self._head, "object": "chat.completion.chunk", "choices": choices, **extra}


class EventStream(StreamingResponse):
    """A stream of frames that cancels its turn however it ends."""

    def __init__(self, frames: AsyncIterator[bytes], turn: Turn, headers: Mapping[str, str]) -> None:
        unbuffered = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(frames, media_type="text/event-stream", headers={**headers, **unbuffered})
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with cancelled_on_error(self._turn, always=True), suppress(ClientDisconnect):
            await super().__call__(scope, receive, send)


def logprobs(scores: Sequence[Score]) -> dict[str, Any] | None:
    """Log probabilities in OpenAI's shape."""
    if not scores:
        return None
    listed = [{**_scored(each), "top_logprobs": [_scored(other) for other in each.top]} for each in scores]
    return {"content": listed, "refusal": None}


def _scored(score: Score) -> dict[str, Any]:
    text = score.data.decode(errors="replace")
    return {"token": text, "logprob": score.logprob, "bytes": list(score.data)}


def finish_reason(receipt: Receipt, *, called: bool = False) -> str:
    """As OpenAI's clients know it; only a stopping server cuts an answer that somebody still reads."""
    return ("tool_calls" if called else "stop") if receipt.finish_reason == "stop" else "length"


def usage(receipt: Receipt) -> dict[str, Any]:
    """OpenAI's token counts: state that came from the store counts as cached."""
    return {
        "prompt_tokens": receipt.prompt_tokens,
        "completion_tokens": receipt.generated,
        "total_tokens": receipt.prompt_tokens + receipt.generated,
        "completion_tokens_details": {
            "accepted_prediction_tokens": receipt.accepted,
            "rejected_prediction_tokens": receipt.drafted - receipt.accepted,
        },
        "prompt_tokens_details": {"cached_tokens": max(0, receipt.restored + receipt.reused - receipt.replayed)},
    }


def memory(attached: Attached, receipt: Receipt | None = None) -> dict[str, Any]:
    """What became of the conversation. A session is one branch, so both have its name."""
    known = {"session": attached.session, "branch": attached.session, "reconciled": attached.reconciled}
    if receipt is None:
        return known
    remembered = attached.session is not None
    cut = ["The server stopped, so the answer ends early."] if receipt.finish_reason == "cancelled" else []
    counts = ("restored", "reused", "recalled", "prefilled", "generated", "drafted", "accepted", "replayed")
    return {
        **known,
        "parent": receipt.parent or None if remembered else None,
        "commit": receipt.commit or None if remembered else None,
        "tokens": {name: getattr(receipt, name) for name in counts},
        "opened": receipt.opened,
        "notes": [*attached.notes, *receipt.notes, *cut],
    }


@contextmanager
def cancelled_on_error(turn: Turn, *, always: bool = False) -> Iterator[None]:
    """Cancel the turn when the block fails or is cancelled, or with `always` whenever it ends."""
    try:
        yield
    except BaseException:
        turn.cancel()
        raise
    if always:
        turn.cancel()


@asynccontextmanager
async def cancelled_on_disconnect(request: Request, turn: Turn) -> AsyncIterator[None]:
    """Cancel the turn when the client goes away during the block."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        turn.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def _whole(shape: Shape, event: Spoken, turn: Turn) -> Response:
    said = []
    while not isinstance(event, Finished):
        said.append(event)
        event = await turn.next()
    body = shape.whole(turn.attached, event.receipt, said)
    return JSONResponse(body, headers=_headers(turn.attached.session, body["memory"]["commit"]))


async def _frames(shape: Shape, event: Spoken, turn: Turn, include_usage: bool) -> AsyncIterator[bytes]:
    attached = turn.attached
    calls = 0
    extra: dict[str, Any] = {"usage": None} if include_usage else {}
    yield _frame(shape.chunk({"role": "assistant", "content": ""}, memory=memory(attached), **extra))
    try:
        while not isinstance(event, Finished):
            for delta in shape.deltas(calls, event.call) if isinstance(event, Called) else [{"content": event.text}]:
                scores = [event.score] if isinstance(event, Piece) and event.score is not None else []
                yield _frame(shape.chunk(delta, scores=scores, **extra))
            calls += isinstance(event, Called)
            event = await turn.next()
    except Exception as error:
        yield _frame({"error": error_object(error)})
        return
    receipt = event.receipt
    yield _frame(shape.chunk({}, finish_reason(receipt, called=calls > 0), memory=shape.memory(attached, receipt), **extra))
    if include_usage:
        yield _frame(shape.chunk(None, usage=usage(receipt)))
    yield b"data: [DONE]\n\n"


def _frame(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _headers(session: str | None, commit: str | None) -> dict[str, str]:
    named = {"X-Session-ID": session and quote(session, safe=" !#$&'()*+,/:;=?@[]"), "X-Memory-Commit": commit}
    return {name: value for name, value in named.items() if value}
