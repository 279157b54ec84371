"""Failures as errors: the server's problem bodies and the connection's troubles, in the classes of `perdure.errors`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from .. import errors
from ..errors import Conflict, InvalidInput, MergeConflict, NotFound, PerdureError, ServiceError, Unreachable

BY_STATUS: Mapping[int, type[PerdureError]] = {
    400: InvalidInput,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: InvalidInput,
    422: InvalidInput,
}
"""For codes that have no class of their own."""


def _classes(kind: type[PerdureError]) -> Iterator[tuple[str, type[PerdureError]]]:
    yield kind.code, kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _classes(each)


BY_CODE = dict(_classes(PerdureError))


def failure(status: int, data: bytes) -> PerdureError:
    """The error that a response tells of. It has the server's `code` and `status`, and all it said as `problem`."""
    problem = _problem(data)
    code = str(problem.get("code") or "service_error")
    sentence = str(problem.get("detail") or problem.get("message") or f"The server answered {status} and no reason.")
    kind = BY_CODE.get(code) or BY_STATUS.get(status, ServiceError)
    error = MergeConflict(sentence, _clashes(problem)) if kind is MergeConflict else kind(sentence)
    error.__dict__.update(code=code, status=status, problem=problem)
    return error


def told(problem: Mapping[str, Any]) -> PerdureError:
    """The error object of a stream that broke off, or of a job."""
    code = str(problem.get("code"))
    kind = BY_CODE.get(code, ServiceError)
    return failure(kind.status, json.dumps(dict(problem)).encode())


@contextmanager
def translated(url: str) -> Iterator[None]:
    """The connection's troubles as ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unreachable(f"The server at {url} took too long; give it more with timeout, or try again.") from error
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise Unreachable(f"The server at {url} cannot be reached: {reason}. Start it with `perdure serve`.") from error
    except (httpx.InvalidURL, httpx.DecodingError, httpx.TooManyRedirects) as error:
        raise Unreachable(f"What answers at {url} is no Perdure server: {error}.") from error


def body_of(data: bytes, url: str) -> Any:
    """A JSON body. Raises ServiceError for anything else."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise ServiceError(f"What answers at {url} is no Perdure server: its body is not JSON.") from error


def _problem(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _clashes(problem: Mapping[str, Any]) -> tuple[Any, ...]:
    from ..memory.records import Clash

    return tuple(Clash(**{name: each.get(name) for name in Clash._fields}) for each in problem.get("conflicts", ()))
