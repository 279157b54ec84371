"""Errors on the wire: RFC 9457 members and OpenAI's `error` object in one body, for both kinds of client."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from ...errors import Conflict, InvalidInput, MergeConflict, OverBudget, Overloaded, PerdureError, StoreError
from .. import reports

log = logging.getLogger("perdure.http")

MEDIA_TYPE = "application/problem+json"
CODE = "perdure.problem"
UNSUPPORTED = "unsupported_parameter"
RETRYABLE = {"session_busy", "ref_changed", "unavailable", "request_in_progress"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROUTING_SENTENCES = {
    400: ("invalid_body", "The body could not be read; send UTF-8 JSON."),
    404: ("route_not_found", "There is nothing at {path}; the endpoints are listed in /openapi.json."),
    405: ("method_not_allowed", "{method} is not possible at {path}; the Allow header lists what is."),
    413: ("body_too_large", "The body is larger than this server accepts; send less at once."),
}


class ParameterError(InvalidInput):
    """A value in a request that cannot be used; `param` is the place of it, "/messages/0/content" for one."""

    code = "invalid_parameter"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param


class Unsupported(ParameterError):
    """Valid OpenAI, and not possible here."""

    code = UNSUPPORTED
    status = 400


class SchemaRefused(ParameterError):
    """A JSON schema, or a tool's, that no answer can be held to."""

    code = "invalid_json_schema"
    status = 400


class ContentChanged(Conflict):
    """What the client means to change has changed since it was read."""

    code = "content_changed"


class PreconditionFailed(PerdureError):
    """The same, where the client asked for it with If-Match."""

    code = "precondition_failed"
    status = 412


class CrossOrigin(PerdureError):
    """A page of another site sent this."""

    code = "cross_origin"
    status = 403


class Unauthenticated(PerdureError):
    """A request without a key that opens; `given`: it brought one."""

    code = "invalid_api_key"
    status = 401

    def __init__(self, message: str, *, given: bool = False) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": 'Bearer realm="perdure"' + (', error="invalid_token"' if given else "")}


class ScopeMissing(PerdureError):
    """A key that does not reach so far."""

    code = "insufficient_scope"
    status = 403


class FirstKeyElsewhere(PerdureError):
    """The first key is not made over HTTP."""

    code = "no_keys"
    status = 403


class RateExceeded(Overloaded):
    """A tenant has used all tokens of this minute; `retry_after` seconds later some are free again."""

    code = "rate_limit_exceeded"


class Unavailable(PerdureError):
    """The server is stopping."""

    code = "unavailable"
    status = 503


class ErrorObject(BaseModel):
    """OpenAI's error object."""

    message: str
    type: str
    param: str | None
    code: str | None


class FieldError(BaseModel):
    param: str
    detail: str


class ClashObject(BaseModel):
    """A memory or record that both sides of a merge changed."""

    tier: str
    name: str
    ours: str | None
    theirs: str | None


class Problem(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    error: ErrorObject
    errors: list[FieldError] | None = None
    conflicts: list[ClashObject] | None = None


class ProblemResponse(JSONResponse):
    """Escapes everything beyond ASCII, since an error may quote text that cannot be encoded."""

    media_type = MEDIA_TYPE
    code = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leaves its code in the scope for whoever counts."""
        scope[CODE] = self.code
        await super().__call__(scope, receive, send)

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of an endpoint, as OpenAPI describes them."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def error_object(error: Exception) -> dict[str, Any]:
    """OpenAI's error object for any exception; an unexpected one keeps its details to the server's log."""
    if isinstance(error, PerdureError):
        return _error(str(error), error.status, error.code, getattr(error, "param", None))
    return _error("The server met an unexpected error; its log has the details.", 500, "internal_error", None)


def problem(
    path: str,
    status: int,
    code: str,
    detail: str,
    *,
    param: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    conflicts: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response for an error."""
    body: dict[str, Any] = {
        "type": f"urn:perdure:error:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        "error": _error(detail, status, code, param),
    }
    if errors:
        body["errors"] = [dict(each) for each in errors]
    if conflicts:
        body["conflicts"] = [dict(each) for each in conflicts]
    response = ProblemResponse(body, status, {**_retry_headers(status, code), **(headers or {})})
    response.code = code
    return response


def unexpected(path: str) -> JSONResponse:
    """The response for an exception that nobody foresaw; the body says nothing of the inside."""
    return problem(path, 500, "internal_error", error_object(Exception())["message"])


def on_perdure_error(request: Request, error: Exception) -> JSONResponse:
    found = error_object(error)
    status = error.status if isinstance(error, PerdureError) else 500
    clashes = [reports.clash(each) for each in error.clashes] if isinstance(error, MergeConflict) else []
    later = {"Retry-After": str(error.retry_after)} if isinstance(error, Overloaded) else None
    if isinstance(error, StoreError):
        log.error("%s %s: %s: %s", request.method, request.url.path, found["code"], found["message"])
    return problem(
        request.url.path,
        status,
        found["code"],
        found["message"],
        param=found["param"],
        conflicts=clashes,
        headers=later or getattr(error, "headers", None),
    )


def on_validation_error(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if found and found[0]["type"] == "json_invalid":
        detail = f"The body is not valid JSON: {found[0]['ctx']['error']} at character {found[0]['loc'][-1]}."
        return problem(request.url.path, 400, "invalid_json", detail)
    fields = [_field(each) for each in found]
    refused = next((n for n, each in enumerate(found) if each["type"] == UNSUPPORTED), None)
    first = fields[refused or 0]
    status, code = (422, ParameterError.code) if refused is None else (400, UNSUPPORTED)
    return problem(request.url.path, status, code, first["detail"], param=first["param"], errors=fields)


def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    fallback = (HTTPStatus(status).phrase.lower().replace(" ", "_"), str(getattr(error, "detail", "")))
    code, sentence = ROUTING_SENTENCES.get(status, fallback)
    headers = {"Allow": ", ".join(_allowed(request))} if status == 405 else None
    detail = sentence.format(method=request.method, path=request.url.path)
    return problem(request.url.path, status, code, detail, headers=headers)


def _error(message: str, status: int, code: str, param: str | None) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"message": message, "type": kind, "param": param, "code": code}


def _retry_headers(status: int, code: str) -> dict[str, str]:
    if code in RETRYABLE:
        return {"Retry-After": "1"}
    final = status == Conflict.status or code == OverBudget.code or code in _store_codes()
    return {"x-should-retry": "false"} if final else {}


def _store_codes() -> set[str]:
    return {StoreError.code, *(each.code for each in StoreError.__subclasses__())}


def _field(found: Mapping[str, Any]) -> dict[str, str]:
    """Our own checks write whole sentences and may point deeper than pydantic does."""
    param = "".join(f"/{part}" for part in found["loc"][1:]) + str(found.get("ctx", {}).get("suffix", ""))
    if found["type"] in {UNSUPPORTED, ParameterError.code}:
        return {"param": param or "/", "detail": found["msg"]}
    name = f"{found['loc'][0]}{param}" if param else "body"
    message = found["msg"][:1].lower() + found["msg"][1:]
    return {"param": param or "/", "detail": f"{name} cannot be used: {message}."}


def _allowed(request: Request) -> list[str]:
    """Every method that some route has at this path; the framework names those of the first route only."""
    routes = request.app.router.routes
    return [m for m in METHODS if any(r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes)]
