"""POST /v1/completions: a plain text gone on with. Nothing of it is kept, but what was computed for it is reused."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ...runtime.records import Score
from .calling import Asked
from .chat import EventStream, cancelled_on_disconnect, cancelled_on_error, finish_reason, usage
from .fields import Drawing, Harmless, Length, Text, absent, invalid, one_of, refuse, require_known
from .hub import Hub, hub
from .openapi import STREAM
from .problems import error_object, refusals
from .schemas import StreamOptions
from .seat import Seat, Seating, Target
from .turns import Called, Finished, Piece, Spoken, Turn

router = APIRouter(tags=["completions"])

REFUSED: Mapping[str, tuple[Harmless, str]] = {
    "n": (one_of(1), "One answer is given per request; leave n out or send 1."),
    "best_of": (one_of(1), "One answer is given per request; leave best_of out."),
    "echo": (absent, "The prompt is not repeated; leave echo out."),
    "suffix": (absent, "Nothing can be put in before a suffix; leave suffix out."),
}


def _one_text(value: Any) -> Any:
    """A prompt is one text, perhaps in a list."""
    if not isinstance(value, list):
        return value
    if len(value) != 1 or not isinstance(value[0], str):
        raise refuse("One prompt, as text, is gone on with per request; send a string.")
    return value[0]


ONE_TEXT = {"type": "string", "pattern": r"\S"}
PROMPT = {"anyOf": [ONE_TEXT, {"type": "array", "items": ONE_TEXT, "minItems": 1, "maxItems": 1}]}


class CompletionRequest(Drawing):
    model: Text | None = None
    prompt: Annotated[Text, BeforeValidator(_one_text), WithJsonSchema(PROMPT)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Length = 16
    logprobs: int | None = Field(None, ge=0, le=20)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        require_known(self.model_extra, REFUSED)
        if not self.prompt.strip():
            raise invalid("The prompt is empty; give some text.", "/prompt")
        return self

    def asked(self) -> Asked:
        sampling = {**self.drawing(), "max_tokens": self.max_tokens, "logprobs": self.logprobs}
        return Asked(sampling, prompt=self.prompt)  # type: ignore[arg-type]


class PlainSeating(Seating):
    """A seat where nothing is remembered."""

    def _find(self) -> Seat:
        return self._nowhere("stateless")


class Shape:
    """Builds the bodies of one completion. `offset` counts the characters that were told."""

    def __init__(self, model: str) -> None:
        self._head = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time())}
        self._head["model"] = model
        self._offset = 0

    def body(self, text: str, finish: str | None, scores: Sequence[Score], **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": self._logprobs(scores)}
        return {**self._head, "choices": [choice], **more}

    def usage(self, counts: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._head, "choices": [], "usage": counts}

    def _logprobs(self, scores: Sequence[Score]) -> dict[str, Any] | None:
        if not scores:
            return None
        offsets = []
        for score in scores:
            offsets.append(self._offset)
            self._offset += len(_text(score))
        return {
            "tokens": [_text(score) for score in scores],
            "token_logprobs": [score.logprob for score in scores],
            "top_logprobs": [{_text(other): other.logprob for other in score.top} for score in scores],
            "text_offset": offsets,
        }


@router.post("/v1/completions", response_class=JSONResponse, responses={200: STREAM, **refusals(404)})
async def complete(body: CompletionRequest, request: Request, hub: Annotated[Hub, Depends(hub)]) -> Response:
    """Go on with a text, without the chat template."""
    hub.split_model(body.model)
    turn = hub.turns.begin(PlainSeating(hub.runtime, hub.turns.warm, None, Target(None)), body.asked())
    shape = Shape(hub.runtime.model.name)
    with cancelled_on_error(turn):
        async with cancelled_on_disconnect(request, turn):
            first = await turn.next()
            if not body.stream:
                return await _whole(shape, first, turn)
        include_usage = body.stream_options is not None and body.stream_options.include_usage
        return EventStream(_frames(shape, first, turn, include_usage), turn, headers={})


async def _whole(shape: Shape, event: Spoken, turn: Turn) -> Response:
    scores = []
    while not isinstance(event, Finished):
        scores += _scores(event)
        event = await turn.next()
    receipt = event.receipt
    return JSONResponse(shape.body(event.text, finish_reason(receipt), scores, usage=usage(receipt)))


async def _frames(shape: Shape, event: Spoken, turn: Turn, include_usage: bool) -> AsyncIterator[bytes]:
    try:
        while not isinstance(event, Finished):
            yield _frame(shape.body(event.text if isinstance(event, Piece) else "", None, _scores(event)))
            event = await turn.next()
    except Exception as error:
        yield _frame({"error": error_object(error)})
        return
    yield _frame(shape.body("", finish_reason(event.receipt), ()))
    if include_usage:
        yield _frame(shape.usage(usage(event.receipt)))
    yield b"data: [DONE]\n\n"


def _scores(event: Piece | Called) -> list[Score]:
    return [event.score] if isinstance(event, Piece) and event.score is not None else []


def _text(score: Score) -> str:
    return score.data.decode(errors="replace")


def _frame(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
