"""The description of the endpoints: FastAPI's, and the shape of the errors that every one of them may answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from .problems import MEDIA_TYPE, Problem, refusals
from .schemas import IngestRequest

REF = "#/components/schemas/{model}"

ANY_ERROR: dict[int | str, dict[str, Any]] = {
    "default": {"description": "What went wrong", "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}
}
STREAM: dict[str, Any] = {"content": {"text/event-stream": {"itemSchema": {"type": "object"}}}}
"""An answer of server-sent events; the itemSchema is OpenAPI 3.2's."""


class Application(FastAPI):
    """FastAPI, which lists in its description only the models that it answers itself."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            described = super().openapi()
            named = described.setdefault("components", {}).setdefault("schemas", {})
            for model in (Problem, IngestRequest):
                named.update(_described(model))
            for path in described["paths"].values():
                for operation in path.values():
                    for status, told in refusals(*_unreadable(operation)).items():
                        operation["responses"].setdefault(str(status), told)
        return super().openapi()


def _described(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=REF)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _unreadable(operation: Mapping[str, Any]) -> Iterator[int]:
    """How an endpoint refuses what it cannot read: 400 is no JSON, 422 is not what its schema says."""
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        yield from (400, 422)
    elif any(_refused(parameter["schema"]) for parameter in operation.get("parameters", ())):
        yield 422


def _refused(schema: Mapping[str, Any]) -> bool:
    """Whether there are texts that a parameter cannot be."""
    kinds = {each.get("type") for each in schema.get("anyOf", (schema,))}
    return bool(kinds - {"string", "null"}) or "pattern" in schema or "enum" in schema
