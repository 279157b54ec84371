"""POST /v1/embeddings: the vectors by which memories are found, so that clients can ask the same index."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from ...errors import ModelNotFound
from ...runtime.encoder import counted
from .fields import Text, Tolerant, invalid, refuse, require_known
from .hub import Hub, hub
from .problems import Unsupported, refusals

router = APIRouter(tags=["embeddings"])


def _texts(value: Any) -> Any:
    listed = value if isinstance(value, list) else [value]
    if any(isinstance(each, int | list) for each in listed):
        raise refuse("Tokens cannot be embedded, since the encoder has others; send text.")
    return listed


MOST = 2048
ONE_TEXT = {"type": "string", "minLength": 1}
INPUT = {"anyOf": [ONE_TEXT, {"type": "array", "items": ONE_TEXT, "minItems": 1, "maxItems": MOST}]}


class EmbeddingRequest(Tolerant):
    model: Text | None = None
    input: Annotated[list[Text], Field(min_length=1, max_length=MOST), BeforeValidator(_texts), WithJsonSchema(INPUT)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        require_known(self.model_extra, {})
        return self

    @field_validator("input")
    @classmethod
    def _say_something(cls, texts: list[str]) -> list[str]:
        empty = next((number for number, text in enumerate(texts) if not text), None)
        if empty is not None:
            raise invalid("An empty text has no meaning to embed; leave it out.", f"/{empty}")
        return texts


@router.post("/v1/embeddings", responses=refusals(404))
def embed(body: EmbeddingRequest, hub: Annotated[Hub, Depends(hub)]) -> dict[str, Any]:
    """The vectors of texts, L2-normalised."""
    encoder = hub.runtime.memories.encoder
    served = encoder.identity.rpartition("/")[0] or encoder.identity
    if body.model is not None and body.model not in (served, encoder.identity, hub.runtime.model.name):
        raise ModelNotFound(f"Texts are not embedded by {body.model[:80]} here; this server has {served}.")
    if body.dimensions not in (None, encoder.dim):
        sentence = f"The vectors of {served} have {encoder.dim} dimensions; leave dimensions out."
        raise Unsupported(sentence, param="/dimensions")
    rows = encoder.encode(body.input)
    count = counted(encoder, body.input)
    hub.meter.spend(count)
    packed = [_packed(row) if body.encoding_format == "base64" else row.tolist() for row in rows]
    data = [{"object": "embedding", "index": number, "embedding": row} for number, row in enumerate(packed)]
    return {"object": "list", "data": data, "model": served, "usage": {"prompt_tokens": count, "total_tokens": count}}


def _packed(row: Any) -> str:
    """Little-endian float32, as OpenAI packs them."""
    return base64.b64encode(row.astype("<f4").tobytes()).decode()
