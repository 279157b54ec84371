"""The description of the endpoints: FastAPI's, and the shape of the errors that every one of them may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from .problems import MEDIA_TYPE, Problem

REF = "#/components/schemas/{model}"

ANY_ERROR: dict[int | str, dict[str, Any]] = {
    "default": {"description": "What went wrong", "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}
}


class Application(FastAPI):
    """FastAPI, which lists in its description only the models that it answers itself."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            described = super().openapi()
            problem = Problem.model_json_schema(ref_template=REF)
            named = {**problem.pop("$defs"), "Problem": problem}
            described.setdefault("components", {}).setdefault("schemas", {}).update(named)
        return super().openapi()
